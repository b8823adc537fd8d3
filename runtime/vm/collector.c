#include "vm/collector.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "vm/entries.h"
#include "vm/secret.h"
#include "vm/settings.h"

#define ROWS(table) (table), (int)(sizeof(table) / sizeof *(table))

/* As they are read, before they are copied. */
struct given {
    struct collector *out;
    const char *url, *ca, *proxy;
};

static int copy(struct settings *s, char *out, size_t size, const char *text)
{
    if (strlen(text) >= size)
        return settings_fail(s, "is longer than %zu bytes", size - 1);
    strcpy(out, text);
    return 0;
}

/* Names that the sender writes itself, or that would break its framing. */
static bool is_own(const char *name)
{
    static const char *const OWN[] = {"host", "content-type", "content-length", "content-encoding", "transfer-encoding", "connection", "expect"};
    for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++)
        if (strcasecmp(name, OWN[i]) == 0)
            return true;
    return false;
}

static bool is_secret(const char *name)
{
    static const char *const MARKS[] = {"auth", "key", "token", "secret", "cookie", "password"};
    for (size_t i = 0; i < sizeof MARKS / sizeof *MARKS; i++)
        if (strcasestr(name, MARKS[i]))
            return true;
    return false;
}

static int check_name(struct settings *s, const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("!#$%&'*+-.^_`|~", *c))
            return settings_fail(s, "is no name of a header");
    if (is_own(name))
        return settings_fail(s, "this header is written by wye");
    return 0;
}

static int read_value(struct settings *s, struct collector_header *h)
{
    struct secret from = {0};
    const char *text;
    if (lua_type(s->L, -1) == LUA_TSTRING && !is_secret(h->name)) {
        h->from = COLLECTOR_TEXT;
        return settings_text(s, &text, NULL) < 0 ? -1 : copy(s, h->value, sizeof h->value, text);
    }
    if (entries_secret(s, &from, NULL) < 0)
        return -1;
    h->from = from.env ? COLLECTOR_ENV : COLLECTOR_FILE;
    return copy(s, h->value, sizeof h->value, from.env ? from.env : from.file);
}

static int read_header(struct settings *s, const char *name, void *arg)
{
    struct collector *c = arg;
    if (c->header_count == COLLECTOR_HEADERS)
        return settings_fail(s, "more than %d headers", COLLECTOR_HEADERS);
    struct collector_header *h = &c->headers[c->header_count++];
    if (check_name(s, name) < 0 || copy(s, h->name, sizeof h->name, name) < 0)
        return -1;
    return read_value(s, h);
}

/* The items begin with their name; sorted, two readings of one table are the same bytes. */
static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int read_headers(struct settings *s, void *field, const struct setting *row)
{
    (void)row;
    struct given *g = field;
    if (settings_each(s, read_header, g->out) < 0)
        return -1;
    qsort(g->out->headers, (size_t)g->out->header_count, sizeof *g->out->headers, by_name);
    return 0;
}

static int read_attribute(struct settings *s, const char *name, void *arg)
{
    struct collector *c = arg;
    const char *text;
    if (c->attribute_count == COLLECTOR_ATTRIBUTES)
        return settings_fail(s, "more than %d attributes", COLLECTOR_ATTRIBUTES);
    struct collector_attribute *a = &c->attributes[c->attribute_count++];
    for (const char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr("._-/", *at))
            return settings_fail(s, "an attribute's name has letters, digits, '.', '_', '-' and '/'");
    if (copy(s, a->name, sizeof a->name, name) < 0 || settings_text(s, &text, NULL) < 0)
        return -1;
    return copy(s, a->value, sizeof a->value, text);
}

static int read_attributes(struct settings *s, void *field, const struct setting *row)
{
    (void)row;
    struct given *g = field;
    if (settings_each(s, read_attribute, g->out) < 0)
        return -1;
    qsort(g->out->attributes, (size_t)g->out->attribute_count, sizeof *g->out->attributes, by_name);
    return 0;
}

static int read_private(struct settings *s, void *field, const struct setting *row)
{
    struct given *g = field;
    return settings_bool(s, &g->out->is_private, row);
}

int collector_read(struct settings *s, void *field, const struct setting *row)
{
    static const struct setting COLLECTOR[] = {
        {"url", entries_base_url, offsetof(struct given, url), 0, 0, NULL},
        {"headers", read_headers, 0, 0, 0, NULL},
        {"attributes", read_attributes, 0, 0, 0, NULL},
        {"ca", settings_text, offsetof(struct given, ca), 0, 0, NULL},
        {"proxy", entries_proxy, offsetof(struct given, proxy), 0, 0, NULL},
        {"private", read_private, 0, 0, 0, NULL},
    };
    struct collector *c = arena_zalloc(s->arena, sizeof *c);
    struct given given = {.out = c};
    (void)row;
    if (c == NULL)
        return settings_fail(s, "the configuration is too large");
    if (settings_read(s, ROWS(COLLECTOR), &given) < 0)
        return -1;
    if (given.url == NULL)
        return settings_fail(s, "url is missing: the collector's address, such as \"http://127.0.0.1:4318\"");
    *(const struct collector **)field = c;
    return copy(s, c->url, sizeof c->url, given.url) < 0 || (given.ca && copy(s, c->ca, sizeof c->ca, given.ca) < 0) ||
                   (given.proxy && copy(s, c->proxy, sizeof c->proxy, given.proxy) < 0)
               ? -1
               : 0;
}

char *collector_header(const struct collector_header *h)
{
    if (h->from == COLLECTOR_TEXT)
        return xstrdup(h->value);
    return secret_line(&(struct secret){.env = h->from == COLLECTOR_ENV ? h->value : NULL, .file = h->from == COLLECTOR_FILE ? h->value : NULL});
}

const char *collector_problem(const struct collector *c, char *out, size_t size)
{
    for (int i = 0; i < c->header_count; i++) {
        const struct collector_header *h = &c->headers[i];
        char *value = collector_header(h);
        secret_forget(value);
        if (value)
            continue;
        snprintf(out, size, h->from == COLLECTOR_FILE ? "otlp: header %s: no value in %s" : "otlp: header %s: %s is not set", h->name, h->value);
        return out;
    }
    return NULL;
}
