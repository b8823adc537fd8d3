/* wye eval [ROUTE]: eval sets through the routes of a project: quality, cost and latency, against a baseline. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/near.h"
#include "bind/bind.h"
#include "cmd/command.h"
#include "cmd/eval_frontier.h"
#include "cmd/private.h"
#include "proc/places.h"
#include "serve/capture.h"
#include "serve/eval_baseline.h"
#include "serve/eval_replies.h"
#include "serve/eval_report.h"
#include "serve/eval_run.h"
#include "trace/captured.h"
#include "vm/guard.h"

enum { MOST_SETS = 256, PAGE = 256 << 20, PARALLEL = 8, HASH_SHOWN = 12 };

static volatile sig_atomic_t interrupts;
static volatile int stop;

struct evaluation {
    const struct options *options;
    char project[EVAL_PATH - 512], folder[EVAL_PATH - 256]; /* folder: where results are kept */
    struct generation *generation;
    char hash[65];
    struct eval_cases *sets;
    int set_count;
    struct eval_lua *lua;
    struct private_server server;
    bool is_served;
    const struct model *judge;
    double usd, spent;
    uint64_t until_ms;
    struct buf out;
    int routes;
    bool is_worse, is_complete;
};

/* ---- what is evaluated ---- */

static void on_interrupt(int number)
{
    (void)number;
    stop = (int)++interrupts;
}

static int complain(const struct err *err)
{
    log_error("%s", err->message);
    return -1;
}

/* An argument is a project's folder, a route's file in one, or the name of a route of `routes`. */
static const char *take_argument(struct evaluation *e)
{
    const struct options *o = e->options;
    const char *given = o->arg_count ? o->args[0] : NULL, *slash = given ? strrchr(given, '/') : NULL;
    static char name[128];
    struct stat st;
    snprintf(e->project, sizeof e->project, "%s", o->arg_count > 1 ? o->args[1] : "routes");
    if (given == NULL)
        return NULL;
    if (o->arg_count == 1 && stat(given, &st) == 0 && S_ISDIR(st.st_mode) && places_project(given, NULL) == 0) {
        snprintf(e->project, sizeof e->project, "%s", given);
        return NULL;
    }
    if (o->arg_count == 1 && slash)
        snprintf(e->project, sizeof e->project, "%.*s", (int)(slash - given), given);
    snprintf(name, sizeof name, "%s", slash ? slash + 1 : given);
    size_t len = strlen(name);
    if (len > 4 && strcmp(name + len - 4, ".lua") == 0)
        name[len - 4] = '\0';
    return name;
}

static int read_set(struct evaluation *e, const char *route)
{
    struct err err;
    const struct generation *g = e->generation;
    if (!eval_cases_exist(e->project, route)) {
        err_set(&err, ERR_BAD_REQUEST, "the route '%s' has no eval set: write %s/evals/%s.jsonl, one {\"id\", \"prompt\", \"expect\"} a line", route,
                e->project, route);
        return complain(&err);
    }
    if (eval_cases_read(&e->sets[e->set_count++], e->project, route, g->config, &err) < 0)
        return complain(&err);
    return 0;
}

