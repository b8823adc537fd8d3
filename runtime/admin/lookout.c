#include "admin/lookout.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/shm.h"

enum { TICK_MS = 250, PAUSE_MS = 60000, PAUSE_TIMES = 20, MOST_SECONDS = 60, LEAST_PRIORITY = 19 };

/* ---- in the child ---- */

static int look(const struct lookout *l)
{
    struct findings *f = l->fresh;
    struct learnt learnt = {0};
    struct err err = {0};
    *f = (struct findings){0};
    if (learnt_add_project(&learnt, l->project, &err) < 0 || (learnt.count > 0 && learnt_read_trace(&learnt, l->trace_dir, &err) < 0)) {
        snprintf(f->failure, sizeof f->failure, "%s", err.message);
        return EXIT_SUCCESS;
    }
    for (int i = 0; i < learnt.count; i++) {
        f->reports[i] = drift_source_report(learnt.sources[i]);
        snprintf(f->names[i], sizeof f->names[i], "%s", f->reports[i].name);
    }
    f->count = learnt.count;
    return EXIT_SUCCESS;
}

static void begin(struct lookout *l)
{
    l->began_ms = clock_ms();
    pid_t child = fork();
    if (child != 0) {
        l->child = child > 0 ? child : 0;
        l->due_ms = l->began_ms + PAUSE_MS;
        return;
    }
    close_range(STDERR_FILENO + 1, UINT_MAX, 0);
    alarm(MOST_SECONDS);
    setpriority(PRIO_PROCESS, 0, LEAST_PRIORITY);
    _exit(look(l));
}

/* ---- in the admin process ---- */

static bool had_drifted(const struct findings *f, const struct drift_report *r)
{
    for (int i = 0; i < f->count; i++)
        if (f->reports[i].kind == r->kind && strcmp(f->reports[i].name, r->name) == 0)
            return f->reports[i].has_drifted;
    return false;
}

static void tell(const struct findings *before, const struct drift_report *r)
{
    bool had = had_drifted(before, r);
    if (r->has_drifted && !had)
        log_warn("%s '%s' has drifted: PSI %.3f over %d readings; `wye drift` says since when", drift_kind(r), r->name, drift_most(r), r->readings);
    else if (had && !r->has_drifted)
        log_warn("%s '%s' no longer drifts: PSI %.3f over %d readings", drift_kind(r), r->name, drift_most(r), r->readings);
}

static void fail(struct lookout *l, const char *why)
{
    if (strcmp(l->newest.failure, why) != 0)
        log_warn("drift is not looked for: %s", why);
    snprintf(l->newest.failure, sizeof l->newest.failure, "%s", why);
}

static void take(struct lookout *l)
{
    for (int i = 0; i < l->fresh->count; i++) {
        l->fresh->reports[i].name = l->fresh->names[i];
        tell(&l->newest, &l->fresh->reports[i]);
    }
    l->newest = *l->fresh;
    for (int i = 0; i < l->newest.count; i++)
        l->newest.reports[i].name = l->newest.names[i];
}

static void on_end(struct lookout *l, int status)
{
    uint64_t now = clock_ms(), pause = PAUSE_TIMES * (now - l->began_ms);
    l->child = 0;
    l->due_ms = now + (pause > PAUSE_MS ? pause : PAUSE_MS);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        fail(l, "reading the trace takes more than a minute; keep less of it");
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS)
        fail(l, "the process that looks ended early");
    else if (l->fresh->failure[0])
        fail(l, l->fresh->failure);
    else
        take(l);
}

static void on_tick(void *arg)
{
    struct lookout *l = arg;
    int status = 0;
    timer_set(&l->timer, TICK_MS);
    if (l->child && waitpid(l->child, &status, WNOHANG) == 0)
        return;
    if (l->child)
        on_end(l, status);
    unsigned live = atomic_load(&l->host->live);
    if (live == l->generation && clock_ms() < l->due_ms)
        return;
    l->generation = live;
    begin(l);
}

void lookout_open(struct lookout *l, struct loop *loop)
{
    l->fresh = shm_new(sizeof *l->fresh);
    timer_init(&l->timer, loop, on_tick, l);
    timer_set(&l->timer, TICK_MS);
}

void lookout_close(struct lookout *l)
{
    if (l->child)
        kill(l->child, SIGKILL);
    timer_clear(&l->timer);
    shm_free(l->fresh, sizeof *l->fresh);
}

void lookout_json(const struct lookout *l, struct buf *out)
{
    const char *before = "";
    buf_puts(out, "{\"failure\":");
    if (l->newest.failure[0])
        json_quote(out, str_of(l->newest.failure));
    else
        buf_puts(out, "null");
    buf_puts(out, ",\"sources\":[");
    for (int i = 0; i < l->newest.count; i++, before = ",") {
        buf_puts(out, before);
        drift_json(&l->newest.reports[i], out);
    }
    buf_puts(out, "]}");
}
