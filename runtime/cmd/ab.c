/* ab: experiments: what a server has, what its trace says of them, and changes of weights. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "bind/analysis.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/place.h"
#include "cmd/table.h"
#include "cmd/terminal.h"
#include "trace/export.h"
#include "trace/query.h"
#include "trace/reader.h"

enum { ROW_MOST = 1 << 20, PAGE_MOST = 64 << 20, LIST_MOST = 1 << 20, PATH_MOST = 512 };

static int fail(const struct err *err)
{
    log_error("%s", err->message);
    return err->kind == ERR_CONNECT ? EXIT_NO_SERVER : EXIT_REFUSED;
}

/* ---- list ---- */

static void add_line(struct table *t, struct str x)
{
    struct arena *arena = &t->arena;
    struct str name = json_plain(json_get(x, "name")), origin = json_plain(json_get(x, "origin"));
    for (struct json_walk w = json_walk(json_get(x, "arms")); json_next(&w);) {
        double weight = 0;
        json_number(json_get(w.value, "weight"), &weight);
        table_row(t, 5, (struct str[]){name, json_plain(json_get(w.value, "name")), str_of(arena_printf(arena, "%.4g %%", weight)),
                                       json_get(w.value, "exposures"), origin});
        name = origin = str_of("");
    }
}

static void print_list(struct str reply)
{
    struct table t = TABLE(LIST_MOST);
    struct json_walk w = json_walk(json_get(reply, "experiments"));
    table_row(&t, 5, (struct str[]){str_of("experiment"), str_of("arm"), str_of("weight"), str_of("exposures"), str_of("weights by")});
    int count = 0;
    for (; json_next(&w); count++)
        add_line(&t, w.value);
    if (count == 0)
        printf("no experiment: a route makes one with wye.experiment\n");
    else
        table_print(&t, stdout);
}

/* ---- rows of a trace ---- */

struct counting {
    struct analysis *a;
    const char *name;
    struct query *query; /* NULL: none */
    struct err *err;
    int failed;
};

static bool has_field(const struct event_head *e, enum field f)
{
    struct field_view v;
    for (uint32_t at = 0; event_walk(e, &at, &v);)
        if (v.field == f)
            return true;
    return false;
}

static struct str text_in(const struct event_head *e, enum field f)
{
    struct field_view v;
    for (uint32_t at = 0; event_walk(e, &at, &v);)
        if (v.field == f && v.kind == KIND_STR)
            return v.text;
    return str_n(NULL, 0);
}

