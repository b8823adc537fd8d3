#include "serve/chat.h"

#include "base/json.h"

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
