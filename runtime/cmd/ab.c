/* ab: experiments: what a server has, what its trace says of them and of shadows, and changes of weights. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "bind/analysis.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/place.h"
#include "cmd/table.h"
#include "cmd/terminal.h"
#include "net/fetch.h"
#include "admin/rows.h"
#include "policy/experiments_file.h"
#include "trace/query.h"

enum { ROW_MOST = 1 << 20, PAGE_MOST = 64 << 20, LIST_MOST = 1 << 20, PATH_MOST = 512 };

/* ---- list ---- */

static void add_line(struct table *t, struct str x)
{
    struct arena *arena = &t->arena;
    struct str name = json_plain(json_get(x, "name")), salt = json_plain(json_get(x, "salt")), origin = json_plain(json_get(x, "origin"));
    if (!str_same(name, salt))
        name = str_of(arena_printf(arena, STR_FMT " (salt " STR_FMT ")", STR_ARG(name), STR_ARG(salt)));
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

/* ---- report, what-if ---- */

static void put_text(struct buf *out, const char *name, struct str text)
{
    buf_printf(out, ",\"%s\":", name);
    json_quote(out, text);
}

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

/* Since when, and who gets all: what the server keeps of it, if it was stopped. A state that cannot be read says nothing. */
static void put_stopped(struct buf *out, const char *state, const char *name)
{
    struct err err;
    char since[40];
    struct experiments *all = xcalloc(1, sizeof *all);
    experiments_init(all);
    const struct experiment *x = experiments_file_load(all, state, &err) == 0 ? experiments_find(all, name) : NULL;
    struct split split = x ? experiment_split(x) : (struct split){.origin = SPLIT_SOURCE};
    for (int i = 0; x && split.origin == SPLIT_STOP && i < x->count; i++)
        if (split.weights[i] == 1)
            buf_printf(out, ",\"stopped\":{\"arm\":\"%s\",\"since\":\"%s\"}", x->arms[i], clock_format(split.since_us, since, sizeof since));
    free(all);
}

/* Requests without the unit since the server began: it alone counts them, and where it does not answer nothing is said. */
static void put_unitless(struct buf *out, const struct options *o)
{
    struct err err;
    struct buf reply = BUF(LIST_MOST);
    double unitless = 0, one;
    int status = 0;
    if (o->trace == NULL && fetch(o->admin, "GET", "/experiments", str_of(NULL), o->token, CLIENT_QUICK_MS, &reply, &status, &err) == 0 &&
        status == 200 && json_validate(buf_str(&reply), &err) == 0)
        for (struct json_walk w = json_walk(json_get(buf_str(&reply), "experiments")); json_next(&w);)
            if (str_eq(json_plain(json_get(w.value, "name")), o->args[1]) && json_number(json_get(w.value, "unitless"), &one))
                unitless += one;
    if (unitless > 0)
        buf_printf(out, ",\"unitless\":%.0f", unitless);
    buf_clear(&reply);
}

/* All but the brace at the end. */
static int put_options(struct buf *out, const struct options *o, bool is_what_if, struct err *err)
{
    buf_puts(out, "{\"name\":");
    json_quote(out, str_of(o->args[1]));
    buf_printf(out, ",\"colour\":%s", terminal_look().has_colour ? "true" : "false");
    if (o->metric)
        put_text(out, "metric", str_of(o->metric));
    if (o->query)
        put_text(out, "query", str_of(o->query));
    return is_what_if ? put_weights(out, o->args[2], err) : 0;
}

/* What `method` makes of all that was fed in; closes the analysis (NULL: it could not be opened). */
static int print_page(struct analysis *a, bool is_fed, const char *method, const struct options *o, struct err *err)
{
    struct buf page = BUF(PAGE_MOST);
    bool is_good = is_fed && analysis_call(a, method, str_of(""), &page, err) == 0;
    if (is_good)
        printf(STR_FMT "%s", STR_ARG(buf_str(&page)), o->json ? "\n" : "");
    if (a)
        analysis_close(a);
    buf_clear(&page);
    return is_good ? EXIT_OK : complain_of(o, err);
}

static int count(const struct options *o, bool is_what_if, struct buf *options, struct query *query, struct err *err)
{
    struct place place;
    const char *method = is_what_if ? (o->json ? "what_if_json" : "what_if_page") : o->json ? "json" : "page";
    bool is_found = place_find(o, &place, err) == 0;
    if (is_found) {
        put_stopped(options, place.state, o->args[1]);
        put_unitless(options, o);
    }
    buf_putc(options, '}');
    struct analysis *a = is_found ? analysis_open("stats.ab", buf_str(options), err) : NULL;
    bool is_fed = a && rows_feed(a, place.trace, o->args[1], query, err) == 0 &&
                  (is_what_if || rows_feed_shadows(a, place.trace, o->args[1], query, err) == 0);
    return print_page(a, is_fed, method, o, err);
}

static int report(const struct options *o, bool is_what_if)
{
    struct err err;
    struct query *query = NULL;
    struct buf options = BUF(ROW_MOST);
    bool is_good = put_options(&options, o, is_what_if, &err) == 0 && (!o->query || (query = query_compile(str_of(o->query), &err)));
    int status = is_good ? count(o, is_what_if, &options, query, &err) : complain(o, EXIT_USAGE, "%s", err.message);
    buf_clear(&options);
    if (query)
        query_free(query);
    return status;
}

/* ---- shadows ---- */

static int agreement(const struct options *o, struct query *query, struct err *err)
{
    struct place place;
    struct analysis *a = place_find(o, &place, err) == 0 ? analysis_open("stats.agreement", str_of("{}"), err) : NULL;
    bool is_fed = a && rows_feed_shadows(a, place.trace, NULL, query, err) == 0;
    return print_page(a, is_fed, o->json ? "json" : "page", o, err);
}

static int shadows(const struct options *o)
{
    struct err err;
    struct query *query = o->query ? query_compile(str_of(o->query), &err) : NULL;
    if (o->query && query == NULL)
        return complain(o, EXIT_USAGE, "%s", err.message);
    int status = agreement(o, query, &err);
    query_free(query);
    return status;
}

/* ---- the verb ---- */

/* Numbers from 0 to 100, each perhaps with the name of its arm; which arms there are knows the server. */
static bool are_weights(const struct options *o, const char *text)
{
    size_t len;
    do {
        len = strcspn(text, ",");
        const char *equals = memchr(text, '=', len), *number = equals ? equals + 1 : text;
        char *end;
        double weight = strtod(number, &end);
        if (end == number || end != text + len || !(weight >= 0 && weight <= 100)) {
            complain(o, EXIT_USAGE, "'%.*s' is no weight: a number from 0 to 100, in percent, such as 80,20 for both arms, or v2=20", (int)len, text);
            return false;
        }
        text += len + (text[len] == ',');
    } while (*text);
    return true;
}

static int change(const struct options *o, const char *what, const char *argument)
{
    char path[PATH_MOST];
    snprintf(path, sizeof path, "/experiments/%.100s/%s%s%.200s", o->args[1], what, argument ? "?" : "", argument ? argument : "");
    if (strpbrk(path, " \t\r\n#") || strpbrk(o->args[1], "/?"))
        return complain(o, EXIT_USAGE, "names and weights have no blanks, slashes or question marks");
    return client_order(o, path, CLIENT_QUICK_MS);
}

int cmd_ab(struct options *o)
{
    const char *what = o->args[0];
    int count = o->arg_count;
    if (strcmp(what, "list") == 0 && count == 1)
        return client_call(o, "GET", "/experiments", CLIENT_QUICK_MS, print_list);
    if (strcmp(what, "shadows") == 0 && count == 1)
        return shadows(o);
    if (strcmp(what, "report") == 0 && count == 2)
        return report(o, false);
    if (strcmp(what, "what-if") == 0 && count == 3)
        return report(o, true);
    if (strcmp(what, "ramp") == 0 && count == 3)
        return are_weights(o, o->args[2]) ? change(o, "ramp", o->args[2]) : EXIT_USAGE;
    if (strcmp(what, "stop") == 0 && (count == 2 || count == 3))
        return change(o, "stop", count == 3 ? o->args[2] : NULL);
    static const char *const WORDS[] = {"list", "report", "ramp", "stop", "what-if", "shadows"};
    return complain_word(o, WORDS, 6, "list, report NAME, ramp NAME WEIGHTS (80,20), stop NAME [ARM], what-if NAME WEIGHTS (v1=50,v2=50), or shadows");
}
