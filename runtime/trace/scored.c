#include "trace/scored.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

enum { GROUP_MARKS = 16, GROUPS = 1 << 18 };

struct scored {
    uint32_t groups[GROUPS][GROUP_MARKS]; /* newest first; 0: free */
};

struct scored *scored_open(const char *dir, struct err *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/scored", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *s = MAP_FAILED;
    int error = fd < 0 ? errno : posix_fallocate(fd, 0, sizeof(struct scored)); /* else a full disk were a SIGBUS */
    if (error == 0) {
        s = mmap(NULL, sizeof(struct scored), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        error = s == MAP_FAILED ? errno : 0;
    }
    if (fd >= 0)
        close(fd);
    if (error == 0) {
        madvise(s, sizeof(struct scored), MADV_RANDOM);
        return s;
    }
    err_set(err, ERR_SYSTEM, "trace: no room for %zu bytes of %s: %s", sizeof(struct scored), path, strerror(error));
    return NULL;
}

void scored_close(struct scored *s)
{
    if (s)
        munmap(s, sizeof *s);
}

struct mark {
    uint32_t group, bits;
};

static struct mark mark_of(struct str id, struct str metric)
{
    uint64_t hash = XXH3_64bits_withSeed(metric.p, metric.len, XXH3_64bits(id.p, id.len));
    uint32_t bits = (uint32_t)hash;
    return (struct mark){(uint32_t)(hash >> 32) % GROUPS, bits ? bits : 1};
}

bool scored_has(const struct scored *s, struct str id, struct str metric)
{
    struct mark mark = mark_of(id, metric);
    const uint32_t *group = s->groups[mark.group];
    for (int i = 0; i < GROUP_MARKS; i++)
        if (group[i] == mark.bits)
            return true;
    return false;
}

void scored_mark(struct scored *s, struct str id, struct str metric)
{
    struct mark mark = mark_of(id, metric);
    uint32_t *group = s->groups[mark.group];
    memmove(group + 1, group, sizeof *group * (GROUP_MARKS - 1));
    group[0] = mark.bits;
}
