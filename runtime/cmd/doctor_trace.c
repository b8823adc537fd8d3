/* doctor_trace: whether the trace is whole, by the heads of its segments, and who writes it. */
#include "cmd/doctor.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "trace/segment.h"

enum { UNREADABLE_MOST = 5 };

struct tally {
    unsigned long long segments, bytes, torn, dropped, unreadable, abandoned;
    uint64_t oldest_us;
    long writer; /* a process that lives and writes; 0: none */
};

static bool is_alive(long pid)
{
    return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

static void look_at_segment(struct doctor *d, struct tally *t, const struct segment_name *name)
{
    char path[PATH_MAX];
    struct err err;
    segment_path(path, sizeof path, d->trace, name->slot, name->sequence);
    struct segment *s = segment_map(path, false, &err);
    if (s == NULL) {
        if (t->unreadable++ < UNREADABLE_MOST && access(path, F_OK) == 0)
            doctor_say(d, DOCTOR_WARN, "trace", "read it with the wye that wrote it, or move it away", "%s", err.message);
        return;
    }
    t->segments++;
    t->bytes += name->disk_bytes;
    t->torn += atomic_load(&s->head->torn);
    t->dropped += atomic_load(&s->head->dropped);
    if (s->head->wall_us && (t->oldest_us == 0 || s->head->wall_us < t->oldest_us))
        t->oldest_us = s->head->wall_us;
    if (atomic_load(&s->head->state) == SEGMENT_LIVE && is_alive(s->head->pid))
        t->writer = s->head->pid;
    else if (atomic_load(&s->head->state) == SEGMENT_LIVE)
        t->abandoned++;
    segment_free(s);
}

static void judge(struct doctor *d, const struct tally *t)
{
    double hours = t->oldest_us ? (double)(clock_wall_us() - t->oldest_us) / 3.6e9 : 0;
    if (t->dropped)
        doctor_say(d, DOCTOR_WARN, "trace", "the disk was full, or an event too large: give it room", "%llu events were dropped", t->dropped);
    if (t->torn)
        doctor_say(d, DOCTOR_WARN, "trace", "nothing that was acknowledged is lost; `wye trace` reads up to the tear", "%llu segments end torn: their worker was killed while it wrote", t->torn);
    if (t->abandoned)
        doctor_say(d, DOCTOR_WARN, "trace", "the next start of the server closes them", "%llu segments were left open by a server that was killed", t->abandoned);
    if (t->writer && d->status.p == NULL)
        doctor_say(d, DOCTOR_WARN, "trace", "give its --admin, or end it: kill -TERM its master", "process %ld writes it, but no server answers at %s", t->writer, d->options->admin);
    doctor_say(d, DOCTOR_OK, "trace", NULL, "%llu segments, %llu MiB, the oldest begun %.1f hours ago", t->segments, t->bytes >> 20, hours);
}

void doctor_trace(struct doctor *d)
{
    struct segment_name *names = NULL;
    struct tally t = {0};
    int count = segment_list(d->trace, -1, &names, NULL);
    for (int i = 0; i < count; i++)
        look_at_segment(d, &t, &names[i]);
    free(names);
    if (count > 0)
        judge(d, &t);
    else
        doctor_say(d, DOCTOR_OK, "trace", NULL, "none in %s yet", d->trace);
}
