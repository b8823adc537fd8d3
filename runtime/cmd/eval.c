/* wye eval [ROUTE]: eval sets through the routes of a project: quality, cost and latency, against a baseline. */
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
#include "base/log.h"
#include "base/near.h"
#include "bind/bind.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/eval_frontier_data.h"
#include "cmd/evaluation.h"
#include "proc/places.h"
#include "vm/guard.h"

static const char WORSE[] = "worse than the baseline";

enum { MOST_SETS = 256, PAGE = 256 << 20 };

static volatile int stop; /* how often the user has interrupted */

static void on_interrupt(int number)
{
    (void)number;
    stop = stop + 1;
}

/* ---- what is evaluated ---- */

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
    if (!eval_cases_exist(e->project, route))
        return complain(e->options, -1, "the route '%s' has no eval set: write %s/evals/%s.jsonl, one {\"id\", \"prompt\", \"expect\"} a line", route,
                        e->project, route);
    if (eval_cases_read(&e->sets[e->set_count++], e->project, route, g->config, &err) < 0)
        return complain(e->options, -1, "%s", err.message);
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
        return complain(e->options, -1, "%s has no route '%s'%s%s%s", e->project, route, near ? " (did you mean '" : "", near ? near : "",
                        near ? "'?)" : "");
    }
    if (route)
        return read_set(e, route);
    for (int i = 0; i < count; i++)
        if (eval_cases_exist(e->project, names[i]) && read_set(e, names[i]) < 0)
            return -1;
    if (e->set_count == 0)
        return complain(e->options, -1, "%s/evals has no eval set: write %s/evals/ROUTE.jsonl, one {\"id\", \"prompt\", \"expect\"} a line", e->project,
                        e->project);
    return 0;
}

/* ---- judges ---- */

/* Is there a criterion that names no judge? */
static bool needs_judge(const struct evaluation *e)
{
    for (int s = 0; s < e->set_count; s++)
        for (int i = 0; i < e->sets[s].count; i++) {
            const struct expectation *j = eval_case_expects(&e->sets[s].at[i], EXPECT_JUDGE);
            if (j && !j->judge)
                return true;
        }
    return false;
}

static int choose_judge(struct evaluation *e)
{
    const struct config *c = e->generation->config;
    const char *name = e->options->judge, *near;
    e->judge = name ? config_model(c, name) : c->fallback;
    if (name && !e->judge) {
        bool has_near = config_near_models(c, name, &near, 1) > 0;
        return complain(e->options, -1, "--judge: the project has no model '%s'%s%s%s", name, has_near ? " (did you mean '" : "", has_near ? near : "",
                        has_near ? "'?)" : "");
    }
    if (e->judge || e->options->demo || e->options->replies || !needs_judge(e))
        return 0;
    return complain(e->options, -1, "which model judges? Give --judge provider/id, or a default model in wye.lua");
}

/* ---- the server ---- */

static void warn_of_providers(const struct evaluation *e)
{
    const struct generation *g = e->generation;
    char words[400];
    for (int i = 0; i < g->config->provider_count && !e->options->demo; i++) {
        const struct provider *p = &g->config->providers[i];
        const char *problem = generation_provider_warning(g, p, words, sizeof words);
        if (problem && p->kind != KIND_SIM)
            log_warn("%s", problem);
    }
}

/* A route for each model: its answer is that model's, whatever clients may name themselves. */
static int serve(struct evaluation *e)
{
    const struct config *c = e->generation->config;
    struct err err;
    struct private_file *pins = xcalloc((size_t)c->model_count, sizeof *pins);
    for (int i = 0; i < c->model_count; i++) {
        char route[64];
        evaluation_pin(e->generation, &c->models[i], route, sizeof route);
        snprintf(pins[i].path, sizeof pins[i].path, "%s.lua", route);
        snprintf(pins[i].text, sizeof pins[i].text, "local model = wye.model \"%.200s\"\nreturn function() return model, \"pinned\" end\n", c->models[i].id);
    }
    warn_of_providers(e);
    int failed = private_open(&e->server, e->generation->files, pins, c->model_count, e->options->demo, &err);
    free(pins);
    e->is_served = failed == 0;
    return failed ? complain(e->options, -1, "%s", err.message) : 0;
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
    return complain(e->options, -1, "cannot make the folder %s: %s", e->folder, strerror(errno));
}

