#include "proc/watchdog.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

static const uint64_t STUCK_MS = 1000, STUCK_CPU_NS = 500 * 1000000ull;
static const uint64_t LOADING_MS = 5000, ASLEEP_MS = 10 * 1000;

static uint64_t cpu_ns(pid_t pid)
{
    clockid_t clock;
    struct timespec ts;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) != 0)
        return 0;
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* proc_pid_stat(5), field 3: R, S, D, T (stopped), t (traced). */
static char state_of(pid_t pid)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return '?';
    if (!fgets(line, sizeof line, f))
        line[0] = '\0';
    fclose(f);
    const char *after = strrchr(line, ')');
    return after && after[1] == ' ' ? after[2] : '?';
}

static bool is_stuck(struct crew_slot *s, uint64_t now)
{
    uint64_t age = now - s->beat_ms;
    if (age < (s->loading ? LOADING_MS : STUCK_MS))
        return false;
    if (cpu_ns(s->pid) - s->cpu_ns_at_beat >= STUCK_CPU_NS)
        return true;
    switch (state_of(s->pid)) {
    case 'T': return true;
    case 'S':
    case 'D': return age >= ASLEEP_MS;
    default: return false;
    }
}

static void condemn(struct watchdog *w, struct crew_slot *s, uint64_t now)
{
    unsigned guilty = atomic_load(&s->crew->common.board->slots[s->index].script_generation);
    s->is_condemned = true;
    log_error("worker %u did not answer for %.1f s: killed%s", s->index + 1, (double)(now - s->beat_ms) / 1000,
              guilty ? "; a script was running" : "");
    kill(s->pid, SIGKILL);
    if (guilty)
        w->blame(w->ctx, guilty);
}

static void look(struct watchdog *w, struct crew_slot *s, uint64_t now)
{
    uint64_t beat = atomic_load(&s->crew->common.board->slots[s->index].heartbeat_ms);
    if (beat > s->beat_ms) {
        s->beat_ms = beat;
        s->cpu_ns_at_beat = cpu_ns(s->pid);
    } else if (is_stuck(s, now)) {
        condemn(w, s, now);
    }
}

static void on_tick(void *arg)
{
    struct watchdog *w = arg;
    uint64_t now = clock_ms();
    uint64_t gap = now - w->last_ms;
    w->last_ms = now;
    for (unsigned i = 0; i < w->crew->count; i++) {
        struct crew_slot *s = &w->crew->slots[i];
        if (!s->pid || s->is_condemned)
            continue;
        if (gap > STUCK_MS / 2)
            s->beat_ms += gap; /* the master itself did not run: the machine slept or is overloaded */
        if (s->beat_ms > now)
            s->beat_ms = now;
        look(w, s, now);
    }
    timer_set(&w->tick, WATCHDOG_TICK_MS);
}

void watchdog_open(struct watchdog *w)
{
    w->last_ms = clock_ms();
    timer_init(&w->tick, w->crew->loop, on_tick, w);
    timer_set(&w->tick, WATCHDOG_TICK_MS);
}

void watchdog_close(struct watchdog *w)
{
    timer_clear(&w->tick);
}
