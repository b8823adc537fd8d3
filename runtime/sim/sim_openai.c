/* The OpenAI chat completions format, as in its published OpenAPI description. */
#include <stdio.h>
#include <time.h>

#include "base/json.h"
#include "sim/sim_ask.h"
#include "sim/sim_model.h"
#include "sim/sim_wire.h"

enum { MOST_CHOICES = 8, MOST_TOP_LOGPROBS = 20 };

static const char *const FINISHES[] = {"stop", "length", "tool_calls", "content_filter"};

/* ---- reading ---- */

static int read_messages(struct str messages, struct arena *arena, struct sim_ask *ask,
                         struct err *err)
{
    if (json_type(messages) != JSON_ARRAY || messages.len == 2)
        return err_set(err, ERR_BAD_REQUEST,
                       "messages: a list of at least one message is required");
    struct str content = str_n(NULL, 0);
    ask->prompt_bytes = messages.len;
    struct json_walk w = json_walk(messages);
    while (json_next(&w)) {
        struct str role = json_get(w.value, "role");
        if (json_type(role) != JSON_STRING)
            return err_set(err, ERR_BAD_REQUEST, "messages: each message needs a role");
        ask->is_after_tool = str_eq(role, "\"tool\"");
        if (str_eq(role, "\"user\""))
            content = json_get(w.value, "content");
    }
    ask->prompt = sim_ask_text(content, arena);
    return 0;
}

static void read_tools(struct str tools, struct str choice, struct sim_ask *ask)
{
    if (json_type(tools) != JSON_ARRAY || str_eq(choice, "\"none\""))
        return;
    struct str wanted = json_plain(json_pointer(choice, "/function/name"));
    for (struct json_walk w = json_walk(tools); json_next(&w);) {
        struct str function = json_get(w.value, "function");
        sim_ask_offer(ask, json_plain(json_get(function, "name")), json_get(function, "parameters"), wanted,
                      str_eq(choice, "\"required\""));
    }
}

static void read_format(struct str format, struct sim_ask *ask)
{
    struct str type = json_get(format, "type");
    ask->wants_json = str_eq(type, "\"json_object\"") || str_eq(type, "\"json_schema\"");
    ask->schema = json_pointer(format, "/json_schema/schema");
}

static int read_ask(struct str path, struct str body, struct arena *arena, struct sim_ask *ask, struct err *err)
{
    (void)path;
    enum {
        MODEL,
        MESSAGES,
        STREAM,
        OPTIONS,
        N,
        MAX,
        MAX_NEW,
        TOOLS,
        CHOICE,
        FORMAT,
        LOGPROBS,
        TOP,
        COUNT
    };
    static const struct str names[COUNT] = {
        STR("model"), STR("messages"), STR("stream"), STR("stream_options"), STR("n"),
        STR("max_tokens"), STR("max_completion_tokens"), STR("tools"), STR("tool_choice"),
        STR("response_format"), STR("logprobs"), STR("top_logprobs")};
    struct str v[COUNT];
    json_get_many(body, names, v, COUNT);
    *ask = (struct sim_ask){.model = json_text(v[MODEL], arena)};
    if (ask->model.len == 0)
        return err_set(err, ERR_BAD_REQUEST, "model: you must provide a model parameter");
    if (read_messages(v[MESSAGES], arena, ask, err) < 0)
        return -1;
    ask->is_stream = json_is_true(v[STREAM]);
    ask->wants_usage = json_is_true(json_get(v[OPTIONS], "include_usage"));
    ask->wants_logprobs = json_is_true(v[LOGPROBS]);
    ask->top_logprobs = (int)sim_ask_count(v[TOP], 0, MOST_TOP_LOGPROBS);
    ask->choices = (int)sim_ask_count(v[N], 1, MOST_CHOICES);
    ask->choices += ask->choices == 0;
    ask->max_tokens = sim_ask_count(v[MAX_NEW], sim_ask_count(v[MAX], 0, 1000000), 1000000);
    read_format(v[FORMAT], ask);
    read_tools(v[TOOLS], v[CHOICE], ask);
    return 0;
}

/* ---- writing ---- */

static void put_head(struct buf *out, const struct sim_ask *ask, const struct sim_answer *a,
                     const char *object)
{
    buf_printf(out, "{\"id\":\"chatcmpl-sim%016llx\",\"object\":\"%s\",\"created\":%lld,\"model\":",
               (unsigned long long)a->seed, object, (long long)time(NULL));
    json_quote(out, ask->model);
    buf_puts(out, ",\"system_fingerprint\":\"fp_sim\"");
}

