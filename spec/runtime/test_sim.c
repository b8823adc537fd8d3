/* The simulator in a child process, asked over loopback. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "sim/sim.h"
#include "sim/sim_fault.h"
#include "wire.h"

static pid_t child;
static int port;
static char script[64];
static struct arena arena;

static void write_script(const char *text)
{
    snprintf(script, sizeof script, "/tmp/wye-test-sim-%d.lua", (int)getpid());
    FILE *f = fopen(script, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void run_child(int out)
{
    struct sim_options options = {.listen = "127.0.0.1:0", .script = script};
    struct err err;
    dup2(out, STDOUT_FILENO);
    close(out);
    exit(sim_run(&options, &err) < 0);
}

static int setup(void **state)
{
    (void)state;
    char line[128] = "";
    int out[2];
    arena = ARENA(16 * 1024 * 1024);
    write_script("return { models = { m = { latency_ms = 0, tokens_per_second = 0, price = { input "
                 "= 1.5 } } } }");
    assert_int_equal(pipe(out), 0);
    fflush(NULL);
    child = fork();
    if (child == 0)
        run_child(out[1]);
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    assert_non_null(fgets(line, sizeof line, f));
    assert_int_equal(sscanf(line, "wye sim: ready http://127.0.0.1:%d\n", &port), 1);
    fclose(f);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    int status;
    kill(child, SIGTERM);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    unlink(script);
    arena_clear(&arena);
    return 0;
}

/* ---- asking ---- */

static struct str ask_for(const char *body, int status)
{
    struct wire_reply r = wire_ask(port, "POST", "/v1/chat/completions", body);
    assert_int_equal(r.status, status);
    assert_true(r.is_whole);
    struct str copy = arena_str(&arena, buf_str(&r.body));
    struct err err;
    if (!str_starts(copy, "data:"))
        assert_int_equal(json_validate(copy, &err), 0);
    wire_reply_clear(&r);
    return copy;
}

static struct str text_at(struct str json, const char *pointer)
{
    return json_text(json_pointer(json, pointer), &arena);
}

#define QUESTION "\"messages\":[{\"role\":\"user\",\"content\":\"What is the weather in Paris?\"}]"
#define WEATHER                                                                                    \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"parameters\":{"    \
    "\"type\":\"object\","                                                                         \
    "\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\",\"minimum\":1," \
    "\"maximum\":3},"                                                                              \
    "\"note\":{\"type\":\"string\"}},\"required\":[\"city\",\"days\"]}}}]"

static void answers_are_repeatable_and_about_the_question(void **state)
{
    (void)state;
    struct str first = ask_for("{\"model\":\"m\"," QUESTION "}", 200);
    struct str again = ask_for("{\"model\":\"m\"," QUESTION "}", 200);
    struct str text = text_at(first, "/choices/0/message/content");
    assert_non_null(strstr(text.p, "What is the weather in Paris?"));
    assert_true(str_same(text, text_at(again, "/choices/0/message/content")));
    assert_true(str_eq(json_pointer(first, "/choices/0/finish_reason"), "\"stop\""));
    int64_t in, out, total;
    assert_true(json_integer(json_pointer(first, "/usage/prompt_tokens"), &in));
    assert_true(json_integer(json_pointer(first, "/usage/completion_tokens"), &out));
    assert_true(json_integer(json_pointer(first, "/usage/total_tokens"), &total));
    assert_true(in > 0 && out > 5);
    assert_int_equal(total, in + out);
}

/* The contents of a stream's chunks, joined; counts the chunks that carry usage. */
static struct str joined(struct str stream, int *usages)
{
    struct buf all = BUF(1024 * 1024);
    *usages = 0;
    for (const char *p = stream.p; (p = strstr(p, "data: {")); p++) {
        struct str chunk = str_n(p + 6, (size_t)(strchr(p, '\n') - p - 6));
        struct err err;
        assert_int_equal(json_validate(chunk, &err), 0);
        struct str content = text_at(chunk, "/choices/0/delta/content");
        buf_append(&all, content.p, content.len);
        *usages += json_type(json_get(chunk, "usage")) == JSON_OBJECT;
    }
    struct str copy = arena_str(&arena, buf_str(&all));
    buf_clear(&all);
    return copy;
}

