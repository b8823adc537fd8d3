/* Every field, written and read back as JSON; what was never written has its key all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/uio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "trace/export.h"
#include "trace/reader.h"
#include "trace/record.h"
#include "trace_folder.h"

/* Cuts the attempt's time, where it has one. */
static void cut_at_ms(struct buf *out)
{
    static const char member[] = ",\"at_ms\":";
    char *at = strstr(out->p, member), *end = at ? at + strlen(member) : NULL;
    if (at == NULL || *end == 'n')
        return;
    end += strspn(end, "0123456789.");
    memmove(at, end, strlen(end) + 1);
    out->len = strlen(out->p);
}

/* The JSON without the members that the clock decides. */
static char *json_of(const char *dir)
{
    struct err err;
    struct reader *r = reader_open(dir, &err);
    assert_non_null(r);
    struct decision *d = reader_next(r);
    assert_non_null(d);
    static const struct json_edit edits[] = {{"ts", {NULL, 0}}};
    struct buf json = BUF(1 << 24);
    assert_int_equal(export_decision(&json, d), 0);
    if (json_validate(buf_str(&json), &err) < 0)
        fail_msg("%s: %s", err.message, json.p);
    struct iovec pieces[16];
    struct arena arena = ARENA(1 << 16);
    int count = json_splice(buf_str(&json), edits, 1, &arena, pieces, 16);
    assert_true(count > 0);
    struct buf out = BUF(1 << 24);
    for (int i = 0; i < count; i++)
        buf_append(&out, pieces[i].iov_base, pieces[i].iov_len);
    cut_at_ms(&out);
    assert_true(str_starts(buf_str(&json), "{\"id\":"));
    buf_clear(&json);
    arena_clear(&arena);
    decision_free(d);
    reader_close(r);
    return out.p;
}

static void assert_json(const char *dir, const char *expected)
{
    char *json = json_of(dir);
    assert_string_equal(json, expected);
    free(json);
}

static void write_decision_fields(struct trace *t)
{
    struct event *e = event_open(t, EVENT_BEGIN, 9);
    event_z(e, F_ID, "0abc");
    event_z(e, F_TRACE, "00f0");
    event_z(e, F_ROUTE, "route");
    event_int(e, F_GENERATION, 3);
    event_z(e, F_HASH, "0123456789ab");
    event_z(e, F_REQUESTED, "auto");
    event_int(e, F_STREAM, 1);
    event_z(e, F_KEY, "team-a");
    event_num(e, F_LIMIT_USD, 0.5);
    event_close(e);
    e = event_open(t, EVENT_CANDIDATE, 9);
    event_z(e, F_MODEL, "sim/fast");
    event_z(e, F_STATE, "passed_over");
    event_z(e, F_WHY, "down");
    event_num(e, F_P, 0.25);
    event_close(e);
    e = event_open(t, EVENT_ARM, 9);
    event_z(e, F_EXPERIMENT, "trial");
    event_z(e, F_ARM, "v2");
    event_num(e, F_P, 0.1);
    event_z(e, F_UNIT, "u1");
    event_z(e, F_SOURCE, "ff");
    event_close(e);
}

static void write_attempt_fields(struct trace *t)
{
    struct event *e = event_open(t, EVENT_ATTEMPT_START, 9);
    event_int(e, F_N, 1);
    event_z(e, F_MODEL, "sim/smart");
    event_z(e, F_PURPOSE, "serve");
    event_z(e, F_LINE, "routes/route.lua:4");
    event_close(e);
    e = event_open(t, EVENT_ATTEMPT, 9);
    event_int(e, F_N, 1);
    event_int(e, F_STATUS, 200);
    event_z(e, F_ERROR, "cut");
    event_z(e, F_WHY, "ended inside a reply");
    event_z(e, F_COMPLETION, "failed");
    event_z(e, F_NEXT, "stop");
    event_int(e, F_DID_SERVE, 1);
    event_int(e, F_TTFT_US, 1200);
    event_int(e, F_US, 34567);
    event_num(e, F_USD, 0.00012);
    event_int(e, F_INPUT, 1);
    event_int(e, F_OUTPUT, 2);
    event_int(e, F_CACHE_READ, 3);
    event_int(e, F_CACHE_WRITE, 4);
    event_int(e, F_REASONING, 5);
    event_close(e);
}