static bool each_event(void *ctx, const struct segment_head *head, const struct event_head *e)
{
    struct counting *c = ctx;
    (void)head;
    bool is_score = e->type == EVENT_SCORE;
    bool is_design = e->type == EVENT_ARM && str_eq(text_in(e, F_EXPERIMENT), c->name) && has_field(e, F_DESIGN);
    if (!is_score && !is_design)
        return true;
    struct buf json = BUF(ROW_MOST);
    if (is_score)
        export_fields(&json, e);
    c->failed = is_score ? analysis_call(c->a, "score", buf_str(&json), NULL, c->err)
                         : analysis_call(c->a, "designed", text_in(e, F_DESIGN), NULL, c->err);
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

/* Tokens of all attempts; the first token of the one that served; what a provider refused. */
static void put_attempts(struct buf *out, const struct decision *d, int status)
{
    static const enum field TOKENS[] = {F_INPUT, F_OUTPUT, F_CACHE_READ, F_CACHE_WRITE, F_REASONING};
    const struct record *r;
    double tokens = 0, n;
    bool is_valid = false, is_refused = false, has_served = false;
    for (int i = 0; (r = decision_next(d, GROUP_ATTEMPT, &i));) {
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
    buf_printf(out, ",\"tokens\":%.17g,\"valid\":%d,\"refused\":%d,\"error\":%d", tokens, is_valid, is_refused,
               status >= 400 && status != 499 && !is_refused);
}

static void put_row(struct buf *out, const struct counting *c, const struct decision *d, const struct record *arm)
{
    const struct record *own = &d->records[0];
    double status = 0;
    record_number(own, F_STATUS, &status);
    buf_printf(out, "{\"ts\":%" PRIu64, d->began_us);
    put_text(out, "id", record_text(own, F_ID));
    put_text(out, "hash", record_text(own, F_HASH));
    put_text(out, "arm", record_text(arm, F_ARM));
    put_text(out, "unit", record_text(arm, F_UNIT));
    put_text(out, "source", record_text(arm, F_SOURCE));
    put_text(out, "weights", record_text(arm, F_WEIGHTS));
    put_number(out, "p", arm, F_P);
    put_number(out, "usd", own, F_USD);
    put_number(out, "ms", own, F_US);
    put_attempts(out, d, (int)status);
    if (c->query)
        buf_printf(out, ",\"matches\":%s", query_match(c->query, d, NULL) ? "true" : "false");
    buf_putc(out, '}');
}

static int feed(struct counting *c, const char *dir)
{
    struct buf row = BUF(ROW_MOST);
    struct reader *r = reader_open(dir, c->err);
    if (r == NULL)
        return -1;
    reader_events(r, each_event, c);
    reader_close(r);
    r = c->failed ? NULL : reader_open(dir, c->err);
    for (struct decision *d; r && c->failed == 0 && (d = reader_next(r)); decision_free(d)) {
        const struct record *arm = arm_of(d, c->name);
        if (arm == NULL)
            continue;
        buf_reset(&row);
        put_row(&row, c, d, arm);
        c->failed = analysis_call(c->a, "decision", buf_str(&row), NULL, c->err);
    }
    if (r) {
        struct reader_report report = reader_report(r);
        if (report.torn || report.missed || report.unreadable || report.dropped)
            log_warn("of this trace %" PRIu64 " segments are torn, %" PRIu64 " events gone, %" PRIu64 " dropped, %" PRIu64 " files unreadable%s%s", report.torn,
                     report.missed, report.dropped, report.unreadable, report.unreadable ? ": " : "", report.unreadable_why);
        reader_close(r);
    }
    buf_clear(&row);
    return r && c->failed == 0 ? 0 : -1;
}

/* ---- report, what-if ---- */

/* "v2=100", "v1=50,v2=50" in percent as {"v1":0.5,"v2":0.5}; an arm alone is all of it. */
static int put_weights(struct buf *out, const char *text, struct err *err)
{
    double sum = 0;
    char arm[64], *end;
    buf_puts(out, ",\"weights\":{");
    for (int count = 0; *text; count++) {
        size_t len = strcspn(text, "=,");
        double weight = 100;
        snprintf(arm, sizeof arm, "%.*s", (int)len, text);
        text += len;
        if (*text == '=') {
            weight = strtod(text + 1, &end);
            text = end;
        }
        if (len == 0 || weight < 0 || (*text && *text != ','))
            return err_set(err, ERR_BAD_REQUEST, "say the weights of what-if as v1=50,v2=50 in percent, or one arm");
        text += *text == ',';
        sum += weight;
        buf_puts(out, count ? "," : "");
        json_quote(out, str_of(arm));
        buf_printf(out, ":%.17g", weight / 100);
    }
    buf_putc(out, '}');
    return sum > 99.999 && sum < 100.001 ? 0 : err_set(err, ERR_BAD_REQUEST, "the weights add up to %.6g; they must add up to 100", sum);
}

static int put_options(struct buf *out, const struct options *o, bool is_what_if, struct err *err)
{
    buf_puts(out, "{\"name\":");
    json_quote(out, str_of(o->args[1]));
    buf_printf(out, ",\"colour\":%s", terminal_look().has_colour ? "true" : "false");
    if (o->metric)
        put_text(out, "metric", str_of(o->metric));
    int result = is_what_if ? put_weights(out, o->args[2], err) : 0;
    buf_putc(out, '}');
    return result;
}

static int count(const struct options *o, bool is_what_if, struct query *query, struct err *err)
{
    struct place place;
    struct buf options = BUF(ROW_MOST), page = BUF(PAGE_MOST);
    const char *method = is_what_if ? (o->json ? "what_if_json" : "what_if_page") : o->json ? "json" : "page";
    if (place_find(o, &place, err) < 0 || put_options(&options, o, is_what_if, err) < 0)
        return fail(err);
    struct counting c = {.a = analysis_open("stats.ab", buf_str(&options), err), .name = o->args[1], .query = query, .err = err};
    bool is_good = c.a && feed(&c, place.trace) == 0 && analysis_call(c.a, method, str_of(""), &page, err) == 0;
    if (is_good)
        printf(STR_FMT "%s", STR_ARG(buf_str(&page)), o->json ? "\n" : "");
    if (c.a)
        analysis_close(c.a);
    buf_clear(&options);
    buf_clear(&page);
    return is_good ? EXIT_OK : fail(err);
}

static int report(const struct options *o, bool is_what_if)
{
    struct err err;
    struct query *query = NULL;
    if (o->query && (query = query_compile(str_of(o->query), &err)) == NULL)
        return fail(&err);
    int status = count(o, is_what_if, query, &err);
    if (query)
        query_free(query);
    return status;
}

/* ---- the verb ---- */

static int change(const struct options *o, const char *what, const char *argument)
{
    char path[PATH_MOST];
    snprintf(path, sizeof path, "/experiments/%.100s/%s%s%.200s", o->args[1], what, argument ? "?" : "", argument ? argument : "");
    if (strpbrk(path, " \t\r\n#") || strpbrk(o->args[1], "/?")) {
        fprintf(stderr, "wye ab: names and weights have no blanks, slashes or question marks\n");
        return EXIT_USAGE;
    }
    return client_order(o, path, CLIENT_QUICK_MS);
}

int cmd_ab(struct options *o)
{
    const char *what = o->args[0];
    int count = o->arg_count;
    if (strcmp(what, "list") == 0 && count == 1)
        return client_call(o, "GET", "/experiments", CLIENT_QUICK_MS, print_list);
    if (strcmp(what, "report") == 0 && count == 2)
        return report(o, false);
    if (strcmp(what, "what-if") == 0 && count == 3)
        return report(o, true);
    if (strcmp(what, "ramp") == 0 && count == 3)
        return change(o, "ramp", o->args[2]);
    if (strcmp(what, "stop") == 0 && (count == 2 || count == 3))
        return change(o, "stop", count == 3 ? o->args[2] : NULL);
    fprintf(stderr, "wye ab: say list, report NAME, ramp NAME WEIGHTS (80,20), stop NAME [ARM], or what-if NAME WEIGHTS (v1=50,v2=50)\n");
    return EXIT_USAGE;
}