static void streams_say_the_same_as_plain_replies(void **state)
{
    (void)state;
    int usages;
    struct str plain =
        text_at(ask_for("{\"model\":\"m\"," QUESTION "}", 200), "/choices/0/message/content");
    struct str stream = ask_for("{\"model\":\"m\",\"stream\":true," QUESTION "}", 200);
    assert_true(str_same(joined(stream, &usages), plain));
    assert_int_equal(usages, 0);
    assert_string_equal(stream.p + stream.len - 14, "data: [DONE]\n\n");
    stream = ask_for(
        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," QUESTION
        "}",
        200);
    assert_true(str_same(joined(stream, &usages), plain));
    assert_int_equal(usages, 1);
}

static void limits_choices_and_logprobs(void **state)
{
    (void)state;
    struct str r = ask_for(
        "{\"model\":\"m\",\"max_tokens\":3,\"n\":2,\"logprobs\":true,\"top_logprobs\":2," QUESTION
        "}",
        200);
    int64_t made;
    assert_true(json_integer(json_pointer(r, "/usage/completion_tokens"), &made));
    assert_int_equal(made, 6);
    assert_true(str_eq(json_pointer(r, "/choices/1/finish_reason"), "\"length\""));
    double logprob;
    assert_true(json_number(json_pointer(r, "/choices/1/logprobs/content/2/logprob"), &logprob));
    assert_true(logprob <= 0);
    assert_true(json_pointer(r, "/choices/0/logprobs/content/0/top_logprobs/1/token").len > 0);
    assert_null(json_pointer(r, "/choices/0/logprobs/content/3").p);
}

static void tools_are_called_with_fitting_arguments(void **state)
{
    (void)state;
    struct str r = ask_for("{\"model\":\"m\"," WEATHER "," QUESTION "}", 200);
    assert_true(str_eq(json_pointer(r, "/choices/0/finish_reason"), "\"tool_calls\""));
    assert_true(str_eq(json_pointer(r, "/choices/0/message/tool_calls/0/function/name"),
                       "\"get_weather\""));
    struct str arguments = text_at(r, "/choices/0/message/tool_calls/0/function/arguments");
    struct err err;
    assert_int_equal(json_validate(arguments, &err), 0);
    assert_true(str_eq(json_get(arguments, "city"), "\"Paris\""));
    int64_t days;
    assert_true(json_integer(json_get(arguments, "days"), &days) && days >= 1 && days <= 3);
    assert_null(json_get(arguments, "note").p); /* not required */
    r = ask_for("{\"model\":\"m\",\"tool_choice\":\"none\"," WEATHER "," QUESTION "}", 200);
    assert_int_equal(json_type(json_pointer(r, "/choices/0/message/content")), JSON_STRING);
    r = ask_for("{\"model\":\"m\",\"tool_choice\":\"required\"," WEATHER
                ",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
                200);
    assert_true(str_eq(json_pointer(r, "/choices/0/finish_reason"), "\"tool_calls\""));
    r = ask_for("{\"model\":\"m\"," WEATHER
                ",\"messages\":[{\"role\":\"user\",\"content\":\"weather?\"},{\"role\":\"tool\","
                "\"content\":\"rain\"}]}",
                200);
    assert_true(str_eq(json_pointer(r, "/choices/0/finish_reason"), "\"stop\""));
}

