#include "serve/mask.h"

#include <stdio.h>

#include "base/json.h"

/* What is left of a mask below the place that was reached. */
struct pointer {
    const char *rest;
    short number; /* of its mask */
};

struct masking {
    struct buf *out;
    bool *used;
    const char *from; /* what is not copied yet */
    int replaced;
    bool is_full;
};

/* The first token of a pointer, still escaped, and what follows it. */
static struct str token_of(const char *pointer, const char **rest)
{
    const char *start = pointer + 1, *end = strchr(start, '/');
    *rest = end ? end : start + strlen(start);
    return str_n(start, (size_t)(*rest - start));
}

/* ~1 is a slash and ~0 a tilde. */
static struct str unescaped(struct str token, char *out, size_t size)
{
    size_t n = 0;
    if (!memchr(token.p, '~', token.len))
        return token;
    for (size_t i = 0; i < token.len && n + 1 < size; i++) {
        bool is_escape = token.p[i] == '~' && i + 1 < token.len;
        out[n++] = !is_escape ? token.p[i] : token.p[++i] == '1' ? '/' : '~';
    }
    return str_n(out, n);
}

static bool names(struct str token, const struct json_walk *w, int index)
{
    char text[256];
    if (str_eq(token, "*"))
        return true;
    if (w->is_object)
        return json_key_is(w->key, unescaped(token, text, sizeof text));
    snprintf(text, sizeof text, "%d", index);
    return str_eq(token, text);
}

static const char *blank_of(struct str value)
{
    switch (json_type(value)) {
    case JSON_STRING: return "\"[masked]\"";
    case JSON_NUMBER: return "0";
    case JSON_ARRAY: return "[]";
    case JSON_OBJECT: return "{}";
    case JSON_NULL: return "null";
    default: return "false";
    }
}

static void replace(struct masking *m, struct str value)
{
    m->is_full |= buf_append(m->out, m->from, (size_t)(value.p - m->from)) < 0 || buf_puts(m->out, blank_of(value)) < 0;
    m->from = value.p + value.len;
    m->replaced++;
}

/* Nested as deep as the longest mask, no deeper than the JSON. */
static void walk(struct masking *m, struct str value, const struct pointer *masks, int count)
{
    struct pointer below[MASK_MOST];
    const char *rest;
    int index = 0;
    for (struct json_walk w = json_walk(value); json_next(&w) && !m->is_full; index++) {
        int held = 0;
        bool is_masked = false;
        for (int i = 0; i < count; i++) {
            if (!names(token_of(masks[i].rest, &rest), &w, index))
                continue;
            is_masked |= *rest == '\0';
            m->used[masks[i].number] |= *rest == '\0';
            below[held++] = (struct pointer){rest, masks[i].number};
        }
        if (is_masked)
            replace(m, w.value);
        else if (held && json_type(w.value) >= JSON_ARRAY)
            walk(m, w.value, below, held);
    }
}

int mask_json(struct buf *out, struct str json, const char *const *masks, int count, bool *used)
{
    struct masking m = {.out = out, .used = used, .from = json.p};
    struct pointer whole[MASK_MOST];
    for (int i = 0; i < count; i++)
        whole[i] = (struct pointer){masks[i], (short)i};
    if (json_type(json) >= JSON_ARRAY)
        walk(&m, json, whole, count);
    m.is_full |= buf_append(out, m.from, (size_t)(json.p + json.len - m.from)) < 0;
    return m.is_full ? -1 : m.replaced;
}

/* Lines of a stream that hold nothing of an answer. */
static bool is_frame(struct str line)
{
    static const char *const STARTS[] = {"event:", "id:", "retry:", ":", "data: [DONE]", "data:[DONE]"};
    for (size_t i = 0; i < sizeof STARTS / sizeof *STARTS; i++)
        if (str_starts(line, STARTS[i]))
            return true;
    return line.len == 0 || str_eq(line, "\r");
}

static int mask_line(struct buf *out, struct str line, const char *const *masks, int count, bool *used)
{
    size_t skip = str_starts(line, "data: ") ? 6 : 5;
    if (is_frame(line))
        return buf_append(out, line.p, line.len);
    struct str data = str_starts(line, "data:") ? str_n(line.p + skip, line.len - skip) : str_n(NULL, 0);
    if (data.p == NULL || json_validate(data, NULL) < 0)
        return 1; /* left out */
    return buf_append(out, line.p, skip) < 0 ? -1 : mask_json(out, data, masks, count, used);
}

int mask_events(struct buf *out, struct str events, const char *const *masks, int count, bool *used)
{
    int replaced = 0;
    for (const char *at = events.p, *end = events.p + events.len; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
        int n = mask_line(out, str_n(at, (size_t)(stop - at)), masks, count, used);
        if (n < 0 || (newline && buf_putc(out, '\n') < 0))
            return -1;
        replaced += n;
        at = newline ? newline + 1 : end;
    }
    return replaced;
}

bool mask_touches(const char *mask, const char *name)
{
    const char *rest;
    char text[256];
    struct str token = token_of(mask, &rest);
    return str_eq(token, "*") || str_eq(unescaped(token, text, sizeof text), name);
}
