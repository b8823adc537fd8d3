/* What people read of a decision: golden texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "trace/line.h"
#include "trace/reader.h"
#include "trace/record.h"
#include "trace/story.h"
#include "trace_folder.h"

static const struct text_style PLAIN = {false, 0};

static const char SOURCE[] = "local fast, smart = wye.model \"sim/fast\", wye.model \"sim/smart\"\n"
                             "\n"
                             "return function(req)\n"
                             "  local draft, err = fast:ask(req)\n"
                             "  wye.note(\"no draft\", { kind = err.kind })\n"
                             "  return { fast, smart }, \"hard\"\n"
                             "end\n";

static void attempt(struct trace *t, int n, const char *model, const char *purpose, const char *line)
{
    struct event *e = event_open(t, EVENT_ATTEMPT_START, 1);
    event_int(e, F_N, n);
    event_z(e, F_MODEL, model);
    event_z(e, F_PURPOSE, purpose);
    event_z(e, F_LINE, line);
    event_close(e);
}

static void attempt_failed(struct trace *t, int n, const char *next)
{
    struct event *e = event_open(t, EVENT_ATTEMPT, 1);
    event_int(e, F_N, n);
    event_int(e, F_STATUS, 429);
    event_z(e, F_ERROR, "rate_limit");
    event_z(e, F_COMPLETION, "failed");
    event_z(e, F_NEXT, next);
    event_int(e, F_US, 20100);
    event_num(e, F_USD, 0);
    event_close(e);
}

static void candidate(struct trace *t, const char *model, const char *state, const char *why)
{
    struct event *e = event_open(t, EVENT_CANDIDATE, 1);
    event_z(e, F_MODEL, model);
    event_z(e, F_STATE, state);
    event_z(e, F_WHY, why);
    event_close(e);
}

static void begin(struct trace *t)
{
    struct event *e = event_open(t, EVENT_BEGIN, 1);
    event_z(e, F_ID, "00000000012ab");
    event_z(e, F_ROUTE, "route");
    event_int(e, F_GENERATION, 3);
    event_z(e, F_HASH, "0123456789ab");
    event_z(e, F_REQUESTED, "auto");
    event_int(e, F_STREAM, 1);
    event_close(e);
}

static void served(struct trace *t)
{
    struct event *e = event_open(t, EVENT_ATTEMPT, 1);
    event_int(e, F_N, 3);
    event_int(e, F_STATUS, 200);
    event_z(e, F_COMPLETION, "succeeded");
    event_z(e, F_NEXT, "stop");
    event_int(e, F_DID_SERVE, 1);
    event_int(e, F_TTFT_US, 12000);
    event_int(e, F_US, 53000);
    event_int(e, F_INPUT, 12);
    event_int(e, F_OUTPUT, 30);
    event_num(e, F_USD, 0.00012);
    event_close(e);
}

static void write_failover(struct trace *t)
{
    begin(t);
    attempt(t, 1, "sim/fast", "ask", "routes/route.lua:4");
    attempt_failed(t, 1, "script");
    struct event *e = event_open(t, EVENT_NOTE, 1);
    event_z(e, F_TEXT, "no draft");
    event_z(e, F_DATA, "{\"kind\":\"rate_limit\"}");
    event_close(e);
    attempt(t, 2, "sim/fast", "serve", NULL);
    attempt_failed(t, 2, "next_model");
    attempt(t, 3, "sim/smart", "serve", NULL);
    served(t);
    candidate(t, "sim/fast", "tried", "rate_limit");
    candidate(t, "sim/smart", "served", NULL);
    e = event_open(t, EVENT_DECISION, 1);
    event_z(e, F_SERVED, "sim/smart");
    event_z(e, F_CAUSE, "failover");
    event_z(e, F_REASON, "hard\033[31m");
    event_z(e, F_LINE, "routes/route.lua:6");
    event_int(e, F_US, 93210);
    event_num(e, F_USD, 0.00012);
    event_int(e, F_SCRIPT_US, 37);
    event_int(e, F_STATUS, 200);
    event_close(e);
}

static struct decision *read_one(const char *dir)
{
    struct reader *r = reader_open(dir, NULL);
    reader_want_lost(r);
    struct decision *d = reader_next(r);
    if (d == NULL)
        d = reader_unfinished(r);
    assert_non_null(d);
    reader_close(r);
    return d;
}

/* The clock is not of the story's making. */
static void fix_times(struct decision *d)
{
    d->began_us = 1795390658123000;
    for (int i = 0; i < d->count; i++)
        for (int j = 0; j < d->records[i].count; j++)
            if (d->records[i].values[j].field == F_AT_US)
                d->records[i].values[j].i = 21000;
}