static void json_as_the_schema_asks(void **state)
{
    (void)state;
    struct str r = ask_for("{\"model\":\"m\",\"response_format\":{\"type\":\"json_schema\",\"json_"
                           "schema\":{\"name\":\"x\",\"schema\":"
                           "{\"type\":\"object\",\"required\":[\"label\",\"p\",\"list\"],"
                           "\"properties\":{\"label\":{\"enum\":[\"a\",\"b\"]},"
                           "\"p\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1},\"list\":{"
                           "\"type\":\"array\",\"minItems\":2,"
                           "\"items\":{\"$ref\":\"#/$defs/"
                           "flag\"}}},\"$defs\":{\"flag\":{\"type\":\"boolean\"}}}}}," QUESTION "}",
                           200);
    struct str value = text_at(r, "/choices/0/message/content");
    struct err err;
    double p;
    assert_int_equal(json_validate(value, &err), 0);
    struct str label = json_get(value, "label");
    assert_true(str_eq(label, "\"a\"") || str_eq(label, "\"b\""));
    assert_true(json_number(json_get(value, "p"), &p) && p >= 0 && p <= 1);
    enum json_type flag = json_type(json_pointer(value, "/list/1"));
    assert_true(flag == JSON_TRUE || flag == JSON_FALSE);
}

static void default_models_are_quick(void **state)
{
    (void)state;
    uint64_t began = clock_ms();
    ask_for("{\"model\":\"sim/smart\",\"stream\":true," QUESTION "}", 200);
    assert_true(clock_ms() - began < 500);
    struct wire_reply r = wire_ask(port, "GET", "/v1/models", "");
    assert_non_null(strstr(r.body.p, "\"sim/fast\""));
    assert_non_null(strstr(r.body.p, "\"price\":{\"input\":1.5}"));
    wire_reply_clear(&r);
}

static void what_it_cannot_answer(void **state)
{
    (void)state;
    ask_for("{", 400);
    ask_for("[]", 400);
    ask_for("{\"model\":\"m\"}", 400);
    ask_for("{\"model\":\"m\",\"messages\":[]}", 400);
    ask_for("{" QUESTION "}", 400);
    struct wire_reply r = wire_ask(port, "GET", "/elsewhere", "");
    assert_int_equal(r.status, 404);
    wire_reply_clear(&r);
}

/* ---- faults ---- */

static void set_fault(const char *rule, int status)
{
    char body[512];
    snprintf(body, sizeof body, "{\"faults\":[%s]}", rule);
    struct wire_reply r = wire_ask(port, "POST", "/sim/faults", body);
    if (r.status != status)
        fail_msg("%s: %d %s", rule, r.status, r.body.p);
    wire_reply_clear(&r);
}

static int64_t count_of(const char *pointer)
{
    int64_t n = -1;
    struct wire_reply r = wire_ask(port, "GET", "/sim/stats", "");
    json_integer(json_pointer(buf_str(&r.body), pointer), &n);
    wire_reply_clear(&r);
    return n;
}

static void await_count(const char *pointer, int64_t n)
{
    for (uint64_t began = clock_ms(); count_of(pointer) != n;)
        if (clock_ms() - began > 5000)
            fail_msg("%s is %d, not %d", pointer, (int)count_of(pointer), (int)n);
}

enum outcome { IS_WHOLE, IS_BROKEN, HANGS };

static const struct {
    const char *kind;
    enum outcome plain, stream;
    int status;       /* 0: no head */
    const char *says; /* part of the body */
} FAULTS[] = {
    {"401", IS_WHOLE, IS_WHOLE, 401, "invalid_api_key"},
    {"429", IS_WHOLE, IS_WHOLE, 429, "rate_limit_exceeded"},
    {"529", IS_WHOLE, IS_WHOLE, 529, "overloaded"},
    {"hang", HANGS, HANGS, 0, ""},
    {"hang_first_token", HANGS, HANGS, 200, ""},
    {"hang_mid", HANGS, HANGS, 200, ""},
    {"reset", IS_BROKEN, IS_BROKEN, 0, ""},
    {"reset_mid", IS_BROKEN, IS_BROKEN, 200, ""},
    {"close", IS_BROKEN, IS_BROKEN, 0, ""},
    {"cut", IS_BROKEN, IS_BROKEN, 200, "chatcmpl-sim"},
    {"slow_head", HANGS, HANGS, 0, ""},
    {"slow_bytes", HANGS, HANGS, 200, ""},
    {"malformed_http", IS_BROKEN, IS_BROKEN, 0, ""},
    {"malformed_json", IS_WHOLE, IS_WHOLE, 200, "\"chatcmpl-sim"},
    {"malformed_sse", IS_WHOLE, IS_WHOLE, 200, "no event stream"},
    {"empty_body", IS_WHOLE, IS_WHOLE, 200, ""},
    {"wrong_content_type", IS_WHOLE, IS_WHOLE, 200, "<!doctype html>"},
    {"error_event", IS_WHOLE, IS_WHOLE, 200, "\"server_error\""},
    {"error_event_mid", IS_WHOLE, IS_WHOLE, 200, "\"server_error\""},
    {"overloaded_event", IS_WHOLE, IS_WHOLE, 200, "\"overloaded\""},
    {"content_filter", IS_WHOLE, IS_WHOLE, 200, "\"content_filter\""},
    {"huge_head", IS_BROKEN, IS_BROKEN, 0, ""},
    {"bad_chunk", IS_BROKEN, IS_BROKEN, 200, "chatcmpl-sim"},
    {"cl_short", IS_BROKEN, IS_BROKEN, 200, "chatcmpl-sim"},
    {"keepalives_only", HANGS, HANGS, 200, ""},
    {"role_only", IS_WHOLE, IS_WHOLE, 200, "\"stop\""},
};

