/* wye replay [DIR|FILE]: recorded decisions by another rule. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/near.h"
#include "bind/bind.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/live.h"
#include "cmd/place.h"
#include "cmd/simulated.h"
#include "cmd/span.h"
#include "trial/replay_report.h"
#include "trial/replay_value.h"
#include "trial/rule.h"
#include "vm/guard.h"

enum { PAGE = 4 << 20, TELL_EACH = 20000 };

static void tell_progress(const struct replay *r, const struct live *live)
{
    if (live)
        fprintf(stderr, "\r%llu decisions, %llu live asks, $%.4f", (unsigned long long)r->seen, (unsigned long long)live->asked, live->spent);
    else if (r->seen % TELL_EACH == 0)
        fprintf(stderr, "\r%llu decisions", (unsigned long long)r->seen);
}

static void run(struct replay *r, struct captures *all, const struct live *live)
{
    bool is_told = isatty(STDERR_FILENO);
    for (const struct captured *c; !live_is_interrupted() && (c = captures_next(all));) {
        replay_decision(r, c);
        if (is_told)
            tell_progress(r, live);
    }
    if (is_told)
        fputs("\r\033[K", stderr);
    replay_sort(r);
}

/* `excess`: what --max-change says of it, or NULL. */
static int print(const struct options *o, const struct replay_page *page, const char *excess)
{
    struct buf out = BUF(PAGE);
    (o->json ? replay_write_json : replay_write_text)(&out, page);
    if (o->json && excess && out.len > 2) {
        out.len -= 2; /* its brace and its line end: more follows */
        complain_member(&out, excess);
        buf_puts(&out, "}\n");
    }
    bool is_written = fwrite(out.p, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    buf_clear(&out);
    return is_written ? EXIT_OK : EXIT_REFUSED;
}

/* Nothing lies in the time that was asked for. */
static void tell_newest(const char *since, uint64_t newest, const char *trace)
{
    char at[40];
    double ago = (double)(clock_wall_us() - newest) / 1e6;
    log_warn("no decision in the last %s: the newest of %s began at %s, %.0f %s ago", since, trace, clock_format(newest, at, sizeof at),
             ago < 120 ? ago : ago / 60, ago < 120 ? "seconds" : "minutes");
}

static void tell_nothing(const struct options *o, const struct replay *r, struct captures *all, const char *trace)
{
    uint64_t newest = r->seen ? 0 : captures_last(all);
    if (newest)
        tell_newest(o->since, newest, trace);
    else if (r->seen == 0)
        log_warn("no decision in %s yet", trace);
    else if (r->skipped[RECORDED_NOT_CAPTURED] == r->seen)
        log_warn("nothing to replay: capture = { share = 1 } in wye.lua keeps what it needs");
    else
        log_warn("nothing to replay%s%s", r->only ? " of route " : "", r->only ? r->only : "");
}

/* Prints the page, and what is to say of it. */
static int judge(const struct options *o, const struct replay_page *page, struct captures *all, double most)
{
    const struct replay *r = page->replay;
    char words[200];
    bool is_over = o->max_change && replay_percent(r) > most;
    snprintf(words, sizeof words, "%.2f %% of the decisions change; --max-change allows %g %%", replay_percent(r), most);
    int status = print(o, page, is_over ? words : NULL);
    if (r->replayed == 0)
        tell_nothing(o, r, all, page->trace);
    if (is_over)
        log_error("%s", words);
    return status == EXIT_OK && !is_over ? EXIT_OK : EXIT_REFUSED;
}

static int check_route(const struct generation *g, const char *name, struct err *err)
{
    const char *names[256];
    struct buf all = BUF(4096);
    int count = g->route_count < 256 ? g->route_count : 256;
    if (name == NULL || generation_route(g, str_of(name)))
        return 0;
    for (int i = 0; i < count; i++) {
        names[i] = g->routes[i].name;
        buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = near_name(name, names, count);
    err_set(err, ERR_BAD_REQUEST, "--route: no route '%s'%s%s%s; the project has %s", name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "",
            all.len ? all.p : "none");
    buf_clear(&all);
    return -1;
}

static int replay(const struct options *o, const struct rule *rule, struct generation *g, struct captures *all, struct live *live, const char *trace, double most)
{
    struct replay *r = replay_new(g);
    struct replay_value value = REPLAY_VALUE;
    struct buf problems = BUF(64 * 1024), quality = BUF(64 * 1024);
    struct err err;
    uint64_t began = clock_ns();
    clock_t cpu = clock();
    r->ask = o->sim ? simulated_ask : live ? live_ask : NULL;
    r->ask_arg = live;
    r->each = replay_value_add;
    r->each_arg = &value;
    if (rule->route[0]) {
        r->rule = generation_route(g, str_of(rule->route));
        r->only = o->route ? o->route : rule->is_route ? rule->route : "route";
    } else {
        r->only = o->route;
    }
    run(r, all, live);
    captures_problems(all, &problems);
    if (r->replayed && replay_value_write(&value, o->json, &quality, &err) < 0)
        log_warn("quality is not estimated: %s", err.message);
    struct replay_page page = {.replay = r,
                               .trace = trace,
                               .rule = o->arg_count ? o->args[0] : place_project(),
                               .seconds = (double)(clock_ns() - began) / 1e9,
                               .cpu_seconds = (double)(clock() - cpu) / CLOCKS_PER_SEC,
                               .stopped = live ? live->stopped : NULL,
                               .quality = buf_str(&quality),
                               .problems = buf_str(&problems)};
    int status = judge(o, &page, all, most);
    buf_clear(&problems);
    buf_clear(&quality);
    replay_value_clear(&value);
    replay_free(r);
    return status;
}

static int replay_live(const struct options *o, const struct rule *rule, struct generation *g, struct captures *all, struct live *live, const char *trace,
                       double most)
{
    struct err err;
    if (live_open(live, g, false, &err) < 0)
        return complain_of(o, &err);
    int status = replay(o, rule, g, all, live, trace, most);
    live_close(live);
    return live_is_interrupted() ? EXIT_INTERRUPTED : status;
}

int cmd_replay(struct options *o)
{
    static const struct generation_options OPTIONS = {.open = bind_open};
    struct err err;
    struct place place;
    struct rule rule;
    struct live live = {0};
    uint64_t since = 0;
    double most = 0;
    if (o->sim && o->live)
        err_set(&err, ERR_BAD_REQUEST, "--sim or --live: who answers what was not recorded?");
    if ((o->sim && o->live) || live_options(&live, o, &err) < 0)
        return complain(o, EXIT_USAGE, "%s", err.message);
    if ((o->since && span_since(o->since, &since, &err) < 0) || (o->max_change && span_percent(o->max_change, "--max-change", &most, &err) < 0))
        return complain(o, EXIT_USAGE, "%s", err.message);
    if (rule_open(&rule, o->arg_count ? o->args[0] : place_project(), place_project(), &err) < 0)
        return complain_of(o, &err);
    struct captures *all = place_find_of(o, o->arg_count ? rule.dir : NULL, &place, &err) == 0 ? captures_open(place.trace, since, &err) : NULL;
    if (all == NULL) {
        manifest_free(rule.files);
        return complain_of(o, &err);
    }
    captures_join(all);
    int status = EXIT_REFUSED;
    struct generation *g = guard_open(&err) == 0 ? generation_load(1, rule.files, &OPTIONS, &err) : NULL;
    if (g == NULL || check_route(g, o->route, &err) < 0)
        complain_of(o, &err);
    else
        status = o->live ? replay_live(o, &rule, g, all, &live, place.trace, most) : replay(o, &rule, g, all, NULL, place.trace, most);
    if (g)
        generation_release(g);
    captures_close(all);
    guard_close();
    return status;
}
