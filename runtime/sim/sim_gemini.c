/* Gemini's generateContent, as its API reference and recordings have it. The model's name and whether it streams are in the path. */
#include <ctype.h>
#include <stdlib.h>

#include "base/json.h"
#include "sim/sim_ask.h"
#include "sim/sim_wire.h"

enum { MOST_CHOICES = 8, MOST_LOGPROBS = 20 };

static const char *const FINISHES[] = {"STOP", "MAX_TOKENS", "STOP", "SAFETY"};

/* ---- reading ---- */

/* The name between the last "/models/" and the last colon, %2F and its like decoded. */
struct str sim_gemini_model(struct str path, struct arena *arena)
{
    static const char before[] = "/models/";
    const char *colon = memrchr(path.p, ':', path.len), *start = memmem(path.p, path.len, before, sizeof before - 1);
    char *name = start && colon > start ? arena_strndup(arena, start + sizeof before - 1, (size_t)(colon - start) - (sizeof before - 1)) : NULL;
    char *to = name;
    for (const char *from = name; from && *from; to++) {
        if (*from == '%' && isxdigit((unsigned char)from[1]) && isxdigit((unsigned char)from[2])) {
            *to = (char)strtol((char[]){from[1], from[2], '\0'}, NULL, 16);
            from += 3;
        } else {
            *to = *from++;
        }
    }
    return str_n(name, name ? (size_t)(to - name) : 0);
}

static bool has_response(struct str parts)
{
    for (struct json_walk w = json_walk(parts); json_next(&w);)
        if (json_get(w.value, "functionResponse").p)
            return true;
    return false;
}

static int read_contents(struct str contents, struct arena *arena, struct sim_ask *ask, struct err *err)
{
    if (json_type(contents) != JSON_ARRAY || contents.len == 2)
        return err_set(err, ERR_BAD_REQUEST, "* GenerateContentRequest.contents: contents is not specified");
    ask->prompt_bytes += contents.len;
    for (struct json_walk w = json_walk(contents); json_next(&w);) {
        struct str role = json_get(w.value, "role"), parts = json_get(w.value, "parts");
        if (role.p && !str_eq(role, "\"user\"") && !str_eq(role, "\"model\"") && !str_eq(role, "\"function\""))
            return err_set(err, ERR_BAD_REQUEST, "Please use a valid role: user, model.");
        if (json_type(parts) != JSON_ARRAY)
            return err_set(err, ERR_BAD_REQUEST, "* GenerateContentRequest.contents.parts: contents.parts must not be empty.");
        if (str_eq(role, "\"model\""))
            continue;
        struct str text = sim_ask_text(parts, arena);
        ask->is_after_tool = has_response(parts);
        ask->prompt = text.len > 0 ? text : ask->prompt;
    }
    return 0;
}

static void read_tools(struct str tools, struct str config, struct sim_ask *ask)
{
    struct str mode = json_get(config, "mode");
    if (json_type(tools) != JSON_ARRAY || str_eq(mode, "\"NONE\""))
        return;
    struct str wanted = json_plain(json_pointer(config, "/allowedFunctionNames/0"));
    for (struct json_walk t = json_walk(tools); json_next(&t);) {
        struct str list = json_get(t.value, "functionDeclarations");
        for (struct json_walk w = json_walk(list.p ? list : str_of("[]")); json_next(&w);) {
            struct str schema = json_get(w.value, "parametersJsonSchema");
            sim_ask_offer(ask, json_plain(json_get(w.value, "name")), schema.p ? schema : json_get(w.value, "parameters"), wanted, str_eq(mode, "\"ANY\""));
        }
    }
}

static void read_config(struct str config, struct sim_ask *ask)
{
    enum { MAX, TYPE, SCHEMA, JSON_SCHEMA, CANDIDATES, LOGPROBS, TOP, THINKING, COUNT };
    static const struct str NAMES[COUNT] = {
        STR("maxOutputTokens"), STR("responseMimeType"), STR("responseSchema"),
        STR("responseJsonSchema"), STR("candidateCount"), STR("responseLogprobs"), STR("logprobs"),
        STR("thinkingConfig")};
    struct str v[COUNT];
    json_get_many(config.p ? config : str_of("{}"), NAMES, v, COUNT);
    ask->max_tokens = sim_ask_count(v[MAX], 0, 1000000);
    ask->schema = v[JSON_SCHEMA].p ? v[JSON_SCHEMA] : v[SCHEMA];
    ask->wants_json = str_eq(v[TYPE], "\"application/json\"");
    ask->choices = (int)sim_ask_count(v[CANDIDATES], 1, MOST_CHOICES);
    ask->choices += ask->choices == 0;
    ask->wants_logprobs = json_is_true(v[LOGPROBS]);
    ask->top_logprobs = (int)sim_ask_count(v[TOP], 0, MOST_LOGPROBS);
    ask->thinks = json_is_true(json_get(v[THINKING], "includeThoughts"));
}

