#include "proc/title.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/alloc.h"

static char *area; /* where the kernel looks; NULL: unknown */
static size_t area_size;

/* proc_pid_stat(5): fields 48 to 51 are arg_start, arg_end, env_start, env_end. */
static int read_bounds(uintptr_t bounds[4])
{
    char line[2048];
    FILE *f = fopen("/proc/self/stat", "re");
    if (!f)
        return -1;
    size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = '\0';
    char *at = strrchr(line, ')'); /* ends field 2, which may hold blanks */
    for (int field = 2; at && field < 48; field++)
        at = strchr(at + 1, ' ');
    for (int i = 0; i < 4; i++)
        bounds[i] = at ? strtoul(at, &at, 10) : 0;
    return bounds[0] && bounds[1] > bounds[0] ? 0 : -1;
}

/* The strings stay for as long as the process does, as those that they replace. */
static void move_environment(void)
{
    static char **moved;
    size_t n = 0;
    while (environ[n])
        n++;
    moved = xcalloc(n + 1, sizeof *moved);
    for (size_t i = 0; i < n; i++)
        moved[i] = xstrdup(environ[i]);
    environ = moved;
}

void title_init(void)
{
    uintptr_t b[4];
    if (area || read_bounds(b) < 0)
        return;
    uintptr_t end = b[2] == b[1] && b[3] > b[2] ? b[3] : b[1];
    move_environment();
    area = (char *)b[0];
    area_size = end - b[0];
}

void title_set(const char *title)
{
    prctl(PR_SET_NAME, title);
    if (!area)
        return;
    memset(area, 0, area_size);
    snprintf(area, area_size, "%s", title);
}