enum { FAULT_COUNT = sizeof FAULTS / sizeof *FAULTS };

static void check_reply(struct wire *w, int i, enum outcome expected)
{
    struct wire_reply r = wire_reply(w, "POST");
    if (r.status != FAULTS[i].status || r.is_whole != (expected == IS_WHOLE))
        fail_msg("%s: status %d, whole %d", FAULTS[i].kind, r.status, r.is_whole);
    if (!strstr(r.body.p ? r.body.p : "", FAULTS[i].says))
        fail_msg("%s: %s", FAULTS[i].kind, r.body.p);
    wire_reply_clear(&r);
}

static void check_fault(int i, bool is_stream)
{
    char rule[128], body[512], open[64], cancelled[64];
    snprintf(rule, sizeof rule, "{\"model\":\"*\",\"kind\":\"%s\",\"times\":1}", FAULTS[i].kind);
    set_fault(rule, 200);
    snprintf(body, sizeof body, "{\"model\":\"m%d%d\",\"stream\":%s," QUESTION "}", i, is_stream,
             is_stream ? "true" : "false");
    struct wire w = wire_open(port);
    char head[128];
    snprintf(head, sizeof head,
             "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
             strlen(body));
    wire_send(&w, head);
    wire_send(&w, body);
    enum outcome expected = is_stream ? FAULTS[i].stream : FAULTS[i].plain;
    snprintf(open, sizeof open, "/m%d%d/open", i, is_stream);
    snprintf(cancelled, sizeof cancelled, "/m%d%d/cancelled_by_client", i, is_stream);
    if (expected == HANGS)
        await_count(open, 1);
    else
        check_reply(&w, i, expected);
    wire_close(&w);
    await_count(open, 0);
    assert_int_equal(count_of(cancelled), expected == HANGS);
}

static void every_kind_plain_and_streamed(void **state)
{
    (void)state;
    for (int i = 0; i < FAULT_COUNT; i++) {
        check_fault(i, false);
        check_fault(i, true);
    }
}

static void every_kind_is_in_the_table_above(void **state)
{
    (void)state;
    static const char *const kinds[] = {
#define FAULT(name, text, ...) text,
#include "sim/sim_fault.def"
#undef FAULT
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        int found = 0;
        for (int i = 0; i < FAULT_COUNT; i++)
            found += strcmp(FAULTS[i].kind, kinds[k]) == 0;
        if (!found)
            fail_msg("%s is not tested", kinds[k]);
    }
}

static int status_of(const char *model)
{
    char body[256];
    snprintf(body, sizeof body, "{\"model\":\"%s\"," QUESTION "}", model);
    struct wire_reply r = wire_ask(port, "POST", "/openai/v1/chat/completions", body);
    int status = r.status;
    wire_reply_clear(&r);
    return status;
}