static int read_sets(struct evaluation *e, const char *route)
{
    const struct generation *g = e->generation;
    const char *names[MOST_SETS];
    int count = g->route_count < MOST_SETS ? g->route_count : MOST_SETS;
    for (int i = 0; i < count; i++)
        names[i] = g->routes[i].name;
    if (route && !generation_route(g, str_of(route))) {
        const char *near = near_name(route, names, count);
        log_error("%s has no route '%s'%s%s%s", e->project, route, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
        return -1;
    }
    if (route)
        return read_set(e, route);
    for (int i = 0; i < count; i++)
        if (eval_cases_exist(e->project, names[i]) && read_set(e, names[i]) < 0)
            return -1;
    if (e->set_count == 0)
        log_error("%s/evals has no eval set: write %s/evals/ROUTE.jsonl, one {\"id\", \"prompt\", \"expect\"} a line", e->project, e->project);
    return e->set_count ? 0 : -1;
}

/* ---- judges ---- */

/* The route that is that model and nothing else, by its place in the configuration. */
static const struct generation *pinned;
static void pin_route(const struct model *model, char *out, size_t size)
{
    snprintf(out, size, "eval-pin-%d", (int)(model - pinned->config->models));
}

static bool needs_judge(const struct evaluation *e, bool unnamed_only)
{
    for (int s = 0; s < e->set_count; s++)
        for (int i = 0; i < e->sets[s].count; i++) {
            const struct expectation *j = eval_case_expects(&e->sets[s].at[i], EXPECT_JUDGE);
            if (j && !(unnamed_only && j->judge))
                return true;
        }
    return false;
}

static int choose_judge(struct evaluation *e)
{
    const struct config *c = e->generation->config;
    const char *name = e->options->judge, *near;
    pinned = e->generation;
    e->judge = name ? config_model(c, name) : c->fallback;
    if (name && !e->judge) {
        bool has_near = config_near_models(c, name, &near, 1) > 0;
        log_error("--judge: the project has no model '%s'%s%s%s", name, has_near ? " (did you mean '" : "", has_near ? near : "", has_near ? "'?)" : "");
        return -1;
    }
    if (e->judge || e->options->demo || e->options->replies || !needs_judge(e, true))
        return 0;
    log_error("which model judges? Give --judge provider/id, or a default model in wye.lua");
    return -1;
}

/* ---- the server ---- */

static int warn_of_providers(const struct evaluation *e)
{
    const struct generation *g = e->generation;
    char words[400];
    for (int i = 0; i < g->config->provider_count && !e->options->demo; i++) {
        const struct provider *p = &g->config->providers[i];
        const char *problem = generation_provider_warning(g, p, words, sizeof words);
        if (problem && p->kind != KIND_SIM)
            log_warn("%s", problem);
    }
    return 0;
}

/* A route for each model: its answer is that model's, whatever clients may name themselves. */
static int serve(struct evaluation *e)
{
    const struct config *c = e->generation->config;
    struct err err;
    struct private_file *pins = xcalloc((size_t)c->model_count, sizeof *pins);
    for (int i = 0; i < c->model_count; i++) {
        char route[64];
        pin_route(&c->models[i], route, sizeof route);
        snprintf(pins[i].path, sizeof pins[i].path, "%s.lua", route);
        snprintf(pins[i].text, sizeof pins[i].text, "local model = wye.model \"%.200s\"\nreturn function() return model, \"pinned\" end\n", c->models[i].id);
    }
    warn_of_providers(e);
    int failed = private_open(&e->server, e->generation->files, pins, c->model_count, e->options->demo, &err);
    free(pins);
    e->is_served = failed == 0;
    return failed ? complain(&err) : 0;
}

static void cut(void *arg)
{
    private_kill(arg);
}

/* ---- a set ---- */

static void show_progress(const struct eval_run *run)
{
    int done = 0, passed = 0;
    for (int i = 0; i < run->set->count; i++) {
        done += run->results->at[i].verdict != EVAL_OPEN;
        passed += run->results->at[i].verdict == EVAL_PASSED;
    }
    fprintf(stderr, "\r%s: %d of %d cases, %d passed, $%.4f\033[K", run->set->route, done, run->set->count, passed, run->spent);
}

static void result_path(const struct evaluation *e, const struct eval_cases *set, const struct model *pin, bool is_whole, char *out)
{
    int used = snprintf(out, EVAL_PATH, "%s/%s.%.*s%s", e->folder, set->route, HASH_SHOWN, e->hash, e->options->demo ? ".demo" : "");
    char *id = out + used;
    used += snprintf(id, EVAL_PATH - (size_t)used, "%s%.200s", pin ? "." : "", pin ? pin->id : "");
    for (; *id; id++)
        *id = *id == '/' ? '_' : *id;
    snprintf(out + used, EVAL_PATH - (size_t)used, ".%s", is_whole ? "jsonl" : "part");
}

/* Through the route, its models answering what is recorded of them. */
static int decide_recorded(const struct evaluation *e, const struct eval_cases *set, struct eval_results *r, struct err *err)
{
    struct eval_replies *replies = eval_replies_open(e->options->replies, set, e->generation, err);
    int missing = 0, first = 0;
    for (int i = set->count - 1; replies && i >= 0; i--)
        if (!eval_replies_decide(replies, i, r)) {
            missing++;
            first = i;
        }
    if (missing)
        log_warn("%s: %d of %d cases want an answer that is not recorded, the first of them '%s': %s", set->route, missing, set->count,
                 set->at[first].id, r->at[first].why);
    if (replies)
        eval_replies_close(replies);
    return replies ? 0 : -1;
}

/* What the route asked on its way, as far as the project lets requests be captured, so that another rule can be evaluated on it. */
static void keep_asked(const struct evaluation *e, struct eval_results *r)
{
    char trace[128];
    snprintf(trace, sizeof trace, "%s/trace", e->server.folder);
    struct captures *all = captures_open(trace, 0, NULL);
    for (const struct captured *c; all && (c = captures_next(all));)
        for (int i = 0; i < r->set->count; i++)
            for (int k = 0; k < c->step_count && str_eq(c->id, r->at[i].decision); k++) {
                const struct captured_step *s = &c->steps[k];
                if (str_eq(s->kind, "ask") && s->reply.p && !s->error.len && !(s->flags & STEP_MASKED) && json_validate(s->reply, NULL) == 0)
                    eval_results_write_asked(r, i, s->model, s->reply, s->usd, (double)s->us / 1000);
            }
    if (all)
        captures_close(all);
}

static int open_results(const struct evaluation *e, const struct eval_cases *set, const struct model *pin, struct eval_results *r, struct err *err)
{
    char path[EVAL_PATH];
    eval_results_open(r, set);
    if (e->options->replies)
        return decide_recorded(e, set, r, err);
    result_path(e, set, pin, false, path);
    if (eval_results_load(r, path, err) < 0)
        return -1;
    if (r->before)
        log_info("%s: %d of %d cases were answered by a run that was stopped (%s)", set->route, r->before, set->count, path);
    return eval_results_keep(r, path, err);
}

static int close_file(const struct evaluation *e, struct eval_results *r, const struct model *pin, struct err *err)
{
    char part[EVAL_PATH], whole[EVAL_PATH];
    result_path(e, r->set, pin, false, part);
    result_path(e, r->set, pin, true, whole);
    if (r->file && rename(part, whole) < 0)
        return err_set(err, ERR_SYSTEM, "cannot rename %s: %s", part, strerror(errno));
    return 0;
}

/* The set through its route, or with `pin` by that model. The caller closes the results. */
static int run_set(struct evaluation *e, const struct eval_cases *set, const struct model *pin, struct eval_results *results, bool *is_complete,
                   struct err *err)
{
    char route[64];
    struct eval_run run = {
        .set = set,
        .results = results,
        .lua = e->lua,
        .pin = pin ? route : NULL,
        .address = e->is_served ? e->server.address : NULL,
        .admin = e->server.admin,
        .parallel = e->options->parallel ? (int)e->options->parallel : PARALLEL,
        .usd = e->usd > 0 ? fmax(e->usd - e->spent, 1e-12) : 0,
        .until_ms = e->until_ms,
        .stop = &stop,
        .cut = cut,
        .cut_arg = &e->server,
        .has_judges = !e->options->demo,
        .judge = e->judge,
        .judge_route = pin_route,
        .progress = isatty(STDERR_FILENO) ? show_progress : NULL,
    };
    if (pin)
        pin_route(pin, route, sizeof route);
    if (open_results(e, set, pin, results, err) < 0)
        return -1;
    int failed = eval_run(&run);
    if (run.asked && !pin)
        keep_asked(e, results);
    if (run.progress)
        fputs("\r\033[K", stderr);
    if (failed)
        *err = run.err;
    else if (run.err.kind != ERR_NONE)
        log_warn("%s", run.err.message);
    e->spent += run.spent;
    *is_complete = run.is_complete;
    e->is_complete &= run.is_complete;
    return failed == 0 && run.is_complete ? close_file(e, results, pin, err) : failed;
}

static int compare(struct evaluation *e, const struct eval_results *r, struct eval_summary *s, struct err *err)
{
    char path[EVAL_PATH];
    struct eval_results was;
    eval_baseline_path(e->project, r->set->route, path, sizeof path);
    eval_results_open(&was, r->set);
    int got = eval_baseline_read(&was, path, err);
    if (got > 0)
        eval_summary_compare(s, r, &was, e->options->demo || e->options->replies);
    eval_results_close(&was);
    e->is_worse |= s->change.is_worse;
    return got < 0 ? -1 : 0;
}

static int save(const struct evaluation *e, const struct eval_results *r, bool is_complete, struct err *err)
{
    char path[EVAL_PATH];
    if (!e->options->save)
        return 0;
    if (!is_complete)
        return err_set(err, ERR_LIMIT, "%s: not every case was answered; no baseline was saved", r->set->route);
    eval_baseline_path(e->project, r->set->route, path, sizeof path);
    return eval_baseline_write(r, path, e->hash, err);
}

/* What the weak and the strong model alone make of the set, and what the route makes of the two. */
static int add_frontier(struct evaluation *e, const struct eval_cases *set, const struct eval_results *routed, struct err *err)
{
    struct eval_results alone[2] = {0};
    struct eval_frontier f = {.routed = routed, .weak = &alone[0], .strong = &alone[1], .router = e->options->router};
    bool is_complete = true, is_so = true;
    int failed = eval_frontier_models(&f, e->options, e->generation->config, err);
    for (int i = 0; i < 2 && failed == 0; i++) {
        failed = run_set(e, set, f.models[i], &alone[i], &is_so, err);
        is_complete &= is_so;
    }
    if (failed == 0 && is_complete)
        failed = eval_frontier_write(&f, e->options->json, &e->out, err);
    for (int i = 0; i < 2; i++)
        eval_results_close(&alone[i]);
    return failed;
}

static int report(struct evaluation *e, const struct eval_results *results, double seconds, bool is_complete, struct err *err)
{
    struct eval_summary *summary = xcalloc(1, sizeof *summary);
    struct eval_page page = {.results = results, .summary = summary, .generation = e->hash, .seconds = seconds, .is_complete = is_complete};
    page.answered_by = e->options->replies ? "recorded replies" : e->options->demo ? "the simulator" : "the project's providers";
    eval_summary_make(summary, results);
    int failed = compare(e, results, summary, err);
    if (failed == 0) {
        if (e->options->json)
            buf_puts(&e->out, e->routes ? "," : "");
        (e->options->json ? eval_report_json : eval_report_text)(&e->out, &page);
        e->routes++;
    }
    free(summary);
    return failed;
}

static int evaluate(struct evaluation *e, const struct eval_cases *set)
{
    struct eval_results results = {0};
    uint64_t began = clock_ms();
    bool is_complete = false;
    struct err err = {0};
    int failed = run_set(e, set, NULL, &results, &is_complete, &err);
    if (failed == 0)
        failed = report(e, &results, (double)(clock_ms() - began) / 1000, is_complete, &err);
    if (failed == 0)
        failed = save(e, &results, is_complete, &err);
    if (failed == 0 && e->options->frontier && is_complete)
        failed = add_frontier(e, set, &results, &err);
    eval_results_close(&results);
    return failed ? complain(&err) : 0;
}

/* ---- the whole ---- */

static int make_folder(struct evaluation *e)
{
    char state[sizeof e->project + 16];
    if (e->options->state) {
        snprintf(state, sizeof state, "%.3500s", e->options->state);
    } else {
        snprintf(state, sizeof state, "%s/.wye", e->project);
        mkdir(state, 0777);
        snprintf(state, sizeof state, "%s/.wye/state", e->project);
    }
    mkdir(state, 0777);
    snprintf(e->folder, sizeof e->folder, "%s/evals", state);
    if (mkdir(e->folder, 0777) == 0 || errno == EEXIST)
        return 0;
    log_error("cannot make the folder %s: %s", e->folder, strerror(errno));
    return -1;
}

static int prepare(struct evaluation *e, const char *route)
{
    static const struct generation_options OPTIONS = {.open = bind_open};
    struct err err;
    if (places_project(e->project, &err) < 0 || guard_open(&err) < 0)
        return complain(&err);
    e->generation = generation_load(1, manifest_new(e->project), &OPTIONS, &err);
    if (e->generation == NULL)
        return complain(&err);
    snprintf(e->hash, sizeof e->hash, "%s", manifest_hash(e->generation->files));
    e->sets = xcalloc(MOST_SETS, sizeof *e->sets);
    if (read_sets(e, route) < 0 || choose_judge(e) < 0)
        return -1;
    e->lua = eval_lua_open(e->project, e->generation->config, e->sets, e->set_count, &err);
    if (e->lua == NULL)
        return complain(&err);
    if (e->options->replies)
        return 0;
    return make_folder(e) < 0 ? -1 : serve(e);
}

static int print(struct evaluation *e)
{
    if (e->options->json) {
        printf("{\"routes\":[" STR_FMT "],\"complete\":%s,\"regressed\":%s,\"usd\":%.9g}\n", STR_ARG(buf_str(&e->out)),
               e->is_complete ? "true" : "false", e->is_worse ? "true" : "false", e->spent);
    } else {
        fwrite(e->out.p, 1, e->out.len, stdout);
    }
    if (!e->is_complete && !e->options->replies)
        log_warn("not every case was answered; the same command goes on where this one stopped (results are in %s)", e->folder);
    if (e->is_worse)
        log_error("worse than the baseline");
    return fflush(stdout) == 0 ? 0 : -1;
}

static void clear(struct evaluation *e)
{
    if (e->is_served)
        private_close(&e->server);
    eval_lua_close(e->lua);
    for (int i = 0; i < e->set_count; i++)
        eval_cases_clear(&e->sets[i]);
    free(e->sets);
    if (e->generation)
        generation_release(e->generation);
    buf_clear(&e->out);
    guard_close();
}

static bool read_amount(const char *text, const char *name, double *out)
{
    char *end;
    *out = text ? strtod(text, &end) : 0;
    if (!text || (*end == '\0' && end != text && *out > 0 && isfinite(*out)))
        return true;
    log_error("%s: a number above 0 is needed, not '%s'", name, text);
    return false;
}

int cmd_eval(struct options *o)
{
    struct evaluation e = {.options = o, .out = BUF(PAGE), .is_complete = true};
    double seconds;
    if (!read_amount(o->usd, "--usd", &e.usd) || !read_amount(o->seconds, "--seconds", &seconds))
        return EXIT_USAGE;
    if (o->frontier && o->replies) {
        log_error("--frontier asks the weak and the strong model: not together with --replies");
        return EXIT_USAGE;
    }
    if (o->frontier && eval_frontier_is_data(o))
        return eval_frontier_data(o);
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int failed = prepare(&e, take_argument(&e));
    e.until_ms = seconds > 0 ? clock_ms() + (uint64_t)(seconds * 1000) : 0;
    for (int i = 0; i < e.set_count && failed == 0; i++)
        failed = evaluate(&e, &e.sets[i]);
    if (failed == 0 || e.routes > 0)
        failed |= print(&e);
    clear(&e);
    return failed || e.is_worse || stop ? EXIT_REFUSED : EXIT_OK;
}