static void put_usage(struct buf *out, const struct sim_ask *ask, const struct sim_answer *answers)
{
    size_t in = sim_prompt_tokens(ask), made = 0;
    for (int i = 0; i < ask->choices; i++)
        made += (size_t)answers[i].count;
    buf_printf(out,
               "\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu,"
               "\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{"
               "\"reasoning_tokens\":0}}",
               in, made, in + made);
}

static void put_logprob(struct buf *out, struct str token, double logprob)
{
    buf_puts(out, "{\"token\":");
    json_quote(out, token);
    buf_printf(out, ",\"logprob\":%.6f,\"bytes\":[", logprob);
    for (size_t i = 0; i < token.len; i++)
        buf_printf(out, "%s%u", i ? "," : "", (unsigned char)token.p[i]);
    buf_puts(out, "]");
}

static void put_logprobs(struct buf *out, const struct sim_ask *ask, const struct sim_answer *a,
                         int from, int to)
{
    if (!ask->wants_logprobs) {
        buf_puts(out, ",\"logprobs\":null");
        return;
    }
    buf_puts(out, ",\"logprobs\":{\"content\":[");
    for (int i = from; i < to; i++) {
        double logprob = sim_answer_logprob(a, i);
        buf_puts(out, i > from ? "," : "");
        put_logprob(out, sim_answer_piece(a, i), logprob);
        buf_puts(out, ",\"top_logprobs\":[");
        for (int k = 0; k < ask->top_logprobs; k++) {
            char other[16];
            snprintf(other, sizeof other, " alt%d", k);
            buf_puts(out, k ? "," : "");
            put_logprob(out, k ? str_of(other) : sim_answer_piece(a, i),
                        k ? logprob - 1.5 - 0.5 * k : logprob);
            buf_putc(out, '}');
        }
        buf_puts(out, "]}");
    }
    buf_puts(out, "],\"refusal\":null}");
}

static void put_message(struct buf *out, const struct sim_ask *ask, const struct sim_answer *a)
{
    buf_puts(out, "\"message\":{\"role\":\"assistant\",\"content\":");
    if (ask->tool.len > 0) {
        buf_printf(out,
                   "null,\"tool_calls\":[{\"id\":\"call_sim%012llx\",\"type\":\"function\","
                   "\"function\":{\"name\":\"" STR_FMT "\",\"arguments\":",
                   (unsigned long long)(a->seed >> 16), STR_ARG(ask->tool));
        json_quote(out, buf_str(&a->text));
        buf_puts(out, "}}]");
    } else {
        json_quote(out, buf_str(&a->text));
    }
    buf_puts(out, ",\"refusal\":null}");
}

static void write_whole(struct buf *out, const struct sim_ask *ask,
                        const struct sim_answer *answers)
{
    put_head(out, ask, answers, "chat.completion");
    buf_puts(out, ",\"choices\":[");
    for (int i = 0; i < ask->choices; i++) {
        buf_printf(out, "%s{\"index\":%d,", i ? "," : "", i);
        put_message(out, ask, &answers[i]);
        put_logprobs(out, ask, &answers[i], 0, answers[i].count);
        buf_printf(out, ",\"finish_reason\":\"%s\"}", FINISHES[answers[i].finish]);
    }
    buf_puts(out, "],");
    put_usage(out, ask, answers);
    buf_putc(out, '}');
}

static void begin_chunk(struct sim_frames *f, const struct sim_ask *ask, const struct sim_answer *a)
{
    buf_puts(&f->text, "data: ");
    put_head(&f->text, ask, a, "chat.completion.chunk");
}

static void end_chunk(struct sim_frames *f, const struct sim_ask *ask)
{
    buf_puts(&f->text, ask->wants_usage ? ",\"usage\":null}\n\n" : "}\n\n");
    sim_frames_end(f);
}

static void put_role(struct sim_frames *f, const struct sim_ask *ask, const struct sim_answer *a,
                     int choice)
{
    begin_chunk(f, ask, a);
    buf_printf(&f->text,
               ",\"choices\":[{\"index\":%d,\"delta\":{\"role\":\"assistant\",\"content\":%s,"
               "\"refusal\":null},"
               "\"logprobs\":null,\"finish_reason\":null}]",
               choice, ask->tool.len ? "null" : "\"\"");
    end_chunk(f, ask);
}

