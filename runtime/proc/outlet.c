#include "proc/outlet.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "proc/process.h"

enum { LOOK_MS = 500 };

static int run(void *arg)
{
    struct outlet *o = arg;
    return exporter_run(&(struct exporter_options){.to = &o->to, .trace_dir = o->trace_dir, .state_dir = o->state_dir, .board = o->board});
}

/* What ended before there was a collector is left alone; what ends while the process starts is not. */
static void begin_cursor(const struct outlet *o)
{
    char path[PATH_MAX];
    struct err err;
    exporter_cursor(o->state_dir, path, sizeof path);
    if (push_cursor(path) == 0 && push_set_cursor(path, clock_wall_us(), &err) < 0)
        log_warn("%s: all of the trace is sent to the collector", err.message);
}

static void start(struct outlet *o, const struct collector *to)
{
    struct process p = {.title = "wye: exporter", .role = "exporter", .loop = o->loop, .dies_with_parent = true, .run = run, .arg = o};
    o->to = *to;
    begin_cursor(o);
    o->is_replaced = false;
    memcpy(o->board->url, to->url, sizeof to->url);
    o->board->push.words[0] = '\0';
    o->pid = process_fork(&p);
    if (o->pid < 0)
        log_error("cannot start the exporter process: %s", strerror(errno));
    o->pid = o->pid < 0 ? 0 : o->pid;
    atomic_store(&o->board->is_running, true);
}

/* NULL: it names none. */
static const struct collector *wanted(const struct outlet *o)
{
    const struct warm *live = warm_find((struct warm_table *)&o->reload->warm, o->reload->live);
    return o->is_off || live == NULL || live->otlp.url[0] == '\0' ? NULL : &live->otlp;
}

void outlet_look(struct outlet *o)
{
    const struct collector *to = wanted(o);
    if (o->is_finishing)
        return;
    if (o->pid && (to == NULL || memcmp(to, &o->to, sizeof *to) != 0)) {
        o->is_replaced = true;
        kill(o->pid, SIGKILL);
    } else if (o->pid == 0 && to) {
        start(o, to);
    }
    if (to == NULL)
        atomic_store(&o->board->is_running, false);
}

static void on_look(void *arg)
{
    outlet_look(arg);
    timer_set(&((struct outlet *)arg)->timer, LOOK_MS);
}

void outlet_open(struct outlet *o)
{
    timer_init(&o->timer, o->loop, on_look, o);
    timer_set(&o->timer, LOOK_MS);
}

void outlet_close(struct outlet *o)
{
    timer_clear(&o->timer);
    if (o->pid == 0)
        return;
    kill(o->pid, SIGKILL);
    waitpid(o->pid, NULL, 0);
}

bool outlet_finish(struct outlet *o)
{
    o->is_finishing = true;
    return o->pid && kill(o->pid, SIGUSR1) == 0;
}

bool outlet_reaped(struct outlet *o, pid_t pid, int status)
{
    char words[64];
    if (o->pid == 0 || o->pid != pid)
        return false;
    o->pid = 0;
    if (!o->is_replaced && !o->is_finishing)
        log_warn("the exporter process (pid %d) ended: %s; a new one starts", (int)pid, process_end(status, words, sizeof words));
    if (o->is_replaced && !o->is_finishing)
        timer_set(&o->timer, 0);
    return true;
}
