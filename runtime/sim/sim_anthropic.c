/* Anthropic's messages, as its API reference and recordings have them. */
#include "base/json.h"
#include "sim/sim_ask.h"
#include "sim/sim_wire.h"

static const char *const FINISHES[] = {"end_turn", "max_tokens", "tool_use", "refusal"};

/* ---- reading ---- */

static bool has_result(struct str content)
{
    if (json_type(content) != JSON_ARRAY)
        return false;
    for (struct json_walk w = json_walk(content); json_next(&w);)
        if (str_eq(json_get(w.value, "type"), "\"tool_result\""))
            return true;
    return false;
}

static int read_messages(struct str messages, struct arena *arena, struct sim_ask *ask, struct err *err)
{
    if (json_type(messages) != JSON_ARRAY || messages.len == 2)
        return err_set(err, ERR_BAD_REQUEST, "messages: at least one message is required");
    ask->prompt_bytes += messages.len;
    for (struct json_walk w = json_walk(messages); json_next(&w);) {
        struct str role = json_get(w.value, "role"), content = json_get(w.value, "content");
        if (!str_eq(role, "\"user\"") && !str_eq(role, "\"assistant\"") && !str_eq(role, "\"system\""))
            return err_set(err, ERR_BAD_REQUEST, "messages: a role is \"user\" or \"assistant\"");
        if (!str_eq(role, "\"user\""))
            continue;
        struct str text = sim_ask_text(content, arena);
        ask->is_after_tool = has_result(content);
        ask->prompt = text.len > 0 ? text : ask->prompt;
    }
    return 0;
}

static void read_tools(struct str tools, struct str choice, struct sim_ask *ask)
{
    struct str type = json_get(choice, "type");
    if (json_type(tools) != JSON_ARRAY || str_eq(type, "\"none\""))
        return;
    struct str wanted = json_plain(json_get(choice, "name"));
    for (struct json_walk w = json_walk(tools); json_next(&w);)
        sim_ask_offer(ask, json_plain(json_get(w.value, "name")), json_get(w.value, "input_schema"), wanted, str_eq(type, "\"any\""));
}

static int read_ask(struct str path, struct str body, struct arena *arena, struct sim_ask *ask, struct err *err)
{
    enum { MODEL, SYSTEM, MESSAGES, MAX, STREAM, TOOLS, CHOICE, THINKING, OUTPUT, COUNT };
    static const struct str NAMES[COUNT] = {
        STR("model"), STR("system"), STR("messages"), STR("max_tokens"), STR("stream"),
        STR("tools"), STR("tool_choice"), STR("thinking"), STR("output_config")};
    struct str v[COUNT];
    json_get_many(body, NAMES, v, COUNT);
    *ask = (struct sim_ask){.model = json_text(v[MODEL], arena), .prompt = str_of(""), .prompt_bytes = v[SYSTEM].len + v[TOOLS].len, .choices = 1};
    if (ask->model.len == 0)
        return err_set(err, ERR_BAD_REQUEST, "model: Field required");
    bool only_counts = path.len >= 13 && memcmp(path.p + path.len - 13, "/count_tokens", 13) == 0;
    ask->max_tokens = sim_ask_count(v[MAX], 0, 1000000);
    if (ask->max_tokens == 0 && !only_counts)
        return err_set(err, ERR_BAD_REQUEST, "max_tokens: Field required");
    if (read_messages(v[MESSAGES], arena, ask, err) < 0)
        return -1;
    ask->is_stream = json_is_true(v[STREAM]);
    ask->schema = json_pointer(v[OUTPUT], "/format/schema");
    ask->wants_json = ask->schema.p != NULL;
    struct str thinking = json_get(v[THINKING], "type");
    ask->thinks = str_eq(thinking, "\"enabled\"") || str_eq(thinking, "\"adaptive\"");
    read_tools(v[TOOLS], v[CHOICE], ask);
    return 0;
}

/* ---- writing ---- */

static void put_head(struct buf *out, const struct sim_ask *ask, const struct sim_answer *a)
{
    buf_printf(out, "\"id\":\"msg_sim%016llx\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", (unsigned long long)a->seed);
    json_quote(out, ask->model);
}

static void put_usage(struct buf *out, const struct sim_ask *ask, int made)
{
    buf_printf(out,
               "\"usage\":{\"input_tokens\":%zu,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":%d,"
               "\"service_tier\":\"standard\"}",
               sim_prompt_tokens(ask), made);
}

static int made(const struct sim_ask *ask, const struct sim_answer *a)
{
    return a->count + (ask->thinks ? (int)sim_answer_thought(a).len / 4 : 0);
}

/* Begins the call; its arguments follow. */
static void put_call(struct buf *out, const struct sim_ask *ask, const struct sim_answer *a)
{
    buf_printf(out, "{\"type\":\"tool_use\",\"id\":\"toolu_sim%012llx\",\"name\":\"" STR_FMT "\",\"input\":", (unsigned long long)(a->seed >> 16),
               STR_ARG(ask->tool));
}

static void put_signature(struct buf *out, const struct sim_answer *a)
{
    buf_printf(out, "\"signature\":\"c2ln%016llx\"", (unsigned long long)a->seed);
}

