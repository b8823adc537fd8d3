/* wye serve [DIR]: the server in the foreground. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/stats.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/span.h"
#include "proc/master.h"
#include "trial/gates.h"
#include "sim/sim.h"

static char *under(const char *project, const char *name)
{
    size_t size = strlen(project) + strlen(name) + 8;
    char *path = xmalloc(size);
    snprintf(path, size, "%s/.wye/%s", project, name);
    return path;
}

static unsigned cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > STATS_MAX_WORKERS ? STATS_MAX_WORKERS : (unsigned)n;
}

/* --demo's simulator, in a process of its own. */
static int run_sim(int listen_fd)
{
    struct err err;
    if (sim_serve(listen_fd, &(struct sim_options){0}, &err) == 0)
        return EXIT_OK;
    log_error("%s", err.message);
    return EXIT_REFUSED;
}

static void say_failed(void *arg, const char *words)
{
    complain(arg, EXIT_REFUSED, "%s", words);
}

int cmd_serve(struct options *o)
{
    unsigned skip = 0;
    double max_change = -1;
    struct canary_guard guard = CANARY_GUARD;
    struct err err;
    if ((o->guard && canary_guard_parse(o->guard, &guard, &err) < 0) || (o->skip && gates_parse(o->skip, &skip, &err) < 0) || (o->max_change && span_percent(o->max_change, "--max-change", &max_change, &err) < 0))
        return complain(o, EXIT_USAGE, "%s", err.message);
    /* Copies: process titles are written over the command line. */
    char *project = xstrdup(o->arg_count ? o->args[0] : "routes");
    size_t len = strlen(project);
    while (len > 1 && project[len - 1] == '/')
        project[--len] = '\0';
    char *listen = xstrdup(o->listen), *admin = xstrdup(o->admin);
    char *trace = o->trace ? xstrdup(o->trace) : under(project, "trace");
    char *state = o->state ? xstrdup(o->state) : under(project, "state");
    struct master_options options = {
        .project = project,
        .listen = listen,
        .admin = admin,
        .trace_dir = trace,
        .state_dir = state,
        .workers = o->workers ? (unsigned)o->workers : cores(),
        .guard = guard,
        .skip = skip,
        .max_change = max_change,
        .is_watching = o->watch,
        .is_demo = o->demo,
        .prints_json = o->json,
        .keeps_spans = o->no_otlp,
        .run_sim = run_sim,
        .say_failed = say_failed,
        .arg = o,
    };
    int status = master_run(&options);
    free(project);
    free(listen);
    free(admin);
    free(trace);
    free(state);
    return status;
}
