#include "net/http.h"

#include <string.h>

#include "net/http_bytes.h"
#include "net/http_fields.h"

static bool keeps_alive(const struct http_head *head, const struct http_notes *notes)
{
    return !notes->close && (head->minor == 1 || notes->keep_alive);
}

/* "HTTP/1.0" or "HTTP/1.1" at p, which has at least 8 bytes to read. */
static int parse_version(const char *p, int *minor, struct http_error *error)
{
    if (memcmp(p, "HTTP/", 5) != 0 || !http_is(p[5], HTTP_DIGIT) || p[6] != '.' ||
        !http_is(p[7], HTTP_DIGIT))
        return http_refuse(error, 400, "no HTTP version");
    if (p[5] != '1' || p[7] > '1')
        return http_refuse(error, 505, "a version other than HTTP/1.0 and HTTP/1.1");
    *minor = p[7] - '0';
    return 0;
}

/* ---- requests ---- */

/* host [":" port] of RFC 3986 without user information; the port is 0 to 5 digits. */
static bool is_authority(struct str s, bool needs_port)
{
    const char *p = s.p, *end = s.p + s.len;
    if (p < end && *p == '[') {
        for (p++; p < end && (http_is(*p, HTTP_HEX) || *p == ':' || *p == '.'); p++)
            ;
        if (p - s.p < 3 || p == end || *p++ != ']')
            return false;
    } else {
        while (p < end && http_is(*p, HTTP_HOST))
            p++;
        if (p == s.p)
            return false;
    }
    if (p == end)
        return !needs_port;
    const char *port = *p == ':' ? p + 1 : end;
    for (p = port; p < end && http_is(*p, HTTP_DIGIT); p++)
        ;
    return p == end && end - port <= 5 && (end > port || (!needs_port && port[-1] == ':'));
}

/* The length of "http://" or "https://" at the start of s, else 0. */
static size_t scheme_length(struct str s)
{
    if (s.len == 0 || s.p[0] == '/')
        return 0;
    if (s.len > 7 && strncasecmp(s.p, "http://", 7) == 0)
        return 7;
    if (s.len > 8 && strncasecmp(s.p, "https://", 8) == 0)
        return 8;
    return 0;
}

/* Where the authority of an absolute target ends: at '/', '?' or the end. */
static size_t authority_end(struct str target, size_t from)
{
    while (from < target.len && target.p[from] != '/' && target.p[from] != '?')
        from++;
    return from;
}

static bool is_absolute(struct str target)
{
    size_t start = scheme_length(target);
    if (start == 0)
        return false;
    size_t end = authority_end(target, start);
    const char *user = memrchr(target.p + start, '@', end - start);
    if (user != NULL)
        start = (size_t)(user + 1 - target.p);
    return is_authority(str_n(target.p + start, end - start), false);
}

/* The four forms of RFC 9112 section 3.2. */
static bool is_target(struct str method, struct str target)
{
    if (str_eq(method, "CONNECT"))
        return is_authority(target, true);
    if (target.len == 0)
        return false;
    if (target.p[0] == '/')
        return true;
    if (target.len == 1 && target.p[0] == '*')
        return str_eq(method, "OPTIONS");
    return is_absolute(target);
}

/* "METHOD SP target SP HTTP/1.x" up to its CR. Returns its end, or NULL. */
static const char *parse_request_line(struct http_head *head, const char *p, const char *end,
                                      struct http_error *error)
{
    const char *line_end = http_find_control(p, end);
    const char *start = p;
    while (http_is(*p, HTTP_TCHAR))
        p++;
    head->method = str_n(start, (size_t)(p - start));
    if (p == start || *p != ' ')
        return http_refuse(error, 400, "a method that is no token"), NULL;
    start = ++p;
    while (http_is(*p, HTTP_TARGET))
        p++;
    head->target = str_n(start, (size_t)(p - start));
    if (*p != ' ')
        return http_refuse(error, 400, "a byte that no request target may hold"), NULL;
    if (line_end - ++p != 8)
        return http_refuse(error, 400, "no HTTP version"), NULL;
    if (parse_version(p, &head->minor, error) < 0)
        return NULL;
    if (!is_target(head->method, head->target))
        return http_refuse(error, 400, "a request target of no known form"), NULL;
    return line_end;
}

static int check_request(struct http_head *head, const struct http_notes *notes,
                         struct http_error *error)
{
    if (notes->hosts > 1)
        return http_refuse(error, 400, "several Host fields");
    if (notes->hosts == 0 && head->minor == 1)
        return http_refuse(error, 400, "no Host field");
    if (notes->hosts == 1 && !is_authority(notes->host, false))
        return http_refuse(error, 400, "a Host that is no host");
    if (notes->types > 1)
        return http_refuse(error, 400, "several Content-Type fields");
    if (http_fields_framing(head, notes, error) < 0)
        return -1;
    head->keep_alive = keeps_alive(head, notes);
    head->expect_continue = false;
    if (notes->expect.p == NULL || head->minor == 0)
        return 0;
    if (!str_ieq(notes->expect, "100-continue"))
        return http_refuse(error, 417, "an expectation other than 100-continue");
    head->expect_continue = head->framing != HTTP_NO_BODY;
    return 0;
}