static void put_content(struct buf *out, const struct sim_ask *ask, const struct sim_answer *a)
{
    if (ask->thinks) {
        buf_puts(out, "{\"type\":\"thinking\",\"thinking\":");
        json_quote(out, sim_answer_thought(a));
        buf_putc(out, ',');
        put_signature(out, a);
        buf_puts(out, a->count || ask->tool.len ? "}," : "}");
    }
    if (ask->tool.len > 0) {
        struct str input = buf_str(&a->text);
        put_call(out, ask, a);
        buf_printf(out, STR_FMT "}", STR_ARG(json_validate(input, NULL) == 0 ? input : str_of("{}"))); /* cut by max_tokens */
    } else if (a->count > 0) {
        buf_puts(out, "{\"type\":\"text\",\"text\":");
        json_quote(out, buf_str(&a->text));
        buf_putc(out, '}');
    }
}

static void write_whole(struct buf *out, const struct sim_ask *ask, const struct sim_answer *a)
{
    buf_putc(out, '{');
    put_head(out, ask, a);
    buf_puts(out, ",\"content\":[");
    put_content(out, ask, a);
    buf_printf(out, "],\"stop_reason\":\"%s\",\"stop_sequence\":null,", FINISHES[a->finish]);
    put_usage(out, ask, made(ask, a));
    buf_putc(out, '}');
}

static struct buf *begin(struct sim_frames *f, const char *type)
{
    buf_printf(&f->text, "event: %s\ndata: {\"type\":\"%s\"", type, type);
    return &f->text;
}

static void end(struct sim_frames *f)
{
    buf_puts(&f->text, "}\n\n");
    sim_frames_end(f);
}

static void put_delta(struct sim_frames *f, int block, const char *type, const char *member, struct str text)
{
    buf_printf(begin(f, "content_block_delta"), ",\"index\":%d,\"delta\":{\"type\":\"%s\",\"%s\":", block, type, member);
    json_quote(&f->text, text);
    buf_putc(&f->text, '}');
    end(f);
}

static void put_stop(struct sim_frames *f, int block)
{
    buf_printf(begin(f, "content_block_stop"), ",\"index\":%d", block);
    end(f);
}

static void put_thought(struct sim_frames *f, const struct sim_answer *a)
{
    buf_puts(begin(f, "content_block_start"), ",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
    end(f);
    f->first = f->count;
    put_delta(f, 0, "thinking_delta", "thinking", sim_answer_thought(a));
    buf_puts(begin(f, "content_block_delta"), ",\"index\":0,\"delta\":{\"type\":\"signature_delta\",");
    put_signature(&f->text, a);
    buf_putc(&f->text, '}');
    end(f);
    put_stop(f, 0);
}

static void put_block(struct sim_frames *f, const struct sim_ask *ask, const struct sim_answer *a, int block)
{
    bool is_call = ask->tool.len > 0, is_empty = is_call && str_eq(buf_str(&a->text), "{}");
    buf_printf(begin(f, "content_block_start"), ",\"index\":%d,\"content_block\":", block);
    if (is_call)
        put_call(&f->text, ask, a);
    buf_puts(&f->text, is_call ? "{}}" : "{\"type\":\"text\",\"text\":\"\"}");
    end(f);
    f->first = ask->thinks ? f->first : f->count;
    if (is_call)
        put_delta(f, block, "input_json_delta", "partial_json", str_of(""));
    for (int i = 0; i < a->count && !is_empty; i++)
        put_delta(f, block, is_call ? "input_json_delta" : "text_delta", is_call ? "partial_json" : "text", sim_answer_piece(a, i));
    f->last = f->count;
    put_stop(f, block);
}

static void write_frames(struct sim_frames *f, const struct sim_ask *ask, const struct sim_answer *a)
{
    buf_puts(begin(f, "message_start"), ",\"message\":{");
    put_head(&f->text, ask, a);
    buf_puts(&f->text, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,");
    put_usage(&f->text, ask, 1);
    buf_putc(&f->text, '}');
    end(f);
    begin(f, "ping");
    end(f);
    f->first = f->last = f->count;
    bool is_said = a->count > 0 || ask->tool.len > 0;
    if (ask->thinks && is_said)
        put_thought(f, a);
    if (is_said)
        put_block(f, ask, a, ask->thinks);
    buf_printf(begin(f, "message_delta"), ",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":%d}", FINISHES[a->finish],
               made(ask, a));
    end(f);
    begin(f, "message_stop");
    end(f);
}

static const char *type_of(int status)
{
    switch (status) {
    case 401: return "authentication_error";
    case 402: return "billing_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 504: return "timeout_error";
    case 503:
    case 529: return "overloaded_error";
    default: return status < 500 ? "invalid_request_error" : "api_error";
    }
}

static void write_error(struct buf *out, int status, const char *message, double retry_after)
{
    (void)retry_after; /* in the header alone */
    buf_printf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", type_of(status));
    json_quote(out, str_of(message));
    buf_puts(out, "},\"request_id\":\"req_sim\"}");
}

static void write_error_frame(struct buf *out, int status, const char *message)
{
    buf_puts(out, "event: error\ndata: ");
    write_error(out, status, message, -1);
    buf_puts(out, "\n\n");
}

const struct sim_wire SIM_ANTHROPIC = {
    .read = read_ask,
    .whole = write_whole,
    .frames = write_frames,
    .error = write_error,
    .error_frame = write_error_frame,
    .broken_frame = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{oops\n\n",
};
