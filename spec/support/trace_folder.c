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
