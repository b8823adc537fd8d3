#include "trace/saved_fakes.h"

#include "base/json.h"
#include "trace/saved_lua.h"

static void write_member(struct saving *s, const char *name, struct str json)
{
    if (json.p == NULL || json_type(json) == JSON_NULL)
        return;
    buf_printf(s->out, ", %s = ", name);
    saved_value(s->out, &s->arena, json);
}

/* Nothing stands in it that a route could look at but text, tool calls and logprobs. */
static bool is_simple(struct str reply)
{
    struct str message = json_pointer(reply, "/choices/0/message"), content = json_get(message, "content");
    for (struct json_walk w = json_walk(message); json_next(&w);) {
        bool is_known = str_eq(w.key, "role") || str_eq(w.key, "content") || str_eq(w.key, "tool_calls");
        if (!is_known && json_type(w.value) != JSON_NULL && w.value.len > 2)
            return false;
    }
    struct str logprobs = json_pointer(reply, "/choices/0/logprobs"), calls = json_get(message, "tool_calls");
    return json_type(message) == JSON_OBJECT && (json_type(content) == JSON_STRING || json_type(content) == JSON_NULL) &&
           json_pointer(reply, "/choices/1").p == NULL && (!logprobs.p || json_type(logprobs) == JSON_NULL || saved_is_plain(logprobs)) &&
           (!calls.p || saved_is_plain(calls));
}

static void write_failure(struct saving *s, const struct captured_step *ask)
{
    static const char *const RETRIED[] = {"rate_limit", "overloaded", "server_error", "connect", "timeout"};
    bool is_retried = false, is_retryable = ask->flags & STEP_RETRYABLE;
    for (size_t i = 0; i < sizeof RETRIED / sizeof *RETRIED; i++)
        is_retried |= str_eq(ask->error, RETRIED[i]);
    buf_puts(s->out, ", error = ");
    saved_string(s->out, ask->error);
    buf_printf(s->out, ", status = %d", ask->status);
    if (is_retried != is_retryable)
        buf_printf(s->out, ", retryable = %s", is_retryable ? "true" : "false");
    buf_puts(s->out, ", message = ");
    saved_string(s->out, ask->why);
}

static void write_said(struct saving *s, struct str reply)
{
    struct str choice = json_pointer(reply, "/choices/0");
    if (!is_simple(reply)) {
        buf_puts(s->out, ", body = ");
        saved_json(s->out, reply);
        return;
    }
    write_member(s, "text", json_pointer(choice, "/message/content"));
    write_member(s, "finish", json_get(choice, "finish_reason"));
    write_member(s, "tool_calls", json_pointer(choice, "/message/tool_calls"));
    write_member(s, "logprobs", json_get(choice, "logprobs"));
    write_member(s, "usage", json_get(reply, "usage"));
}

double saved_end(const struct saving *s, const struct captured_step *step)
{
    for (; step > s->from->steps && step->flags & STEP_JOINED; step--)
        ;
    return (double)step->at_us / 1000;
}

static void write_answer(struct saving *s, const struct captured_step *ask)
{
    if (ask->flags & STEP_STOPPED) {
        buf_puts(s->out, "{ never = true }");
        return;
    }
    buf_printf(s->out, "{ ms = %u", (unsigned)(ask->us / 1000));
    if (s->is_timed)
        buf_printf(s->out, ", at = %.3f", saved_end(s, ask));
    if (ask->error.p)
        write_failure(s, ask);
    else
        write_said(s, ask->reply);
    buf_puts(s->out, " }");
}

void saved_fakes(struct saving *s)
{
    for (int i = 0; i < s->ask_count; i++) {
        struct str model = s->asks[i]->model;
        bool is_known = false;
        for (int k = 0; k < i; k++)
            is_known |= str_same(s->asks[k]->model, model);
        if (is_known)
            continue;
        buf_puts(s->out, "    t:fake(");
        saved_string(s->out, model);
        buf_puts(s->out, ", {\n");
        for (int k = i; k < s->ask_count; k++)
            if (str_same(s->asks[k]->model, model)) {
                buf_puts(s->out, "      ");
                write_answer(s, s->asks[k]);
                buf_puts(s->out, ",\n");
            }
        buf_puts(s->out, "    })\n");
    }
}