static void write_end_fields(struct trace *t)
{
    struct event *e = event_open(t, EVENT_CAPTURE, 9);
    event_z(e, F_REQUEST, "{\"model\": \"auto\", \"n\": 12345678901234567890}");
    event_z(e, F_REPLY, "data: [DONE]\n");
    event_z(e, F_MASKED, "/messages/*/content");
    event_z(e, F_MASKED, "/user");
    event_int(e, F_CAPTURED, 1);
    event_close(e);
    e = event_open(t, EVENT_DECISION, 9);
    event_z(e, F_SERVED, "sim/smart");
    event_z(e, F_CAUSE, "script");
    event_z(e, F_REASON, "a \"reason\"\n");
    event_z(e, F_LINE, "routes/route.lua:7");
    event_num(e, F_USD, 0.00012);
    event_int(e, F_US, 40000);
    event_int(e, F_SCRIPT_US, 37);
    event_int(e, F_STATUS, 200);
    event_z(e, F_CONVERSATION, "c1");
    event_z(e, F_ERROR, "routes/route.lua:3: oh");
    event_num(e, F_LIMIT_SECONDS, 12);
    event_z(e, F_LIMIT_HIT, "usd");
    event_close(e);
}

static void test_every_field(void **state)
{
    struct trace *t = folder_trace(*state, 0, 0);
    write_decision_fields(t);
    write_attempt_fields(t);
    write_end_fields(t);
    trace_close(t);
    assert_json(
        *state,
        "{\"id\":\"0abc\",\"trace\":\"00f0\",\"route\":\"route\",\"generation\":3,\"hash\":\"0123456789ab\","
        "\"requested\":\"auto\",\"served\":\"sim/smart\",\"cause\":\"script\",\"reason\":\"a \\\"reason\\\"\\n\","
        "\"line\":\"routes/route.lua:7\",\"usd\":0.00012,\"ms\":40,\"script_us\":37,\"captured\":true,"
        "\"masked\":[\"/messages/*/content\",\"/user\"],\"status\":200,\"stream\":true,\"key\":\"team-a\","
        "\"conversation\":\"c1\",\"error\":\"routes/route.lua:3: oh\",\"why\":null,\"api\":null,\"parent\":null,\"rule_line\":null,\"state\":\"finished\",\"worker\":0,"
        "\"candidates\":[{\"model\":\"sim/fast\",\"state\":\"passed_over\",\"why\":\"down\",\"p\":0.25}],"
        "\"attempts\":[{\"n\":1,\"model\":\"sim/smart\",\"purpose\":\"serve\",\"status\":200,\"error\":\"cut\","
        "\"why\":\"ended inside a reply\",\"completion\":\"failed\",\"next\":\"stop\",\"served\":true,"
        "\"ttft_ms\":1.2,\"ms\":34.567,\"usd\":0.00012,\"key\":null,\"line\":\"routes/route.lua:4\","
        "\"usage\":{\"input\":1,\"output\":2,\"cache_read\":3,\"cache_write\":4,\"reasoning\":5}}],"
        "\"arms\":[{\"experiment\":\"trial\",\"arm\":\"v2\",\"p\":0.1,\"unit\":\"u1\",\"source\":\"ff\"}],"
        "\"notes\":[],\"limit\":{\"usd\":0.5,\"seconds\":12,\"hit\":\"usd\"},"
        "\"capture\":{\"request\":{\"model\": \"auto\", \"n\": 12345678901234567890},\"headers\":null,"
        "\"reply\":\"data: [DONE]\\n\"},\"shadows\":[],\"feedback\":[]}");
}

static void test_nothing_written(void **state)
{
    struct trace *t = folder_trace(*state, 0, 0);
    event_close(event_open(t, EVENT_BEGIN, 1));
    event_close(event_open(t, EVENT_ATTEMPT, 1));
    struct event *e = event_open(t, EVENT_DECISION, 1);
    event_int(e, F_US, 0);
    event_close(e);
    trace_close(t);
    assert_json(
        *state,
        "{\"id\":null,\"trace\":null,\"route\":null,\"generation\":null,\"hash\":null,\"requested\":null,"
        "\"served\":null,\"cause\":null,\"reason\":null,\"line\":null,\"usd\":null,\"ms\":0,\"script_us\":null,"
        "\"captured\":false,\"masked\":[],\"status\":null,\"stream\":null,\"key\":null,\"conversation\":null,\"error\":null,\"why\":null,"
        "\"api\":null,\"parent\":null,\"rule_line\":null,\"state\":\"finished\",\"worker\":0,\"candidates\":[],"
        "\"attempts\":[{\"n\":1,\"model\":null,\"purpose\":null,\"status\":null,\"error\":null,\"why\":null,"
        "\"completion\":null,\"next\":null,\"served\":null,\"ttft_ms\":null,\"ms\":null,\"usd\":null,"
        "\"key\":null,\"line\":null,\"at_ms\":null,\"usage\":{}}],\"arms\":[],\"notes\":[],\"limit\":{},\"capture\":null,\"shadows\":[],\"feedback\":[]}");
}

