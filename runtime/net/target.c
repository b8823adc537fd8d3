#include "net/target.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"

enum { LONGEST = 4096 };

struct parts {
    struct str scheme, userinfo, host, rest; /* rest: from the first slash */
    int port;                                /* 0: not given */
    bool is_literal;
};

static struct str cut(struct str *s, size_t at, size_t skip)
{
    struct str head = str_n(s->p, at);
    *s = str_n(s->p + at + skip, s->len - at - skip);
    return head;
}

static bool is_printable(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f || s.p[i] == '\\')
            return false;
    return true;
}

static bool is_address(struct str host, int family)
{
    char text[64];
    struct in6_addr address;
    if (host.len >= sizeof text)
        return false;
    memcpy(text, host.p, host.len);
    text[host.len] = '\0';
    return inet_pton(family, text, &address) == 1;
}

static int parse_port(struct str s, int *port)
{
    *port = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!isdigit((unsigned char)s.p[i]) || (*port = *port * 10 + (s.p[i] - '0')) > 65535)
            return -1;
    }
    return s.len > 0 && *port == 0 ? -1 : 0;
}

/* Host and port; brackets stay part of the host. */
static int parse_host(struct str s, struct parts *parts)
{
    size_t end = 0;
    if (s.len > 0 && s.p[0] == '[') {
        const char *close = memchr(s.p, ']', s.len);
        end = close ? (size_t)(close - s.p) + 1 : 0;
        if (end < 3 || !is_address(str_n(s.p + 1, end - 2), AF_INET6))
            return -1;
        parts->is_literal = true;
    } else {
        while (end < s.len && (isalnum((unsigned char)s.p[end]) || strchr("-._", s.p[end])))
            end++;
        struct str host = str_n(s.p, end);
        parts->is_literal = is_address(host, AF_INET) || str_eq(host, "localhost");
    }
    if (end == 0 || end > 253 || (end < s.len && s.p[end] != ':'))
        return -1;
    parts->host = cut(&s, end, 0);
    return s.len == 0 ? 0 : parse_port(str_n(s.p + 1, s.len - 1), &parts->port);
}

static int parse(struct str url, struct parts *parts)
{
    *parts = (struct parts){0};
    if (url.len > LONGEST || !is_printable(url))
        return -1;
    const char *colon = memmem(url.p, url.len, "://", 3);
    if (colon)
        parts->scheme = cut(&url, (size_t)(colon - url.p), 3);
    const char *slash = memchr(url.p, '/', url.len);
    struct str authority = cut(&url, slash ? (size_t)(slash - url.p) : url.len, 0);
    parts->rest = url;
    const char *at = memrchr(authority.p, '@', authority.len);
    if (at)
        parts->userinfo = cut(&authority, (size_t)(at - authority.p), 1);
    return parse_host(authority, parts);
}

static char *join(const char *format, struct str a, struct str b, int port)
{
    char *out = NULL;
    if (asprintf(&out, format, STR_ARG(a), STR_ARG(b), port) < 0)
        abort();
    return out;
}

static int set_base(struct target *t, const char *base_url)
{
    struct parts parts;
    if (parse(str_of(base_url), &parts) < 0 || parts.userinfo.p ||
        memchr(base_url, '?', strlen(base_url)) || memchr(base_url, '#', strlen(base_url)))
        return -1;
    t->is_tls = t->is_wrapped = str_eq(parts.scheme, "https");
    if (!t->is_tls && !str_eq(parts.scheme, "http"))
        return -1;
    int usual = t->is_tls ? 443 : 80;
    int port = parts.port ? parts.port : usual;
    t->origin = join("%.*s://%.*s:%d", parts.scheme, parts.host, port);
    t->host = join(port == usual ? "%.*s%.*s" : "%.*s%.*s:%d", parts.host, str_of(""), port);
    t->name = xstrndup(parts.host.p, parts.host.len);
    t->is_literal = parts.is_literal;
    while (parts.rest.len > 0 && parts.rest.p[parts.rest.len - 1] == '/')
        parts.rest.len--;
    t->path = xstrndup(parts.rest.p, parts.rest.len);
    return 0;
}

/* libcurl's default port for a proxy is 1080; a URL's reader expects its scheme's. */
static int usual_port(struct str scheme)
{
    static const struct {
        const char *scheme;
        int port;
    } USUAL[] = {{"http", 80},      {"https", 443},   {"socks4", 1080},
                 {"socks4a", 1080}, {"socks5", 1080}, {"socks5h", 1080}};
    for (size_t i = 0; i < sizeof USUAL / sizeof *USUAL; i++)
        if (str_eq(scheme, USUAL[i].scheme))
            return USUAL[i].port;
    return 0;
}

static int set_proxy(struct target *t, const char *proxy)
{
    struct parts parts;
    if (parse(str_of(proxy), &parts) < 0 || parts.rest.len > 1)
        return -1;
    struct str scheme = parts.scheme.p ? parts.scheme : str_of("http");
    int port = parts.port ? parts.port : usual_port(scheme);
    if (usual_port(scheme) == 0)
        return -1;
    t->is_tunnel = str_starts(scheme, "http");
    t->is_wrapped |= str_eq(scheme, "https");
    t->is_literal = parts.is_literal;
    struct buf text = BUF(LONGEST + 16);
    buf_printf(&text, STR_FMT "://" STR_FMT "%s" STR_FMT ":%d", STR_ARG(scheme),
               STR_ARG(parts.userinfo), parts.userinfo.p ? "@" : "", STR_ARG(parts.host), port);
    t->proxy = text.p;
    free(t->name);
    t->name = xstrndup(parts.host.p, parts.host.len);
    return 0;
}

int target_init(struct target *t, const struct endpoint *to, struct err *err)
{
    *t = (struct target){.is_private = to->is_private};
    if (set_base(t, to->base_url) < 0) {
        target_clear(t);
        return err_set(err, ERR_CONNECT, "base_url must look like https://host/path: \"%s\"",
                       to->base_url);
    }
    if (to->proxy && set_proxy(t, to->proxy) < 0) {
        target_clear(t);
        return err_set(err, ERR_CONNECT,
                       "proxy must look like http://host:port or socks5h://host:port");
    }
    t->ca_file = to->ca_file ? xstrdup(to->ca_file) : NULL;
    return 0;
}

void target_clear(struct target *t)
{
    free(t->origin);
    free(t->host);
    free(t->name);
    free(t->path);
    free(t->proxy);
    free(t->ca_file);
    *t = (struct target){0};
}
