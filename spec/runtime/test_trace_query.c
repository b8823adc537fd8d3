/* The query language of `trace -q`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "trace/query.h"
#include "trace/reader.h"
#include "trace/record.h"
#include "trace_folder.h"

static struct decision *decision; /* what the queries look at */

static void put_attempt(struct trace *t, int n, const char *model, const char *error, int us)
{
    struct event *e = event_open(t, EVENT_ATTEMPT, 1);
    event_int(e, F_N, n);
    event_z(e, F_MODEL, model);
    event_z(e, F_ERROR, error);
    event_int(e, F_US, us);
    event_int(e, F_DID_SERVE, error == NULL);
    event_int(e, F_INPUT, 40 * n);
    event_close(e);
}

static int make_decision(void **state)
{
    folder_make(state);
    struct trace *t = folder_trace(*state, 0, 0);
    struct event *e = event_open(t, EVENT_BEGIN, 1);
    event_z(e, F_ID, "0abc");
    event_z(e, F_ROUTE, "support");
    event_int(e, F_STREAM, 1);
    event_close(e);
    put_attempt(t, 1, "sim/fast", "rate_limit", 1500);
    put_attempt(t, 2, "sim/smart", NULL, 250000);
    e = event_open(t, EVENT_DECISION, 1);
    event_z(e, F_CAUSE, "failover");
    event_z(e, F_REASON, "it's late, and \"long\"");
    event_num(e, F_USD, 0.02);
    event_int(e, F_STATUS, 200);
    event_z(e, F_MASKED, "/a");
    event_z(e, F_MASKED, "/b/*");
    event_close(e);
    trace_close(t);
    struct reader *r = reader_open(*state, NULL);
    decision = reader_next(r);
    reader_close(r);
    return decision ? 0 : -1;
}

static int free_decision(void **state)
{
    decision_free(decision);
    return folder_remove(state);
}

static const struct {
    const char *text;
    bool matches;
} VECTORS[] = {
    {"cause == failover and attempt.error == rate_limit and usd > 0.01", true},
    {"cause==failover", true},
    {"cause == 'failover'", true},
    {"cause != failover", false},
    {"cause == fail", false},
    {"cause ~ ^fail", true},
    {"cause ~ \"^over\"", false},
    {"reason == \"it's late, and \\\"long\\\"\"", true},
    {"reason ~ late", true},
    {"usd > 0.02", false},
    {"usd >= 0.02", true},
    {"usd < 2e-2", false},
    {"usd <= 0.02", true},
    {"usd > -1", true},
    {"attempt.ms == 1.5", true},
    {"attempt.ms > 200", true},
    {"attempt.ms > 300", false},
    {"attempt.error == null", true}, /* the second */
    {"attempt.error != null", true}, /* the first */
    {"attempt.served == true", true},
    {"attempt.served == false", true},
    {"attempt.usage.input == 80", true},
    {"attempt.usage.output == null", true},
    {"attempt.model == sim/smart", true},
    {"attempt.model ~ ^sim/", true},
    {"candidate.model == null", false}, /* there is none */
    {"not candidate.model == x", true},
    {"error == null", true},
    {"error != x", true},
    {"error == x", false},
    {"error ~ x", false},
    {"stream == true", true},
    {"stream != true", false},
    {"status == 200", true},
    {"masked == /a", true},
    {"masked ~ b", true},
    {"masked == /c", false},
    {"route == x or route == support", true},
    {"route == x or route == y or status == 200 and usd > 1", false},
    {"(route == x or route == support) and status == 200", true},
    {"not (route == x or route == support)", false},
    {"not not route == support", true},
    {"not route == x and status == 200", true},
    {"route > r", true},
    {"route < a", false},
    {"ts > 2020-01-01T00:00:00Z", true},
    {"ts < 2020", false},
    {"worker == 0", true},
    {"state == finished", true},
    {"id ~ 0a.c", true},
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
        struct err err;
        struct query *q = query_compile(str_of(VECTORS[i].text), &err);
        if (q == NULL)
            fail_msg("%s", err.message);
        if (query_match(q, decision, NULL) != VECTORS[i].matches)
            fail_msg("%s: expected %d", VECTORS[i].text, VECTORS[i].matches);
        query_free(q);
    }
}