static struct decision *only_decision(const char *dir)
{
    struct reader *r = reader_open(dir, NULL);
    struct decision *d = reader_next(r);
    assert_non_null(d);
    reader_close(r);
    return d;
}

static void test_notes(void **state)
{
    struct trace *t = folder_trace(*state, 0, 0);
    folder_begin(t, 1, "x");
    struct event *e = event_open(t, EVENT_NOTE, 1);
    event_z(e, F_TEXT, "rejected");
    event_z(e, F_DATA, "{\"p\":0.5}");
    event_z(e, F_LINE, "routes/a.lua:2");
    event_close(e);
    event_close(event_open(t, EVENT_DECISION, 1));
    trace_close(t);
    struct decision *d = only_decision(*state);
    struct buf json = BUF(1 << 16);
    export_decision(&json, d);
    assert_int_equal(json_validate(buf_str(&json), NULL), 0);
    double at;
    assert_true(json_number(json_pointer(buf_str(&json), "/notes/0/at_ms"), &at));
    assert_true(at >= 0 && at < 60000);
    assert_true(str_eq(json_pointer(buf_str(&json), "/notes/0/data"), "{\"p\":0.5}"));
    assert_true(str_eq(json_pointer(buf_str(&json), "/notes/0/line"), "\"routes/a.lua:2\""));
    buf_clear(&json);
    decision_free(d);
}

static void test_names_are_unique(void **state)
{
    (void)state;
    for (int i = 0; i < field_show_count; i++)
        for (int j = 0; j < i; j++)
            if (field_shows[i].group == field_shows[j].group && strcmp(field_shows[i].name, field_shows[j].name) == 0)
                fail_msg("%s is there twice", field_shows[i].name);
}

static void test_the_reference_is_up_to_date(void **state)
{
    (void)state;
    struct buf page = BUF(1 << 20), table = BUF(1 << 20);
    FILE *f = fopen("runtime/trace/README.md", "r");
    if (f == NULL)
        skip(); /* not run from the project's folder */
    size_t got;
    while ((got = fread(buf_room(&page, 4096), 1, 4096, f)) > 0)
        buf_grow(&page, got);
    fclose(f);
    fields_print(&table);
    if (!strstr(page.p, table.p))
        fail_msg("runtime/trace/README.md does not hold what `wye trace --fields` prints");
    buf_clear(&page);
    buf_clear(&table);
}

static void test_cut_values(void **state)
{
    size_t len = (size_t)EVENT_MAX_JSON + 3;
    char *large = xcalloc(1, len + 1);
    memset(large, 'x', len);
    struct trace *t = folder_trace(*state, 0, 0);
    folder_begin(t, 1, "x");
    struct event *e = event_open(t, EVENT_CAPTURE, 1);
    event_z(e, F_REQUEST, large);
    event_close(e);
    e = event_open(t, EVENT_DECISION, 1);
    event_z(e, F_REASON, large);
    event_close(e);
    trace_close(t);
    free(large);
    struct decision *d = only_decision(*state);
    struct str reason = record_text(&d->records[0], F_REASON);
    assert_int_equal(reason.len, EVENT_MAX_STRING + strlen("… (cut)"));
    assert_memory_equal(reason.p + reason.len - 5, "(cut)", 5);
    assert_true(str_eq(record_text(&d->records[0], F_REQUEST), "\"1048579 bytes, not kept\""));
    decision_free(d);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_every_field),
        IN_FOLDER(test_nothing_written),
        IN_FOLDER(test_notes),
        IN_FOLDER(test_cut_values),
        cmocka_unit_test(test_names_are_unique),
        cmocka_unit_test(test_the_reference_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
