#include "bind/choice.h"

#include <math.h>
#include <stdio.h>

#include "base/json.h"

enum { MAX_SCHEMA = 64 * 1024 };

static void write_schema(struct buf *out, const struct choice *c)
{
    buf_puts(out, "{\"type\":\"object\",\"properties\":{");
    if (c->has_reason)
        buf_puts(out, "\"reason\":{\"type\":\"string\"},");
    buf_printf(out, "\"%s\":{\"type\":\"string\",\"enum\":[", c->name);
    for (int i = 0; i < c->count; i++) {
        if (i > 0)
            buf_putc(out, ',');
        json_quote(out, c->labels[i]);
    }
    buf_printf(out, "]}},\"required\":[%s\"%s\"],\"additionalProperties\":false}", c->has_reason ? "\"reason\"," : "",
               c->name);
}

void choice_edit(struct ask_options *o, struct arena *arena, const struct choice *c, struct str messages,
                 int max_tokens, bool logprobs)
{
    struct buf schema = BUF(MAX_SCHEMA);
    write_schema(&schema, c);
    o->body = str_of("{}");
    ask_edit(o, "messages", messages);
    ask_edit(o, "response_format", ask_format(arena, c->name, buf_str(&schema), true));
    ask_edit(o, "temperature", str_of("0"));
    ask_edit(o, "max_tokens", str_of(arena_printf(arena, "%d", max_tokens)));
    if (logprobs)
        ask_edit(o, "logprobs", str_of("true"));
    buf_clear(&schema);
}

/* ---- the answer ---- */

static struct str trimmed(struct str s)
{
    while (s.len > 0 && (unsigned char)s.p[0] <= ' ')
        s = str_n(s.p + 1, s.len - 1);
    while (s.len > 0 && (unsigned char)s.p[s.len - 1] <= ' ')
        s.len--;
    return s;
}

/* The object in the text, whatever a model wrapped around it; {NULL, 0} when there is none. */
static struct str object_in(struct str text)
{
    const char *open = text.p ? memchr(text.p, '{', text.len) : NULL;
    const char *close = open ? memrchr(open, '}', (size_t)(text.p + text.len - open)) : NULL;
    struct str object = close ? str_n(open, (size_t)(close - open) + 1) : str_n(NULL, 0);
    return close && json_validate(object, NULL) == 0 ? object : str_n(NULL, 0);
}

static size_t token_length(struct str token, struct arena *arena)
{
    struct str bytes = json_get(token, "bytes");
    size_t n = 0;
    if (json_type(bytes) != JSON_ARRAY)
        return json_text(json_get(token, "token"), arena).len;
    for (struct json_walk w = json_walk(bytes); json_next(&w);)
        n++;
    return n;
}

/* The probability of the tokens that spell `part` of `text`; below 0 when the reply does not tell. */
static double probability(struct str body, struct str text, struct str part, struct arena *arena)
{
    size_t from = (size_t)(part.p - text.p), to = from + part.len, at = 0;
    double sum = 0, logprob;
    struct str tokens = json_pointer(body, "/choices/0/logprobs/content");
    if (json_type(tokens) != JSON_ARRAY)
        return -1;
    for (struct json_walk w = json_walk(tokens); json_next(&w);) {
        size_t end = at + token_length(w.value, arena);
        if (!json_number(json_get(w.value, "logprob"), &logprob))
            return -1;
        if (end > from && at < to)
            sum += logprob;
        at = end;
    }
    return at == text.len ? fmin(exp(sum), 1) : -1;
}

static int label_index(const struct choice *c, struct str label)
{
    for (int i = 0; i < c->count; i++)
        if (str_same(c->labels[i], label))
            return i;
    for (int i = 0; i < c->count; i++)
        if (c->labels[i].len == label.len && strncasecmp(c->labels[i].p, label.p, label.len) == 0)
            return i;
    return -1;
}

int choice_read(const struct choice *c, struct str body, struct arena *arena, double *p, struct str *reason, struct err *err)
{
    struct str text = json_text(json_pointer(body, "/choices/0/message/content"), arena);
    struct str object = object_in(text);
    struct str raw = json_get(object, c->name);
    struct str said = object.p ? json_text(raw, arena) : trimmed(text);
    *reason = json_text(json_get(object, "reason"), arena);
    if (reason->p == NULL)
        *reason = str_of("");
    int index = said.len > 0 ? label_index(c, said) : -1;
    if (index < 0)
        return err_set(err, ERR_MALFORMED, "the model did not answer with one of the %d choices: %.*s", c->count,
                       (int)(text.len < 120 ? text.len : 120), text.p ? text.p : "");
    struct str part = object.p ? str_n(raw.p + 1, raw.len - 2) : said;
    *p = probability(body, text, part, arena);
    if (*p < 0)
        *p = CHOICE_P;
    return index;
}
