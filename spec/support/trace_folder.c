#include "trace_folder.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "trace/record.h"

int folder_make(void **state)
{
    char *dir = xstrdup("/tmp/wye-trace-XXXXXX");
    *state = mkdtemp(dir);
    return *state ? 0 : -1;
}

int folder_remove(void **state)
{
    DIR *d = opendir(*state);
    for (struct dirent *entry; d && (entry = readdir(d));)
        unlinkat(dirfd(d), entry->d_name, 0);
    if (d)
        closedir(d);
    rmdir(*state);
    free(*state);
    return 0;
}

struct trace *folder_trace(const char *dir, uint64_t segment_bytes, uint64_t total_bytes)
{
    struct err err;
    struct trace *t = trace_open(&(struct trace_options){dir, 0, segment_bytes, total_bytes}, &err);
    if (t == NULL)
        fail_msg("%s", err.message);
    return t;
}

void folder_begin(struct trace *t, uint64_t number, const char *id)
{
    struct event *e = event_open(t, EVENT_BEGIN, number);
    event_z(e, F_ID, id);
    event_z(e, F_ROUTE, "route");
    event_close(e);
}

void folder_decide(struct trace *t, uint64_t number, const char *id)
{
    folder_begin(t, number, id);
    struct event *e = event_open(t, EVENT_ATTEMPT, number);
    event_int(e, F_N, 1);
    event_z(e, F_MODEL, "sim/fast");
    event_close(e);
    e = event_open(t, EVENT_DECISION, number);
    event_z(e, F_SERVED, "sim/fast");
    event_z(e, F_REASON, id);
    event_close(e);
}