int http_parse_request(struct http_head *head, const char *p, size_t len, size_t *scanned,
                       struct http_error *error)
{
    /* RFC 9112 2.2: one empty line before a request is forgiven. */
    size_t first = len >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
    long end = http_fields_end(p, len, first, scanned, error);
    if (end <= 0)
        return (int)end;
    struct http_notes notes = {0};
    head->status = 0;
    head->reason = (struct str){NULL, 0};
    const char *line_end = parse_request_line(head, p + first, p + end, error);
    if (line_end == NULL || http_fields_split(head, line_end + 2, p + end, &notes, error) < 0 ||
        check_request(head, &notes, error) < 0)
        return -1;
    return (int)end;
}

/* ---- responses ---- */

/* "HTTP/1.x SP 3DIGIT [SP reason]" up to its CR, which is at `end`. */
static int parse_status_line(struct http_head *head, const char *p, const char *end,
                             struct http_error *error)
{
    if (end - p < 12)
        return http_refuse(error, 502, "a short status line");
    if (parse_version(p, &head->minor, error) < 0)
        return -1;
    if (p[8] != ' ' || p[9] < '1' || p[9] > '5' || !http_is(p[10], HTTP_DIGIT) ||
        !http_is(p[11], HTTP_DIGIT) || (end - p > 12 && p[12] != ' '))
        return http_refuse(error, 502, "a status that is not 100 to 599");
    head->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    head->reason = end - p > 12 ? str_n(p + 13, (size_t)(end - p - 13)) : str_n(end, 0);
    return 0;
}

/* RFC 9112 6.3: which replies have no body whatever their fields say, and which end with the connection. */
static void set_reply_framing(struct http_head *head, struct str method)
{
    bool is_bodiless = head->status < 200 || head->status == 204;
    if (is_bodiless || head->status == 304 || str_eq(method, "HEAD") ||
        (str_eq(method, "CONNECT") && head->status < 300)) {
        /* Who sends a body where none may be may send its bytes too. */
        if (is_bodiless && (head->framing == HTTP_CHUNKED || head->length > 0))
            head->keep_alive = false;
        head->framing = HTTP_NO_BODY;
    } else if (head->framing == HTTP_NO_BODY) {
        head->framing = HTTP_UNTIL_CLOSE;
        head->keep_alive = false;
    }
}

static int parse_response(struct http_head *head, struct str method, const char *p, const char *end,
                          struct http_error *error)
{
    struct http_notes notes = {0};
    const char *line_end = http_find_control(p, end);
    head->method = head->target = (struct str){NULL, 0};
    head->expect_continue = false;
    if (parse_status_line(head, p, line_end, error) < 0 ||
        http_fields_split(head, line_end + 2, end, &notes, error) < 0 ||
        http_fields_framing(head, &notes, error) < 0)
        return -1;
    head->keep_alive = keeps_alive(head, &notes);
    set_reply_framing(head, method);
    return 0;
}

/* A peer that greets in another protocol waits for an answer: no end of the head would ever come. */
static int refuse_foreign(const char *p, size_t len, struct http_error *error)
{
    static const char version[] = "HTTP/1.";
    size_t seen = len < sizeof version - 1 ? len : sizeof version - 1;
    return memcmp(p, version, seen) == 0 ? 0 : http_refuse(error, 502, "not HTTP/1");
}

int http_parse_response(struct http_head *head, struct str method, const char *p, size_t len,
                        size_t *scanned, struct http_error *error)
{
    long end = http_fields_end(p, len, 0, scanned, error);
    if (end == 0)
        end = refuse_foreign(p, len, error);
    if (end > 0 && parse_response(head, method, p, p + end, error) < 0)
        end = -1;
    if (end < 0)
        error->status = 502;
    return (int)end;
}

/* ---- questions about a head ---- */

struct str http_path(const struct http_head *head)
{
    struct str target = head->target;
    size_t start = scheme_length(target);
    if (start == 0)
        return target;
    size_t end = authority_end(target, start);
    if (end == target.len)
        return str_of("/");
    return str_n(target.p + end, target.len - end);
}

struct str http_field_named(const struct http_head *head, struct str name)
{
    for (int i = 0; i < head->count; i++) {
        struct str found = head->fields[i].name;
        if (found.len == name.len && (found.p[0] | 0x20) == (name.p[0] | 0x20) && strncasecmp(found.p, name.p, name.len) == 0)
            return head->fields[i].value;
    }
    return (struct str){NULL, 0};
}