static void put_tool_delta(struct buf *out, const struct sim_ask *ask, const struct sim_answer *a,
                           int i)
{
    buf_puts(out, "\"tool_calls\":[{\"index\":0,");
    if (i == 0)
        buf_printf(out, "\"id\":\"call_sim%012llx\",\"type\":\"function\",",
                   (unsigned long long)(a->seed >> 16));
    buf_puts(out, "\"function\":{");
    if (i == 0)
        buf_printf(out, "\"name\":\"" STR_FMT "\",", STR_ARG(ask->tool));
    buf_puts(out, "\"arguments\":");
    json_quote(out, sim_answer_piece(a, i));
    buf_puts(out, "}}]");
}

static void put_piece(struct sim_frames *f, const struct sim_ask *ask, const struct sim_answer *a,
                      int choice, int i)
{
    begin_chunk(f, ask, a);
    buf_printf(&f->text, ",\"choices\":[{\"index\":%d,\"delta\":{", choice);
    if (ask->tool.len > 0) {
        put_tool_delta(&f->text, ask, a, i);
    } else {
        buf_puts(&f->text, "\"content\":");
        json_quote(&f->text, sim_answer_piece(a, i));
    }
    buf_putc(&f->text, '}');
    put_logprobs(&f->text, ask, a, i, i + 1);
    buf_puts(&f->text, ",\"finish_reason\":null}]");
    end_chunk(f, ask);
}

static void put_finish(struct sim_frames *f, const struct sim_ask *ask, const struct sim_answer *a,
                       int choice)
{
    begin_chunk(f, ask, a);
    buf_printf(
        &f->text,
        ",\"choices\":[{\"index\":%d,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"%s\"}]",
        choice, FINISHES[a->finish]);
    end_chunk(f, ask);
}

static void write_frames(struct sim_frames *f, const struct sim_ask *ask,
                         const struct sim_answer *answers)
{
    for (int c = 0; c < ask->choices; c++)
        put_role(f, ask, &answers[c], c);
    f->first = f->count;
    for (int c = 0; c < ask->choices; c++)
        for (int i = 0; i < answers[c].count; i++)
            put_piece(f, ask, &answers[c], c, i);
    f->last = f->count;
    for (int c = 0; c < ask->choices; c++)
        put_finish(f, ask, &answers[c], c);
    if (ask->wants_usage) {
        begin_chunk(f, ask, answers);
        buf_puts(&f->text, ",\"choices\":[],");
        put_usage(&f->text, ask, answers);
        buf_puts(&f->text, "}\n\n");
        sim_frames_end(f);
    }
    buf_puts(&f->text, "data: [DONE]\n\n");
    sim_frames_end(f);
}

struct error_words {
    int status;
    const char *type, *code;
};

static void write_error(struct buf *out, int status, const char *message, double retry_after)
{
    (void)retry_after; /* in the header alone */
    static const struct error_words words[] = {
        {401, "invalid_request_error", "\"invalid_api_key\""},
        {403, "invalid_request_error", "\"unsupported_country\""},
        {404, "invalid_request_error", "\"model_not_found\""},
        {429, "requests", "\"rate_limit_exceeded\""},
        {503, "server_error", "\"overloaded\""},
        {529, "server_error", "\"overloaded\""},
        {0, NULL, "null"},
    };
    const struct error_words *w = words;
    while (w->status && w->status != status)
        w++;
    const char *type = w->type ? w->type : status < 500 ? "invalid_request_error" : "server_error";
    buf_puts(out, "{\"error\":{\"message\":");
    json_quote(out, str_of(message));
    buf_printf(out, ",\"type\":\"%s\",\"param\":null,\"code\":%s}}", type, w->code);
}

static void write_error_frame(struct buf *out, int status, const char *message)
{
    buf_puts(out, "data: ");
    write_error(out, status, message, -1);
    buf_puts(out, "\n\n");
}

const struct sim_wire SIM_OPENAI = {
    .read = read_ask,
    .whole = write_whole,
    .frames = write_frames,
    .error = write_error,
    .error_frame = write_error_frame,
    .broken_frame = "data: {\"id\":\"chatcmpl-sim\",\"choices\":[{oops\n\ndata: [DONE]\n\n",
};
