#include "net/fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/address.h"
#include "net/target.h"

enum { LONGEST_UNIX_PATH = 107 };

static size_t append(char *p, size_t size, size_t count, void *reply)
{
    return buf_append(reply, p, size * count) < 0 ? 0 : size * count;
}

/* One line of the head. */
static size_t note_field(char *p, size_t size, size_t count, void *arg)
{
    const struct fetch_field *field = arg;
    size_t len = size * count, name = strlen(field->name);
    if (len <= name || strncasecmp(p, field->name, name) != 0 || p[name] != ':')
        return len;
    const char *at = p + name + 1, *end = p + len;
    at += at < end && *at == ' ';
    while (end > at && (end[-1] == '\r' || end[-1] == '\n'))
        end--;
    size_t used = (size_t)(end - at) < field->size - 1 ? (size_t)(end - at) : field->size - 1;
    memcpy(field->out, at, used);
    field->out[used] = '\0';
    return len;
}

static bool is_unix(const char *address)
{
    return strncmp(address, "unix:", 5) == 0;
}

static int set_address(CURL *easy, const char *address, const char *path, struct err *err)
{
    struct buf url = BUF(16 * 1024);
    const char *host = is_unix(address) ? "localhost" : address;
    if (is_unix(address) && strlen(address + 5) > LONGEST_UNIX_PATH)
        return err_set(err, ERR_BAD_REQUEST, "%s: a socket's path has at most %d bytes", address,
                       LONGEST_UNIX_PATH);
    if (buf_printf(&url, "http://%s%s%s", host[0] == ':' ? "127.0.0.1" : "", host, path) < 0)
        return err_set(err, ERR_BAD_REQUEST, "the path is too long");
    curl_easy_setopt(easy, CURLOPT_URL, url.p);
    buf_clear(&url);
    if (is_unix(address))
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, address + 5);
    return 0;
}

static struct curl_slist *headers(const char *token)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    list = curl_slist_append(list, "Content-Type: application/json");
    struct buf line = BUF(8 * 1024);
    if (token && buf_printf(&line, "Authorization: Bearer %s", token) == 0)
        list = curl_slist_append(list, line.p);
    buf_clear(&line);
    return list;
}

static void set_request(CURL *easy, const char *method, struct str body, unsigned timeout_ms)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (body.len > 0 || strcmp(method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.len > 0 ? body.p : "");
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static int fail_connect(CURL *easy, const char *address, struct err *err)
{
    long number = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
    if (number == EACCES || number == EPERM)
        return err_set(err, ERR_SYSTEM, "%s: %s", address, strerror((int)number));
    if (is_unix(address) && number == ENOENT)
        return err_set(err, ERR_CONNECT, "no server at %s (no such socket)", address);
    return err_set(err, ERR_CONNECT, "no server at %s%s%s%s", address, number ? " (" : "",
                   number ? strerror((int)number) : "", number ? ")" : "");
}

static int fail(CURL *easy, CURLcode code, const char *address, const char *words, struct err *err)
{
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        return fail_connect(easy, address, err);
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(err, ERR_TIMEOUT, "%s did not answer in time", address);
    case CURLE_WRITE_ERROR:
        return err_set(err, ERR_LIMIT, "%s: the reply is too large", address);
    case CURLE_COULDNT_RESOLVE_HOST:
        return err_set(err, ERR_CONNECT, "no server at %s (no host of that name)", address);
    case CURLE_URL_MALFORMAT:
        return err_set(err, ERR_BAD_REQUEST,
                       "%s is not an address (try 127.0.0.1:9090 or unix:/path)", address);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return err_set(err, ERR_MALFORMED, "%s does not speak HTTP/1.1", address);
    default:
        return err_set(err, ERR_CUT, "%s: %s", address,
                       words[0] ? words : curl_easy_strerror(code));
    }
}

int fetch(const char *address, const char *method, const char *path, struct str body,
          const char *token, unsigned timeout_ms, struct buf *reply, int *status, struct err *err)
{
    return fetch_with_field(address, method, path, body, token, timeout_ms, reply, status, NULL, err);
}

/* Sends what `easy` is set up for. Frees both. */
static int perform(CURL *easy, struct curl_slist *list, const char *address, struct buf *reply, int *status, struct fetch_field *field, struct err *err)
{
    char words[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, words);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, reply);
    if (field) {
        field->out[0] = '\0';
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, note_field);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, field);
    }
    CURLcode code = curl_easy_perform(easy);
    long answered = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answered);
    *status = (int)answered;
    int result = code == CURLE_OK ? 0 : fail(easy, code, address, words, err);
    curl_slist_free_all(list);
    curl_easy_cleanup(easy);
    return result;
}

int fetch_with_field(const char *address, const char *method, const char *path, struct str body, const char *token, unsigned timeout_ms,
                     struct buf *reply, int *status, struct fetch_field *field, struct err *err)
{
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        return err_set(err, ERR_SYSTEM, "libcurl does not start");
    if (set_address(easy, address, path, err) < 0) {
        curl_easy_cleanup(easy);
        return -1;
    }
    set_request(easy, method, body, timeout_ms);
    return perform(easy, headers(token), address, reply, status, field, err);
}

/* ---- a whole URL ---- */

/* Who asks for a socket, and what became of it. */
struct gate {
    struct target target;
    char refused[INET6_ADDRSTRLEN]; /* the address that was; "": none */
};

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct gate *gate = arg;
    (void)purpose;
    if (address_may_connect(&to->addr, gate->target.is_literal, gate->target.is_private))
        return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    const void *bytes = to->family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)(void *)&to->addr)->sin6_addr
                                               : (void *)&((struct sockaddr_in *)(void *)&to->addr)->sin_addr;
    inet_ntop(to->family, bytes, gate->refused, sizeof gate->refused);
    return CURL_SOCKET_BAD;
}

static void set_route(CURL *easy, const struct fetch_to *to, struct gate *gate)
{
    curl_easy_setopt(easy, CURLOPT_URL, to->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, gate);
    if (to->proxy)
        curl_easy_setopt(easy, CURLOPT_PROXY, gate->target.proxy);
    if (to->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, to->ca_file);
}

/* Names an address that was refused. */
static int explain(const struct gate *gate, int result, struct err *err)
{
    if (result == 0 || gate->refused[0] == '\0')
        return result;
    return err_set(err, ERR_CONNECT, "%s resolves to %s, which is not public: private = true allows it", gate->target.name, gate->refused);
}

int fetch_url(const struct fetch_to *to, const char *method, struct str body, unsigned timeout_ms, struct buf *reply, int *status,
              struct fetch_field *field, struct err *err)
{
    struct gate gate = {0};
    char url[4096];
    snprintf(url, sizeof url, "%.*s", (int)strcspn(to->url, "?"), to->url);
    if (target_init(&gate.target, &(struct endpoint){.base_url = url, .proxy = to->proxy, .is_private = to->is_private}, NULL) < 0)
        return err_set(err, ERR_BAD_REQUEST, "%s is no URL such as http://127.0.0.1:4318, or its proxy is none", to->url);
    CURL *easy = curl_easy_init();
    if (easy == NULL) {
        target_clear(&gate.target);
        return err_set(err, ERR_SYSTEM, "libcurl does not start");
    }
    struct curl_slist *list = headers(NULL);
    for (const char *const *line = to->lines; line && *line; line++)
        list = curl_slist_append(list, *line);
    set_request(easy, method, body, timeout_ms);
    set_route(easy, to, &gate);
    int result = explain(&gate, perform(easy, list, to->url, reply, status, field, err), err);
    target_clear(&gate.target);
    return result;
}
