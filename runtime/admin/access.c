#include "admin/access.h"

#include <arpa/inet.h>
#include <stdio.h>

/* "[::1]:80" → "::1", "localhost:80" → "localhost". */
static struct str host_of(struct str authority)
{
    if (authority.len && authority.p[0] == '[') {
        const char *end = memchr(authority.p, ']', authority.len);
        return end ? str_n(authority.p + 1, (size_t)(end - authority.p) - 1) : str_n(NULL, 0);
    }
    const char *colon = memchr(authority.p, ':', authority.len);
    return colon ? str_n(authority.p, (size_t)(colon - authority.p)) : authority;
}

static bool is_loopback(struct str host)
{
    char text[64];
    struct in_addr four;
    struct in6_addr six;
    if (str_ieq(host, "localhost"))
        return true;
    if (host.len >= sizeof text)
        return false;
    snprintf(text, sizeof text, STR_FMT, STR_ARG(host));
    if (inet_pton(AF_INET, text, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, text, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

bool access_is_local(struct str address)
{
    return str_starts(address, "unix:") || is_loopback(host_of(address));
}

static bool is_host_allowed(const struct access *a, struct str host)
{
    struct str name = host_of(host), own = host_of(str_of(a->address));
    return is_loopback(name) || (name.len == own.len && strncasecmp(name.p, own.p, own.len) == 0);
}

static bool is_same_origin(struct str origin, struct str host)
{
    const char *scheme = "http://";
    size_t n = strlen(scheme);
    return str_starts(origin, scheme) && origin.len - n == host.len &&
           strncasecmp(origin.p + n, host.p, host.len) == 0;
}

/* Takes the same time wherever the two differ. */
static bool is_token(struct str header, const char *token)
{
    size_t n = strlen(token), prefix = strlen("Bearer ");
    if (header.len != prefix + n || strncasecmp(header.p, "Bearer ", prefix) != 0)
        return false;
    unsigned char differs = 0;
    for (size_t i = 0; i < n; i++)
        differs |= (unsigned char)(header.p[prefix + i] ^ token[i]);
    return differs == 0;
}

int access_check(const struct access *a, const struct http_head *head, const char **why)
{
    struct str host = http_field(head, "host"), origin = http_field(head, "origin");
    if (origin.p && !is_same_origin(origin, host)) {
        *why = "the Origin of this request is another site";
        return 403;
    }
    if (a->token) {
        *why = "this address asks for a token: Authorization: Bearer TOKEN (the commands read WYE_TOKEN)";
        return is_token(http_field(head, "authorization"), a->token) ? 0 : 401;
    }
    *why = "the Host of this request is no loopback name";
    return strncmp(a->address, "unix:", 5) == 0 || is_host_allowed(a, host) ? 0 : 403;
}