static int read_ask(struct str path, struct str body, struct arena *arena, struct sim_ask *ask, struct err *err)
{
    enum { CONTENTS, SYSTEM, TOOLS, CHOICE, CONFIG, COUNT };
    static const struct str NAMES[COUNT] = {
        STR("contents"), STR("systemInstruction"), STR("tools"), STR("toolConfig"),
        STR("generationConfig")};
    struct str v[COUNT];
    json_get_many(body, NAMES, v, COUNT);
    *ask = (struct sim_ask){.model = sim_gemini_model(path, arena), .prompt = str_of(""), .prompt_bytes = v[SYSTEM].len + v[TOOLS].len};
    if (ask->model.len == 0)
        return err_set(err, ERR_BAD_REQUEST, "the path names no model: /v1beta/models/NAME:generateContent");
    if (read_contents(v[CONTENTS], arena, ask, err) < 0)
        return -1;
    ask->is_stream = memmem(path.p, path.len, ":streamGenerateContent", 22) != NULL;
    read_config(v[CONFIG], ask);
    read_tools(v[TOOLS], json_get(v[CHOICE], "functionCallingConfig"), ask);
    return 0;
}

/* ---- writing ---- */

static void put_tail(struct buf *out, const struct sim_ask *ask, const struct sim_answer *answers)
{
    size_t in = sim_prompt_tokens(ask), made = 0, thought = ask->thinks ? sim_answer_thought(answers).len / 4 : 0;
    for (int i = 0; i < ask->choices; i++)
        made += (size_t)answers[i].count;
    buf_printf(out, ",\"usageMetadata\":{\"promptTokenCount\":%zu,\"candidatesTokenCount\":%zu,\"totalTokenCount\":%zu", in, made, in + made + thought);
    if (thought > 0)
        buf_printf(out, ",\"thoughtsTokenCount\":%zu", thought);
    buf_puts(out, "},\"modelVersion\":");
    json_quote(out, ask->model);
    buf_printf(out, ",\"responseId\":\"sim%016llx\"}", (unsigned long long)answers->seed);
}

static void put_signature(struct buf *out, const struct sim_answer *a)
{
    buf_printf(out, "\"thoughtSignature\":\"c2ln%016llx\"", (unsigned long long)a->seed);
}

static void put_text(struct buf *out, struct str text, bool is_thought)
{
    buf_puts(out, "{\"text\":");
    json_quote(out, text);
    buf_puts(out, is_thought ? ",\"thought\":true}" : "}");
}

static void put_call(struct buf *out, const struct sim_ask *ask, const struct sim_answer *a)
{
    struct str args = buf_str(&a->text);
    buf_printf(out, "{\"functionCall\":{\"name\":\"" STR_FMT "\",\"args\":" STR_FMT "}", STR_ARG(ask->tool),
               STR_ARG(json_validate(args, NULL) == 0 ? args : str_of("{}"))); /* cut by maxOutputTokens */
    if (ask->thinks) {
        buf_putc(out, ',');
        put_signature(out, a);
    }
    buf_putc(out, '}');
}

static void put_logprob(struct buf *out, struct str token, double logprob)
{
    buf_puts(out, "{\"token\":");
    json_quote(out, token);
    buf_printf(out, ",\"logProbability\":%.6f}", logprob);
}

static void put_logprobs(struct buf *out, const struct sim_ask *ask, const struct sim_answer *a, int from, int to)
{
    if (!ask->wants_logprobs)
        return;
    buf_puts(out, ",\"logprobsResult\":{\"chosenCandidates\":[");
    for (int i = from; i < to; i++) {
        buf_puts(out, i > from ? "," : "");
        put_logprob(out, sim_answer_piece(a, i), sim_answer_logprob(a, i));
    }
    buf_puts(out, "],\"topCandidates\":[");
    for (int i = from; i < to; i++) {
        buf_puts(out, i > from ? ",{\"candidates\":[" : "{\"candidates\":[");
        for (int k = 0; k < ask->top_logprobs; k++) {
            buf_puts(out, k ? "," : "");
            put_logprob(out, k ? str_of(" or") : sim_answer_piece(a, i), sim_answer_logprob(a, i) - (k ? 1.5 + 0.5 * k : 0));
        }
        buf_puts(out, "]}");
    }
    buf_puts(out, "]}");
}

