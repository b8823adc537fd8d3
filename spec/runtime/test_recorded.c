/* Captured decisions made again: what was recorded is given back in its order, what is missing or damaged is told by its reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bind/bind.h"
#include "serve/capture.h"
#include "trial/recorded.h"
#include "vm/guard.h"
#include "project.h"

#define REPLY(text) "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" text "\"},\"finish_reason\":\"stop\"}]}"

static const char CONFIG[] = "return { models = { [\"sim/fast\"] = {}, [\"sim/smart\"] = {} }, default = \"sim/fast\" }\n";
static const char ROUTES[][2][700] = {
    {"twice", "local fast = wye.model \"sim/fast\"\nreturn function(req)\n  local a, e1 = fast:ask(req)\n  local b, e2 = fast:ask(req)\n"
              "  return fast, (a and a.text or e1.kind .. \" \" .. e1.message) .. \" then \" .. (b and b.text or e2.kind)\nend\n"},
    {"first", "local fast, smart = wye.model \"sim/fast\", wye.model \"sim/smart\"\nreturn function(req)\n"
              "  local r = wye.first({ fast, smart }, req, { hedge = 0.01 })\n  return r, r.model\nend\n"},
    {"finds", "local fast = wye.model \"sim/fast\"\nreturn function(req)\n"
              "  return fast, (\"%s %s %s %.6f %.6f\"):format(wye.kv.get(\"a\"), wye.kv.add(\"n\", 1), wye.kv.get(\"lost\"), wye.now(), wye.now())\nend\n"},
    {"reads", "local fast = wye.model \"sim/fast\"\nreturn function(req) return fast, req.prompt .. (req.user or \"\") end\n"},
};
enum { ROUTE_COUNT = sizeof ROUTES / sizeof *ROUTES };

static struct project *project;
static struct generation *generation;
static struct trial *trial;
static struct recorded recorded;
static struct arena arena;
static char keys[2][20]; /* of a plain ask to sim/fast, sim/smart */

static int open_project(void **state)
{
    (void)state;
    static const struct generation_options OPTIONS = {.open = bind_open};
    struct err err;
    if (guard_open(&err) < 0)
        return -1;
    project = project_new();
    project_write(project, "wye.lua", CONFIG);
    for (int i = 0; i < ROUTE_COUNT; i++) {
        char name[16];
        snprintf(name, sizeof name, "%s.lua", ROUTES[i][0]);
        project_write(project, name, ROUTES[i][1]);
    }
    generation = generation_load(1, manifest_new(project->root), &OPTIONS, &err);
    if (!generation)
        return -1;
    trial = trial_new(generation);
    arena = ARENA(1 << 20);
    for (int i = 0; i < 2; i++) {
        const struct model *m = config_model(generation->config, i ? "sim/smart" : "sim/fast");
        snprintf(keys[i], sizeof keys[i], "%016" PRIx64, capture_ask_key(m, &(struct ask_options){.purpose = PURPOSE_ASK}));
    }
    return 0;
}

static int close_project(void **state)
{
    (void)state;
    trial_free(trial);
    generation_release(generation);
    arena_clear(&arena);
    guard_close();
    project_free(project);
    return 0;
}

static struct captured captured(const char *route, const struct captured_step *steps, int count)
{
    return (struct captured){.number = 9, .began_us = 1700000000000000, .id = str_of("a"), .route = str_of(route), .headers = str_of("{}"),
                             .request = str_of("{\"model\":\"auto\",\"user\":\"u\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"), .steps = steps, .step_count = count};
}

static enum recorded_problem decide(const struct captured *c)
{
    arena_reset(&arena);
    enum recorded_problem problem = recorded_open(&recorded, c, &arena);
    if (problem != RECORDED_READY)
        return problem;
    recorded_mount(&recorded, trial);
    trial_run(trial, generation_route(generation, c->route), c->request);
    return recorded_verdict(&recorded);
}

static void expect_reason(const char *reason)
{
    if (trial->has_failed)
        fail_msg("%s", trial->err.message);
    assert_string_equal(trial->decision.reason.p, reason);
}

#define DECIDED {.kind = STR("decided"), .value = STR("sim/fast")}
#define ASK(key_, n_, ...) {.kind = STR("ask"), .key = {key_, 16}, .n = n_, .model = STR("sim/fast"), .status = 200, __VA_ARGS__}