static void assert_text(const struct buf *text, const char *expected)
{
    if (strcmp(text->p, expected) != 0) {
        fputs(text->p, stderr); /* the message below is cut */
        assert_string_equal(text->p, expected);
    }
}

static void assert_story(const char *dir, const struct story_source *source, const char *expected)
{
    struct decision *d = read_one(dir);
    fix_times(d);
    struct buf out = BUF(STORY_MAX);
    assert_int_equal(story_tell(&out, d, source, source != NULL, &PLAIN), 0);
    assert_text(&out, expected);
    buf_clear(&out);
    decision_free(d);
}

static void test_failover(void **state)
{
    struct trace *t = folder_trace(*state, 0, 0);
    write_failover(t);
    trace_close(t);
    struct story_source source = {"routes/route.lua", str_of(SOURCE)};
    assert_story(*state, &source,
        "00000000012ab  2026-11-22T23:37:38.123Z\n"
        "asked for auto, served by sim/smart, status 200, streamed, in 93.2 ms, for $0.00012\n"
        "because failover: hard?[31m, at routes/route.lua:6\n"
        "route route, generation 3 0123456789ab, worker 0\n"
        "\n"
        "routes/route.lua\n"
        "     1 | local fast, smart = wye.model \"sim/fast\", wye.model \"sim/smart\"\n"
        "     2 |\n"
        "     3 | return function(req)\n"
        ">    4 |   local draft, err = fast:ask(req)\n"
        "      |   ^ attempt 1, ask sim/fast: rate_limit in 20.1 ms\n"
        "     5 |   wye.note(\"no draft\", { kind = err.kind })\n"
        ">    6 |   return { fast, smart }, \"hard\"\n"
        "      |   ^ returned: hard?[31m\n"
        "     7 | end\n"
        "\n"
        "Notes\n"
        "  21.0 ms     no draft {\"kind\":\"rate_limit\"}\n"
        "\n"
        "Candidates\n"
        "  sim/fast                  tried: rate_limit\n"
        "  sim/smart                 served\n"
        "\n"
        "Attempts (* served the client)\n"
        "  n  model                   purpose  result              next        first ms  ms        tokens            usd\n"
        "  1  sim/fast                ask      429 rate_limit      script      -         20.1      -                 0\n"
        "  2  sim/fast                serve    429 rate_limit      next_model  -         20.1      -                 0\n"
        "* 3  sim/smart               serve    200 succeeded       stop        12.0      53.0      12 in 30 out      0.00012\n"
        "\n"
        "Total: 3 attempts, 12 tokens in, 30 out, $0.00012, 93.2 ms (script 37 us)\n");
}

static void test_script_error_without_source(void **state)
{
    struct trace *t = folder_trace(*state, 0, 0);
    begin(t);
    struct event *e = event_open(t, EVENT_DECISION, 1);
    event_z(e, F_CAUSE, "script_error");
    event_z(e, F_ERROR, "routes/route.lua:4: attempt to index a nil value");
    event_int(e, F_US, 1500);
    event_int(e, F_STATUS, 500);
    event_close(e);
    trace_close(t);
    assert_story(*state, NULL,
        "00000000012ab  2026-11-22T23:37:38.123Z\n"
        "asked for auto, served by no model, status 500, streamed, in 1.5 ms\n"
        "because script_error\n"
        "route route, generation 3 0123456789ab, worker 0\n"
        "\n"
        "routes/route.lua:4: raised: attempt to index a nil value\n"
        "\n"
        "Total: no provider asked, 1.5 ms\n");
}