static void end_parts(struct buf *out, int index)
{
    buf_printf(out, "],\"role\":\"model\"},\"index\":%d", index);
}

static void put_candidate(struct buf *out, const struct sim_ask *ask, const struct sim_answer *a, int index)
{
    buf_puts(out, "{\"content\":{\"parts\":[");
    if (ask->thinks) {
        put_text(out, sim_answer_thought(a), true);
        buf_puts(out, a->count > 0 ? "," : "");
    }
    if (ask->tool.len > 0 && a->count > 0)
        put_call(out, ask, a);
    else if (a->count > 0)
        put_text(out, buf_str(&a->text), false);
    end_parts(out, index);
    put_logprobs(out, ask, a, 0, a->count);
    buf_printf(out, ",\"finishReason\":\"%s\"}", FINISHES[a->finish]);
}

static void write_whole(struct buf *out, const struct sim_ask *ask, const struct sim_answer *answers)
{
    buf_puts(out, "{\"candidates\":[");
    for (int i = 0; i < ask->choices; i++) {
        buf_puts(out, i ? "," : "");
        put_candidate(out, ask, &answers[i], i);
    }
    buf_putc(out, ']');
    put_tail(out, ask, answers);
}

static struct buf *begin(struct sim_frames *f)
{
    buf_puts(&f->text, "data: {\"candidates\":[{\"content\":{\"parts\":[");
    return &f->text;
}

static void end(struct sim_frames *f, const struct sim_ask *ask, const struct sim_answer *answers)
{
    buf_puts(&f->text, "}]");
    put_tail(&f->text, ask, answers);
    buf_puts(&f->text, "\r\n\r\n");
    sim_frames_end(f);
}

/* A call comes whole, a text piece by piece. */
static void put_said(struct sim_frames *f, const struct sim_ask *ask, const struct sim_answer *answers, int choice)
{
    const struct sim_answer *a = &answers[choice];
    bool is_call = ask->tool.len > 0;
    for (int i = 0; i < (is_call && a->count ? 1 : a->count); i++) {
        begin(f);
        if (is_call)
            put_call(&f->text, ask, a);
        else
            put_text(&f->text, sim_answer_piece(a, i), false);
        end_parts(&f->text, choice);
        put_logprobs(&f->text, ask, a, i, i + 1);
        end(f, ask, answers);
    }
}

static void write_frames(struct sim_frames *f, const struct sim_ask *ask, const struct sim_answer *answers)
{
    for (int c = 0; c < ask->choices && ask->thinks; c++) {
        put_text(begin(f), sim_answer_thought(&answers[c]), true);
        end_parts(&f->text, c);
        end(f, ask, answers);
    }
    for (int c = 0; c < ask->choices; c++)
        put_said(f, ask, answers, c);
    f->last = f->count;
    for (int c = 0; c < ask->choices; c++) {
        put_text(begin(f), str_of(""), false);
        end_parts(&f->text, c);
        buf_printf(&f->text, ",\"finishReason\":\"%s\"", FINISHES[answers[c].finish]);
        end(f, ask, answers);
    }
}

static const char *status_word(int status)
{
    switch (status) {
    case 400: return "INVALID_ARGUMENT";
    case 401: return "UNAUTHENTICATED";
    case 403: return "PERMISSION_DENIED";
    case 404: return "NOT_FOUND";
    case 429: return "RESOURCE_EXHAUSTED";
    case 503:
    case 529: return "UNAVAILABLE";
    case 504: return "DEADLINE_EXCEEDED";
    default: return status < 500 ? "FAILED_PRECONDITION" : "INTERNAL";
    }
}

static void write_error(struct buf *out, int status, const char *message, double retry_after)
{
    buf_printf(out, "{\"error\":{\"code\":%d,\"message\":", status);
    json_quote(out, str_of(message));
    buf_printf(out, ",\"status\":\"%s\"", status_word(status));
    if (retry_after >= 0)
        buf_printf(out, ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"%gs\"}]", retry_after);
    buf_puts(out, "}}");
}

static void write_error_frame(struct buf *out, int status, const char *message)
{
    buf_puts(out, "data: ");
    write_error(out, status == 529 ? 503 : status, message, -1);
    buf_puts(out, "\r\n\r\n");
}

const struct sim_wire SIM_GEMINI = {
    .read = read_ask,
    .whole = write_whole,
    .frames = write_frames,
    .error = write_error,
    .error_frame = write_error_frame,
    .broken_frame = "data: {\"candidates\":[{oops\r\n\r\n",
};