static void two_asks_that_are_the_same_get_their_answers_in_turn(void **state)
{
    (void)state;
    const struct captured_step steps[] = {ASK(keys[0], 1, .reply = STR(REPLY("one")), .at_us = 10), ASK(keys[0], 2, .reply = STR(REPLY("two")), .at_us = 20), DECIDED};
    struct captured c = captured("twice", steps, 3);
    assert_int_equal(decide(&c), RECORDED_READY);
    expect_reason("one then two");
}

static void a_failure_is_given_again(void **state)
{
    (void)state;
    const struct captured_step steps[] = {ASK(keys[0], 1, .error = STR("rate_limit"), .why = STR("slow down"), .flags = STEP_RETRYABLE), ASK(keys[0], 2, .reply = STR(REPLY("two"))), DECIDED};
    struct captured c = captured("twice", steps, 3);
    assert_int_equal(decide(&c), RECORDED_READY);
    expect_reason("rate_limit slow down then two");
    assert_true(trial->asks[0].reply->err.retryable);
}

static void an_ask_that_is_missing_or_damaged_is_told(void **state)
{
    (void)state;
    const struct captured_step missing[] = {ASK(keys[0], 1, .reply = STR(REPLY("one"))), DECIDED};
    const struct captured_step other[] = {ASK(keys[1], 1, .reply = STR(REPLY("one"))), ASK(keys[0], 2, .reply = STR(REPLY("two"))), DECIDED};
    static const struct str damaged[] = {STR("{\"choices\":[{\"message\":{\"content\":\"on"), STR("\"(300000 bytes)\""), STR("\377\376"), {NULL, 0}};
    struct captured c = captured("twice", missing, 2);
    assert_int_equal(decide(&c), RECORDED_UNRECORDED);
    c = captured("twice", other, 3);
    assert_int_equal(decide(&c), RECORDED_UNRECORDED);
    for (int i = 0; i < 4; i++) {
        const struct captured_step steps[] = {ASK(keys[0], 1, .reply = damaged[i]), ASK(keys[0], 2, .reply = STR(REPLY("two"))), DECIDED};
        c = captured("twice", steps, 3);
        assert_int_equal(decide(&c), RECORDED_UNRECORDED);
    }
}

static int answer_now(void *arg, struct trial *t, struct trial_ask *ask)
{
    ++*(int *)arg;
    trial_text(t, ask->reply, str_of("now"));
    return 0;
}

static void one_who_offers_answers_what_is_missing(void **state)
{
    (void)state;
    const struct captured_step steps[] = {ASK(keys[0], 1, .reply = STR(REPLY("one"))), DECIDED};
    struct captured c = captured("twice", steps, 2);
    int asked = 0;
    assert_int_equal(recorded_open(&recorded, &c, &arena), RECORDED_READY);
    recorded.ask = answer_now;
    recorded.ask_arg = &asked;
    recorded_mount(&recorded, trial);
    trial_run(trial, generation_route(generation, c.route), c.request);
    assert_int_equal(recorded_verdict(&recorded), RECORDED_READY);
    expect_reason("one then now");
    assert_int_equal(asked, 1);
    assert_int_equal(recorded.unrecorded_asks, 1);
}

/* The hedge's pause ended, then the second model was faster; the first was stopped. */
static void a_race_is_run_again(void **state)
{
    (void)state;
    struct captured_step steps[] = {{.kind = STR("clock"), .value = STR("5")},
                                    {.kind = STR("sleep"), .n = 2, .at_us = 10500},
                                    {.kind = STR("ask"), .key = {keys[1], 16}, .n = 3, .reply = STR(REPLY("s")), .status = 200, .at_us = 14000},
                                    {.kind = STR("ask"), .key = {keys[0], 16}, .n = 1, .flags = STEP_STOPPED},
                                    DECIDED};
    struct captured c = captured("first", steps, 5);
    char hedge[20];
    const struct model *smart = config_model(generation->config, "sim/smart");
    snprintf(hedge, sizeof hedge, "%016" PRIx64, capture_ask_key(smart, &(struct ask_options){.purpose = PURPOSE_HEDGE}));
    steps[2].key = str_of(hedge);
    assert_int_equal(decide(&c), RECORDED_READY);
    expect_reason("sim/smart");
    steps[1].at_us = 20000; /* the first answered before the pause was over */
    steps[3] = (struct captured_step)ASK(keys[0], 1, .reply = STR(REPLY("f")), .at_us = 9000);
    assert_int_equal(decide(&c), RECORDED_READY);
    expect_reason("sim/fast");
}