static void test_unfinished(void **state)
{
    struct trace *t = folder_trace(*state, 0, 0);
    begin(t);
    attempt(t, 1, "sim/fast", "serve", NULL);
    assert_story(*state, NULL,
        "00000000012ab  2026-11-22T23:37:38.123Z\n"
        "asked for auto, has not ended: in flight, or lost with its worker\n"
        "route route, generation 3 0123456789ab, worker 0\n"
        "\n"
        "Attempts (* served the client)\n"
        "  n  model                   purpose  result              next        first ms  ms        tokens            usd\n"
        "  1  sim/fast                serve    in flight           -           -         -         -                 -\n");
    trace_close(t);
}

static void test_long_files_are_cut(void **state)
{
    struct buf text = BUF(1 << 16), out = BUF(STORY_MAX);
    for (int i = 1; i <= 60; i++)
        buf_printf(&text, "-- %d\n", i);
    struct trace *t = folder_trace(*state, 0, 0);
    begin(t);
    struct event *e = event_open(t, EVENT_DECISION, 1);
    event_z(e, F_LINE, "routes/route.lua:30");
    event_close(e);
    trace_close(t);
    struct decision *d = read_one(*state);
    struct story_source source = {"routes/route.lua", buf_str(&text)};
    story_tell(&out, d, &source, 1, &PLAIN);
    assert_non_null(strstr(out.p, "   ...\n    26 | -- 26\n"));
    assert_non_null(strstr(out.p, ">   30 | -- 30\n      | ^ returned\n    31 | -- 31\n"));
    assert_non_null(strstr(out.p, "    34 | -- 34\n   ...\n"));
    assert_null(strstr(out.p, "-- 35"));
    buf_clear(&out);
    buf_clear(&text);
    decision_free(d);
}

static void test_line(void **state)
{
    struct trace *t = folder_trace(*state, 0, 0);
    write_failover(t);
    trace_close(t);
    struct decision *d = read_one(*state);
    fix_times(d);
    struct buf out = BUF(1 << 16);
    line_decision(&out, d, &PLAIN);
    assert_text(&out,
        "11-22 23:37:38.123 00000000012ab route      sim/smart             failover     3      93.2   0.00012 hard?[31m\n");
    buf_reset(&out);
    line_decision(&out, d, &(struct text_style){true, 50});
    assert_text(&out, "11-22 23:37:38.123 \033[36m00000000012ab\033[0m route      \033[32msim/s…\033[0m\n");
    buf_clear(&out);
    decision_free(d);
}

static void test_files(void **state)
{
    struct trace *t = folder_trace(*state, 0, 0);
    write_failover(t);
    trace_close(t);
    struct decision *d = read_one(*state);
    struct str files[4];
    assert_int_equal(story_files(d, files, 4), 1);
    assert_true(str_eq(files[0], "routes/route.lua"));
    decision_free(d);
}

/* A damaged file may hold any number. */
static void test_absurd_amount(void **state)
{
    struct trace *t = folder_trace(*state, 0, 0);
    begin(t);
    struct event *e = event_open(t, EVENT_DECISION, 1);
    event_num(e, F_USD, -1e300);
    event_close(e);
    trace_close(t);
    struct decision *d = read_one(*state);
    struct buf out = BUF(4096);
    assert_int_equal(line_decision(&out, d, &PLAIN), 0);
    assert_non_null(strstr(out.p, "-1e+300"));
    buf_clear(&out);
    decision_free(d);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_failover),
        IN_FOLDER(test_script_error_without_source),
        IN_FOLDER(test_unfinished),
        IN_FOLDER(test_long_files_are_cut),
        IN_FOLDER(test_line),
        IN_FOLDER(test_files),
        IN_FOLDER(test_absurd_amount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