static int prepare(struct evaluation *e, const char *route)
{
    static const struct generation_options OPTIONS = {.open = bind_open};
    struct err err;
    if (places_project(e->project, &err) < 0 || guard_open(&err) < 0)
        return complain(e->options, -1, "%s", err.message);
    e->generation = generation_load(1, manifest_new(e->project), &OPTIONS, &err);
    if (e->generation == NULL)
        return complain(e->options, -1, "%s", err.message);
    snprintf(e->hash, sizeof e->hash, "%s", manifest_hash(e->generation->files));
    e->sets = xcalloc(MOST_SETS, sizeof *e->sets);
    if (read_sets(e, route) < 0 || choose_judge(e) < 0)
        return -1;
    e->lua = eval_lua_open(e->project, e->generation->config, e->sets, e->set_count, &err);
    if (e->lua == NULL)
        return complain(e->options, -1, "%s", err.message);
    if (e->options->replies)
        return 0;
    return make_folder(e) < 0 ? -1 : serve(e);
}

static int print(struct evaluation *e)
{
    if (e->options->json) {
        struct buf error = BUF(1024);
        if (e->unanswered[0] || e->is_worse)
            complain_member(&error, e->unanswered[0] ? e->unanswered : WORSE);
        printf("{\"routes\":[" STR_FMT "],\"complete\":%s,\"regressed\":%s,\"usd\":%.9g" STR_FMT "}\n", STR_ARG(buf_str(&e->out)),
               e->is_complete ? "true" : "false", e->is_worse ? "true" : "false", e->spent, STR_ARG(buf_str(&error)));
        buf_clear(&error);
    } else {
        fwrite(e->out.p, 1, e->out.len, stdout);
    }
    if (!e->is_complete && !e->options->replies)
        log_warn("not every case was answered; the same command goes on where this one stopped (results are in %s)", e->folder);
    if (e->unanswered[0])
        log_error("%s", e->unanswered);
    if (e->is_worse)
        log_error("%s", WORSE);
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

static bool read_amount(const struct options *o, const char *text, const char *name, double *out)
{
    char *end;
    *out = text ? strtod(text, &end) : 0;
    if (!text || (*end == '\0' && end != text && *out > 0 && isfinite(*out)))
        return true;
    complain(o, EXIT_USAGE, "%s: a number above 0 is needed, not '%s'", name, text);
    return false;
}

int cmd_eval(struct options *o)
{
    struct evaluation e = {.options = o, .stop = &stop, .out = BUF(PAGE), .is_complete = true};
    double seconds;
    if (!read_amount(o, o->usd, "--usd", &e.usd) || !read_amount(o, o->seconds, "--seconds", &seconds))
        return EXIT_USAGE;
    if (o->frontier && o->replies)
        return complain(o, EXIT_USAGE, "--frontier asks the weak and the strong model: not together with --replies");
    if (o->frontier && eval_frontier_data_is(o))
        return eval_frontier_data(o);
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int failed = prepare(&e, take_argument(&e));
    e.until_ms = seconds > 0 ? clock_ms() + (uint64_t)(seconds * 1000) : 0;
    for (int i = 0; i < e.set_count && failed == 0; i++)
        failed = evaluation_run(&e, &e.sets[i]);
    if (failed == 0 || (e.routes > 0 && !o->json))
        failed |= print(&e);
    clear(&e);
    bool is_short = !e.is_complete && !o->replies;
    return stop ? EXIT_INTERRUPTED : failed || e.unanswered[0] || e.is_worse || is_short ? EXIT_REFUSED : EXIT_OK;
}
