#include "admin/rows.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "base/near.h"
#include "bind/analysis.h"
#include "policy/experiments.h"
#include "trace/export.h"
#include "trace/query.h"
#include "trace/reader.h"

enum { ROW_MOST = 1 << 20 };

struct counting {
    struct analysis *a;
    const char *name;
    struct query *query; /* NULL: none */
    struct err *err;
    int failed, rows;
    char others[EXPERIMENTS_MOST][EXPERIMENT_NAME]; /* that the trace knows as well */
    int other_count;
};

static bool has_field(const struct event_head *e, enum field f)
{
    struct field_view v;
    for (uint32_t at = 0; event_walk(e, &at, &v);)
        if (v.field == f)
            return true;
    return false;
}

static void note_other(struct counting *c, struct str name)
{
    for (int i = 0; i < c->other_count; i++)
        if (str_eq(name, c->others[i]))
            return;
    if (c->other_count < EXPERIMENTS_MOST && name.len < EXPERIMENT_NAME)
        snprintf(c->others[c->other_count++], EXPERIMENT_NAME, STR_FMT, STR_ARG(name));
}

/* Nothing is known of the experiment: perhaps another one was meant. */
static int hint(struct counting *c)
{
    const char *names[EXPERIMENTS_MOST];
    for (int i = 0; i < c->other_count; i++)
        names[i] = c->others[i];
    const char *near = near_name(c->name, names, c->other_count);
    return near ? analysis_call(c->a, "meant", str_of(near), NULL, c->err) : 0;
}

static bool each_event(void *ctx, const struct segment_head *head, const struct event_head *e)
{
    struct counting *c = ctx;
    (void)head;
    bool is_score = e->type == EVENT_SCORE;
    struct str name = e->type == EVENT_ARM ? event_text(e, F_EXPERIMENT) : str_n(NULL, 0);
    bool is_own = name.p && str_eq(name, c->name), is_design = is_own && has_field(e, F_DESIGN);
    if (name.p && !is_own)
        note_other(c, name);
    if (!is_score && !is_design)
        return true;
    struct buf json = BUF(ROW_MOST);
    if (is_score)
        export_fields(&json, e);
    c->failed = is_score ? analysis_call(c->a, "score", buf_str(&json), NULL, c->err)
                         : analysis_call(c->a, "designed", event_text(e, F_DESIGN), NULL, c->err);
    buf_clear(&json);
    return c->failed == 0;
}

static const struct record *arm_of(const struct decision *d, const char *name)
{
    const struct record *r;
    for (int i = 0; (r = decision_next(d, GROUP_ARM, &i));)
        if (str_eq(record_text(r, F_EXPERIMENT), name))
            return r;
    return NULL;
}

static void put_text(struct buf *out, const char *name, struct str text)
{
    buf_printf(out, ",\"%s\":", name);
    json_quote(out, text);
}

static void put_number(struct buf *out, const char *name, const struct record *r, enum field f)
{
    double n;
    if (record_number(r, f, &n))
        buf_printf(out, ",\"%s\":%.17g", name, n);
}

/*
 * Tokens of all attempts; the first token of the one that served; what a provider refused. A script that raised is an error of the arm, whoever
 * served after it.
 */
static void put_outcome(struct buf *out, const struct decision *d, const struct record *own, int status)
{
    bool has_raised = str_eq(record_text(own, F_CAUSE), "script_error");
    static const enum field TOKENS[] = {F_INPUT, F_OUTPUT, F_CACHE_READ, F_CACHE_WRITE, F_REASONING};
    const struct record *r;
    double tokens = 0, n;
    bool is_valid = false, is_refused = false, has_served = false;
    for (int i = 0; (r = decision_next(d, GROUP_ATTEMPT, &i));) {
        if (record_is_shadowed(r))
            continue;
        for (size_t k = 0; k < sizeof TOKENS / sizeof *TOKENS; k++)
            tokens += record_number(r, TOKENS[k], &n) ? n : 0;
        is_refused = str_eq(record_text(r, F_ERROR), "content_filter");
        if (!record_number(r, F_DID_SERVE, &n) || n == 0)
            continue;
        has_served = true;
        is_valid = status == 200 && str_eq(record_text(r, F_COMPLETION), "succeeded");
        put_number(out, "ttft", r, F_TTFT_US);
    }
    is_refused = is_refused || (!has_served && status >= 400 && status < 499);
    buf_printf(out, ",\"tokens\":%.17g,\"valid\":%d,\"refused\":%d,\"error\":%d", tokens, is_valid && !has_raised, is_refused,
               has_raised || (status >= 400 && status != 499 && !is_refused));
    if (has_raised)
        put_text(out, "raised", record_text(own, F_ERROR));
}