static void rules_count_and_can_be_cleared(void **state)
{
    (void)state;
    set_fault(
        "{\"model\":\"openai/gpt\",\"kind\":\"503\",\"times\":2,\"after\":1,\"retry_after\":1.5}",
        200);
    assert_int_equal(status_of("other"), 200);
    assert_int_equal(status_of("gpt"), 200);
    assert_int_equal(status_of("gpt"), 503);
    assert_int_equal(status_of("gpt"), 503);
    assert_int_equal(status_of("gpt"), 200);
    set_fault("{\"kind\":500}", 200);
    assert_int_equal(status_of("gpt"), 500);
    struct wire_reply r = wire_ask(port, "DELETE", "/sim/faults", "");
    assert_int_equal(r.status, 200);
    wire_reply_clear(&r);
    assert_int_equal(status_of("gpt"), 200);
    assert_int_equal(count_of("/gpt/requests"), 6);
    assert_int_equal(count_of("/gpt/faults"), 3);
    set_fault("{\"kind\":\"429\",\"retry_after\":1.5}", 200);
    r = wire_ask(port, "POST", "/v1/chat/completions", "{\"model\":\"m\"," QUESTION "}");
    assert_true(wire_has(&r, "retry-after: 1.5"));
    wire_reply_clear(&r);
}

static void wrong_rules_are_refused_whole(void **state)
{
    (void)state;
    set_fault("{\"model\":\"*\",\"kind\":\"500\"},{\"model\":\"*\",\"kind\":\"explode\"}", 400);
    set_fault("{\"model\":\"*\"}", 400);
    set_fault("{\"kind\":\"500\",\"time\":1}", 400);
    set_fault("{\"kind\":\"200\"}", 400);
    assert_int_equal(status_of("m"), 200);
}

static void models_are_matched_by_name_and_provider(void **state)
{
    (void)state;
    struct str none = str_n("", 0), openai = str_of("openai");
    assert_true(sim_fault_matches("*", none, str_of("x")));
    assert_true(sim_fault_matches("openai/gpt", openai, str_of("gpt")));
    assert_true(sim_fault_matches("openai/gpt", none, str_of("gpt")));
    assert_true(sim_fault_matches("gpt", openai, str_of("gpt")));
    assert_true(sim_fault_matches("fast", none, str_of("sim/fast")));
    assert_false(sim_fault_matches("azure/gpt", openai, str_of("gpt")));
    assert_false(sim_fault_matches("openai/gpt", openai, str_of("gpt-5")));
}

static void assert_script_refused(const char *text, const char *says)
{
    struct sim_options options = {.listen = "127.0.0.1:0", .script = script};
    struct err err;
    write_script(text);
    assert_int_equal(sim_run(&options, &err), -1);
    if (!strstr(err.message, says))
        fail_msg("%s", err.message);
    unlink(script);
}

static void wrong_scripts_say_what_is_wrong(void **state)
{
    (void)state;
    assert_script_refused("return 1", "must return a table");
    assert_script_refused("return {\n models = }", ":2:");
    assert_script_refused("return { model = {} }", "do you mean \"models\"");
    assert_script_refused("return { models = { x = { latency = 1 } } }", "latency_ms");
    assert_script_refused("return { models = { x = { quality = 'good' } } }",
                          "quality is no number");
    assert_script_refused("return { faults = { { kind = 'nope' } } }", "hang_first_token");
    assert_script_refused("while true do end", "too long");
    assert_script_refused("return { seed = print }", "a value is a function");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(answers_are_repeatable_and_about_the_question),
        TEST(streams_say_the_same_as_plain_replies),
        TEST(limits_choices_and_logprobs),
        TEST(tools_are_called_with_fitting_arguments),
        TEST(json_as_the_schema_asks),
        TEST(default_models_are_quick),
        TEST(what_it_cannot_answer),
        TEST(every_kind_plain_and_streamed),
        cmocka_unit_test(every_kind_is_in_the_table_above),
        TEST(rules_count_and_can_be_cleared),
        TEST(wrong_rules_are_refused_whole),
        cmocka_unit_test(models_are_matched_by_name_and_provider),
        cmocka_unit_test(wrong_scripts_say_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
