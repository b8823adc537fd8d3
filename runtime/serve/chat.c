#include "serve/chat.h"

#include <stdio.h>
#include <sys/uio.h>

#include "base/json.h"
#include "serve/usage.h"

static enum err_kind kind_of_status(int status)
{
    switch (status) {
    case 429: return ERR_RATE_LIMIT;
    case 503:
    case 529: return ERR_OVERLOADED;
    case 401:
    case 403: return ERR_AUTH;
    case 408: return ERR_TIMEOUT;
    default: break;
    }
    if (status >= 500)
        return ERR_SERVER_ERROR;
    return status >= 400 ? ERR_BAD_REQUEST : ERR_MALFORMED; /* redirects are never followed */
}

static bool has_word(struct str raw, const char *word)
{
    return raw.p && memmem(raw.p, raw.len, word, strlen(word));
}

static struct str message_of(struct str error, char *out, size_t size)
{
    struct arena arena = ARENA(64 * 1024);
    struct str text = json_text(json_get(error, "message"), &arena);
    if (text.p == NULL)
        text = json_text(error, &arena); /* {"error": "words"} */
    snprintf(out, size, "%.*s", (int)(text.len < size ? text.len : size - 1), text.p ? text.p : "");
    arena_clear(&arena);
    return str_of(out);
}

void chat_error(int status, struct str body, struct err *err)
{
    char words[300] = "";
    enum err_kind kind = kind_of_status(status);
    if (json_validate(body, NULL) == 0) {
        struct str error = json_get(body, "error");
        message_of(error.p ? error : body, words, sizeof words);
        struct str code = json_get(error, "code");
        if (kind == ERR_BAD_REQUEST && (has_word(code, "content_filter") || has_word(code, "content_policy")))
            kind = ERR_CONTENT_FILTER;
    }
    err_set(err, kind, "the provider answered %d%s%s", status, words[0] ? ": " : "", words);
}

void chat_stream_error(struct str error, struct err *err)
{
    char words[300] = "";
    message_of(error, words, sizeof words);
    struct str type = json_get(error, "type"), code = json_get(error, "code");
    int64_t status = 0;
    enum err_kind kind = ERR_SERVER_ERROR;
    if (json_integer(code, &status) && status >= 400 && status < 600)
        kind = kind_of_status((int)status);
    else if (has_word(type, "overloaded") || has_word(code, "overloaded"))
        kind = ERR_OVERLOADED;
    else if (has_word(type, "rate_limit") || has_word(code, "rate_limit") || has_word(code, "quota"))
        kind = ERR_RATE_LIMIT;
    else if (has_word(code, "content_filter"))
        kind = ERR_CONTENT_FILTER;
    err_set(err, kind, "the provider sent an error in its stream%s%s", words[0] ? ": " : "", words);
}

/* A delta with anything but a role and empty members is content. */
static bool has_content(struct str delta)
{
    for (struct json_walk w = json_walk(delta); json_next(&w);) {
        if (str_eq(w.key, "role"))
            continue;
        enum json_type type = json_type(w.value);
        if (type == JSON_NULL || ((type == JSON_STRING || type == JSON_ARRAY) && w.value.len == 2))
            continue;
        return true;
    }
    return false;
}

struct chat_chunk chat_chunk(struct str data)
{
    static const char *const NAMES[] = {"choices", "usage", "error"};
    struct chat_chunk c = {.kind = CHUNK_BAD};
    struct str values[3];
    struct json_members members = {NAMES, values, 3, false};
    if (json_validate_members(data, &members, NULL) < 0 || json_type(data) != JSON_OBJECT)
        return c;
    c.error = values[2];
    if (c.error.p && json_type(c.error) != JSON_NULL) {
        c.kind = CHUNK_ERROR;
        return c;
    }
    if (json_type(values[1]) == JSON_OBJECT)
        c.usage = values[1];
    c.has_null_usage = json_type(values[1]) == JSON_NULL;
    c.kind = CHUNK_LIFECYCLE;
    int choices = 0;
    for (struct json_walk w = json_walk(values[0]); json_type(values[0]) == JSON_ARRAY && json_next(&w); choices++) {
        struct str finish = json_get(w.value, "finish_reason");
        c.is_finish = c.is_finish || json_type(finish) == JSON_STRING;
        if (c.is_finish || has_content(json_get(w.value, "delta")))
            c.kind = CHUNK_CONTENT;
    }
    if (choices == 0 && c.usage.p)
        c.kind = CHUNK_USAGE;
    return c;
}