static void clocks_and_kv_are_given_and_what_is_missing_is_counted(void **state)
{
    (void)state;
    const struct captured_step steps[] = {{.kind = STR("kv"), .key = STR("get a"), .value = STR("strue")}, {.kind = STR("kv"), .key = STR("add n"), .value = STR("n7")},
                                          {.kind = STR("now"), .value = STR("1700000001000001")}, {.kind = STR("nonsense"), .key = STR("x"), .value = STR("y")}, DECIDED};
    struct captured c = captured("finds", steps, 5);
    assert_int_equal(decide(&c), RECORDED_READY);
    expect_reason("true 7 nil 1700000001.000001 1700000000.000000"); /* the second clock: when the decision began */
    assert_int_equal(recorded.unrecorded_kv, 1);
}

static void what_a_mask_took_out_matters_only_where_it_is_read(void **state)
{
    (void)state;
    static const struct str content = STR("/messages/*/content"), stream = STR("/stream");
    const struct captured_step steps[] = {DECIDED};
    struct captured c = captured("reads", steps, 1);
    c.mask_count = 1;
    c.masks = &content;
    assert_int_equal(decide(&c), RECORDED_MASKED);
    c.masks = &stream;
    assert_int_equal(decide(&c), RECORDED_READY);
    expect_reason("hiu");
}

static void expect_refused(struct captured c, enum recorded_problem problem)
{
    assert_int_equal(decide(&c), problem);
    assert_true(strlen(recorded_word(problem)) > 0);
}

static void what_is_no_whole_record_is_refused_by_its_reason(void **state)
{
    (void)state;
    const struct captured_step steps[] = {DECIDED}, ended[] = {{.kind = STR("decided"), .value = STR("script_error: routes/a.lua:3: ran longer than 50 ms")}};
    struct captured c = captured("reads", steps, 1), other = c;
    assert_int_equal(decide(&c), RECORDED_READY);
    other.request = str_n(NULL, 0);
    expect_refused(other, RECORDED_NOT_CAPTURED);
    other = c, other.route = str_n(NULL, 0);
    expect_refused(other, RECORDED_NO_ROUTE);
    other = c, other.step_count = 0;
    expect_refused(other, RECORDED_UNDECIDED);
    other = c, other.step_count = 0, other.is_cut = true;
    expect_refused(other, RECORDED_CUT);
    other = c, other.request = str_of("\"(2000000 bytes)\"");
    expect_refused(other, RECORDED_CUT);
    other = c, other.protocol = 9;
    expect_refused(other, RECORDED_CUT);
    other = c, other.headers = str_of("{\"a\":");
    expect_refused(other, RECORDED_CUT);
    other = captured("reads", ended, 1);
    expect_refused(other, RECORDED_ENDED);
}

/* Never more than refused: each prefix of a request that holds all kinds of values. */
static void a_request_cut_at_any_byte_is_no_request(void **state)
{
    (void)state;
    const struct captured_step steps[] = {DECIDED};
    struct captured c = captured("reads", steps, 1);
    size_t whole = c.request.len;
    for (c.request.len = 0; c.request.len < whole; c.request.len++) {
        assert_int_equal(decide(&c), RECORDED_READY);
        assert_true(trial->has_failed && trial->err.kind == ERR_BAD_REQUEST);
    }
}

#define CASE(f) cmocka_unit_test(f)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(two_asks_that_are_the_same_get_their_answers_in_turn),
        CASE(a_failure_is_given_again),
        CASE(an_ask_that_is_missing_or_damaged_is_told),
        CASE(one_who_offers_answers_what_is_missing),
        CASE(a_race_is_run_again),
        CASE(clocks_and_kv_are_given_and_what_is_missing_is_counted),
        CASE(what_a_mask_took_out_matters_only_where_it_is_read),
        CASE(what_is_no_whole_record_is_refused_by_its_reason),
        CASE(a_request_cut_at_any_byte_is_no_request),
    };
    return cmocka_run_group_tests(tests, open_project, close_project);
}