static void put_row(struct buf *out, const struct counting *c, const struct decision *d, const struct record *arm)
{
    const struct record *own = &d->records[0];
    double status = 0;
    record_number(own, F_STATUS, &status);
    buf_printf(out, "{\"ts\":%" PRIu64, d->began_us);
    put_text(out, "id", record_text(own, F_ID));
    put_text(out, "hash", record_text(own, F_HASH));
    if (record_text(arm, F_SALT).p)
        put_text(out, "salt", record_text(arm, F_SALT));
    put_text(out, "arm", record_text(arm, F_ARM));
    put_text(out, "unit", record_text(arm, F_UNIT));
    put_text(out, "source", record_text(arm, F_SOURCE));
    put_text(out, "weights", record_text(arm, F_WEIGHTS));
    put_number(out, "p", arm, F_P);
    put_number(out, "usd", own, F_USD);
    put_number(out, "ms", own, F_US);
    put_outcome(out, d, own, (int)status);
    if (c->query)
        buf_printf(out, ",\"matches\":%s", query_match(c->query, d, NULL) ? "true" : "false");
    buf_putc(out, '}');
}

int rows_feed(struct analysis *a, const char *dir, const char *experiment, struct query *query, struct err *err)
{
    struct counting counting = {.a = a, .name = experiment, .query = query, .err = err}, *c = &counting;
    struct buf row = BUF(ROW_MOST);
    struct reader *r = reader_open(dir, c->err);
    if (r == NULL)
        return -1;
    reader_events(r, each_event, c);
    reader_close(r);
    r = c->failed ? NULL : reader_open(dir, c->err);
    if (r && query && query_wants_late(query))
        reader_join(r);
    for (struct decision *d; r && c->failed == 0 && (d = reader_next(r)); decision_free(d)) {
        const struct record *arm = arm_of(d, c->name);
        if (arm == NULL)
            continue;
        c->rows++;
        buf_reset(&row);
        put_row(&row, c, d, arm);
        c->failed = analysis_call(c->a, "decision", buf_str(&row), NULL, c->err);
    }
    if (r) {
        reader_warn(r);
        reader_close(r);
    }
    buf_clear(&row);
    if (r && c->failed == 0 && c->rows == 0)
        c->failed = hint(c);
    return r && c->failed == 0 ? 0 : -1;
}

static int feed_shadow(struct counting *c, const struct decision *d, const struct record *shadow, struct buf *row)
{
    const struct record *own = &d->records[0];
    buf_reset(row);
    buf_printf(row, "{\"ts\":%" PRIu64, d->began_us);
    put_number(row, "usd", own, F_USD);
    put_number(row, "ms", own, F_US);
    buf_puts(row, ",\"shadow\":");
    export_record(row, shadow);
    buf_putc(row, '}');
    return analysis_call(c->a, "shadow", buf_str(row), NULL, c->err);
}

int rows_feed_shadows(struct analysis *a, const char *dir, const char *experiment, struct query *query, struct err *err)
{
    struct counting c = {.a = a, .name = experiment, .query = query, .err = err};
    struct buf row = BUF(ROW_MOST);
    struct reader *r = reader_open(dir, err);
    if (r == NULL)
        return -1;
    reader_join(r);
    for (struct decision *d; c.failed == 0 && (d = reader_next(r)); decision_free(d)) {
        const struct record *shadow;
        bool is_wanted = (experiment == NULL || arm_of(d, experiment)) && (query == NULL || query_match(query, d, NULL));
        for (int i = 0; is_wanted && c.failed == 0 && (shadow = decision_next(d, GROUP_SHADOW, &i));)
            c.failed = feed_shadow(&c, d, shadow, &row);
    }
    if (experiment == NULL)
        reader_warn(r); /* else rows_feed has */
    reader_close(r);
    buf_clear(&row);
    return c.failed;
}