int chat_completion(struct str body, struct usage *usage, struct err *err)
{
    static const char *const NAMES[] = {"choices", "usage", "error"};
    struct str values[3];
    struct json_members members = {NAMES, values, 3, false};
    struct err why;
    if (json_validate_members(body, &members, &why) < 0)
        return err_set(err, ERR_MALFORMED, "the provider's answer is no JSON: %s", why.message);
    if (values[2].p && json_type(values[2]) != JSON_NULL) {
        chat_stream_error(values[2], err);
        return -1;
    }
    if (json_type(values[0]) != JSON_ARRAY)
        return err_set(err, ERR_MALFORMED, "the provider's answer is no chat completion: it has no `choices`");
    *usage = usage_read(values[1]);
    return 0;
}

static void write_string_or_null(struct buf *out, const char *text)
{
    if (text)
        json_quote(out, str_of(text));
    else
        buf_puts(out, "null");
}

void chat_write_error(struct buf *out, const char *type, struct str message, const char *param, const char *code)
{
    buf_puts(out, "{\"error\":{\"message\":");
    json_quote(out, message);
    buf_puts(out, ",\"type\":");
    write_string_or_null(out, type);
    buf_puts(out, ",\"param\":");
    write_string_or_null(out, param);
    buf_puts(out, ",\"code\":");
    write_string_or_null(out, code);
    buf_puts(out, "}}");
}

/* Tool calls of a message lack the `index` that deltas carry. */
static void write_tool_calls(struct buf *out, struct str calls)
{
    int n = 0;
    buf_puts(out, "\"tool_calls\":[");
    for (struct json_walk w = json_walk(calls); json_next(&w); n++) {
        struct str rest = str_n(w.value.p + 1, w.value.len - 1); /* after the brace */
        struct json_walk members = json_walk(w.value);
        buf_printf(out, "%s{\"index\":%d%s", n ? "," : "", n, json_next(&members) ? "," : "");
        buf_append(out, rest.p, rest.len);
    }
    buf_puts(out, "]");
}

static void write_delta(struct buf *out, struct str message)
{
    bool is_first = true;
    buf_putc(out, '{');
    for (struct json_walk w = json_walk(message); json_next(&w); is_first = false) {
        if (!is_first)
            buf_putc(out, ',');
        if (str_eq(w.key, "tool_calls") && json_type(w.value) == JSON_ARRAY) {
            write_tool_calls(out, w.value);
            continue;
        }
        buf_append(out, w.key.p - 1, w.key.len + 2);
        buf_putc(out, ':');
        buf_append(out, w.value.p, w.value.len);
    }
    buf_putc(out, '}');
}

static void write_member(struct buf *out, const char *name, struct str raw)
{
    if (raw.p == NULL)
        return;
    buf_printf(out, "\"%s\":", name);
    buf_append(out, raw.p, raw.len);
    buf_putc(out, ',');
}

/* The members that every chunk repeats, up to and with "choices":[ */
static void open_chunk(struct buf *out, struct str completion)
{
    buf_puts(out, "data: {");
    write_member(out, "id", json_get(completion, "id"));
    buf_puts(out, "\"object\":\"chat.completion.chunk\",");
    write_member(out, "created", json_get(completion, "created"));
    write_member(out, "model", json_get(completion, "model"));
    write_member(out, "system_fingerprint", json_get(completion, "system_fingerprint"));
    buf_puts(out, "\"choices\":[");
}

static void write_choice(struct buf *out, struct str completion, struct str choice)
{
    struct str index = json_get(choice, "index"), logprobs = json_get(choice, "logprobs");
    struct str finish = json_get(choice, "finish_reason");
    if (index.p == NULL)
        index = str_of("0");
    open_chunk(out, completion);
    buf_printf(out, "{\"index\":" STR_FMT ",\"delta\":", STR_ARG(index));
    write_delta(out, json_get(choice, "message"));
    if (logprobs.p) {
        buf_puts(out, ",\"logprobs\":");
        buf_append(out, logprobs.p, logprobs.len);
    }
    buf_puts(out, ",\"finish_reason\":null}]}\n\n");
    open_chunk(out, completion);
    buf_printf(out, "{\"index\":" STR_FMT ",\"delta\":{},\"finish_reason\":", STR_ARG(index));
    buf_append(out, finish.p ? finish.p : "\"stop\"", finish.p ? finish.len : 6);
    buf_puts(out, "}]}\n\n");
}

int chat_write_stream(struct buf *out, struct str completion, bool with_usage)
{
    for (struct json_walk w = json_walk(json_get(completion, "choices")); json_next(&w);)
        write_choice(out, completion, w.value);
    struct str usage = json_get(completion, "usage");
    if (with_usage && usage.p) {
        open_chunk(out, completion);
        buf_puts(out, "],\"usage\":");
        buf_append(out, usage.p, usage.len);
        buf_puts(out, "}\n\n");
    }
    return buf_puts(out, "data: [DONE]\n\n");
}