static const struct {
    const char *text, *message;
} REFUSED[] = {
    {"", "a comparison is missing here\n  \n  ^"},
    {"cause = x", "one = is no comparison: write ==\n  cause = x\n        ^"},
    {"atempt.error == x", "no field atempt.error (did you mean attempt.error?)\n  atempt.error == x\n  ^"},
    {"ttft_ms > 1", "no field ttft_ms"},
    {"zzzzzzzzzz == 1", "no field zzzzzzzzzz: `wye trace --fields` lists them\n  zzzzzzzzzz == 1\n  ^"},
    {"usd > much", "usd is a number\n  usd > much\n        ^"},
    {"usd ~ 1", "usd is not a string: ~ takes strings only\n  usd ~ 1\n        ^"},
    {"stream == yes", "stream is true or false\n  stream == yes\n            ^"},
    {"cause > null", "null can only be compared by == and !=\n  cause > null\n          ^"},
    {"cause == ", "a value belongs here\n  cause == \n           ^"},
    {"cause", "an operator belongs here: == != < <= > >= ~\n  cause\n       ^"},
    {"cause == x status == 2", "and, or, or the end belongs here\n  cause == x status == 2\n             ^"},
    {"(cause == x", "this parenthesis is not closed\n  (cause == x\n  ^"},
    {"cause == x)", "and, or, or the end belongs here\n  cause == x)\n            ^"},
    {"cause == 'x", "this quote is not closed\n  cause == 'x\n           ^"},
    {"cause ~ '('", "bad pattern: missing closing parenthesis\n  cause ~ '('\n          ^"},
    {"cause == x and", "a comparison is missing here\n  cause == x and\n                ^"},
    {"! cause == x", "! alone is no operator: write != or not\n  ! cause == x\n  ^"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        struct err err;
        struct query *q = query_compile(str_of(REFUSED[i].text), &err);
        if (q)
            fail_msg("accepted: %s", REFUSED[i].text);
        if (strncmp(err.message, REFUSED[i].message, strlen(REFUSED[i].message)) != 0)
            fail_msg("%s", err.message);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct buf text = BUF(1 << 20);
    struct err err;
    for (int i = 0; i < 100; i++)
        buf_putc(&text, '(');
    assert_null(query_compile(buf_str(&text), &err));
    assert_non_null(strstr(err.message, "nested too deeply"));
    buf_reset(&text);
    for (int i = 0; i < 400; i++)
        buf_puts(&text, "usd>1 and ");
    buf_puts(&text, "usd>1");
    assert_null(query_compile(buf_str(&text), &err));
    assert_non_null(strstr(err.message, "at most 512"));
    while (text.len < 9000)
        buf_putc(&text, ' ');
    assert_null(query_compile(buf_str(&text), &err));
    assert_non_null(strstr(err.message, "8192 bytes"));
    buf_clear(&text);
}

static void test_one_attempt(void **state)
{
    (void)state;
    struct query *q = query_compile(str_of("attempt.error == rate_limit and cause == failover"), NULL);
    assert_non_null(q);
    int i = 0;
    assert_true(query_match(q, decision, decision_next(decision, GROUP_ATTEMPT, &i)));
    assert_false(query_match(q, decision, decision_next(decision, GROUP_ATTEMPT, &i)));
    query_free(q);
}

static void test_patterns_are_bounded(void **state)
{
    (void)state;
    struct query *q = query_compile(str_of("reason ~ '(.*)*(.*)*(.*)*zz'"), NULL);
    assert_non_null(q);
    assert_false(query_match(q, decision, NULL));
    query_free(q);
}

static void test_names(void **state)
{
    (void)state;
    struct query *q = query_compile(str_of("usd > 1 or not state == unfinished"), NULL);
    assert_true(query_names(q, GROUP_DECISION, F_STATE));
    assert_false(query_names(q, GROUP_CANDIDATE, F_STATE));
    query_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),      cmocka_unit_test(test_one_attempt),
        cmocka_unit_test(test_patterns_are_bounded), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, make_decision, free_decision);
}
