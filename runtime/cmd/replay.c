/* wye replay [DIR|FILE]: recorded decisions by another rule. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
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

static int print(const struct options *o, const struct replay_page *page)
{
    struct buf out = BUF(PAGE);
    (o->json ? replay_write_json : replay_write_text)(&out, page);
    bool is_written = fwrite(out.p, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    buf_clear(&out);
    return is_written ? EXIT_OK : EXIT_REFUSED;
}

static int judge(const struct options *o, const struct replay *r, double most)
{
    if (r->replayed == 0)
        log_warn("nothing to replay: capture = { share = 1 } in wye.lua keeps what it needs");
    if (!o->max_change || replay_percent(r) <= most)
        return EXIT_OK;
    log_error("%.2f %% of the decisions change; --max-change allows %g %%", replay_percent(r), most);
    return EXIT_REFUSED;
}

static int replay(const struct options *o, const struct rule *rule, struct generation *g, struct captures *all, struct live *live, const char *trace, double most)
{
    struct replay *r = replay_new(g);
    struct replay_value value = REPLAY_VALUE;
    struct buf problems = BUF(64 * 1024), quality = BUF(64 * 1024);
    struct err err;
    uint64_t began = clock_ns();
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
                               .rule = o->arg_count ? o->args[0] : "routes",
                               .seconds = (double)(clock_ns() - began) / 1e9,
                               .stopped = live ? live->stopped : NULL,
                               .quality = buf_str(&quality),
                               .problems = buf_str(&problems)};
    int status = print(o, &page);
    int judged = judge(o, r, most);
    buf_clear(&problems);
    buf_clear(&quality);
    replay_value_clear(&value);
    replay_free(r);
    return status ? status : judged;
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
    if (place_find(o, &place, &err) < 0)
        return complain_of(o, &err);
    struct captures *all = captures_open(place.trace, since, &err);
    if (all == NULL)
        return complain_of(o, &err);
    int status = EXIT_REFUSED;
    struct generation *g = NULL;
    if (guard_open(&err) == 0 && rule_open(&rule, o->arg_count ? o->args[0] : "routes", "routes", &err) == 0)
        g = generation_load(1, rule.files, &OPTIONS, &err);
    if (g == NULL) {
        complain_of(o, &err);
    } else {
        status = o->live ? replay_live(o, &rule, g, all, &live, place.trace, most) : replay(o, &rule, g, all, NULL, place.trace, most);
        generation_release(g);
    }
    captures_close(all);
    guard_close();
    return status;
}
