#include "proc/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

enum { LOOK_MS = 100, DEPTH_MAX = 8 };

static uint64_t look_at(int dir, const char *name, uint64_t sum, int depth);

/* Order must not matter: the kernel lists a folder as it likes. */
static uint64_t look_into(int dir, const char *name, int depth)
{
    uint64_t sum = 0;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.')
            sum = look_at(fd, e->d_name, sum, depth);
    closedir(d);
    return sum;
}

static uint64_t look_at(int dir, const char *name, uint64_t sum, int depth)
{
    struct stat st;
    if (fstatat(dir, name, &st, 0) < 0)
        return sum;
    uint64_t seed = XXH3_64bits(name, strlen(name));
    if (S_ISDIR(st.st_mode))
        return sum + XXH64(&seed, sizeof seed, depth < DEPTH_MAX ? look_into(dir, name, depth + 1) : 0);
    int64_t facts[] = {(int64_t)st.st_ino, st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
    return sum + XXH64(facts, sizeof facts, seed);
}

static void on_tick(void *arg)
{
    struct folder *f = arg;
    uint64_t now = look_into(AT_FDCWD, f->path, 0);
    if (now == f->seen && now != f->told && f->changed(f->arg))
        f->told = now;
    f->seen = now;
    timer_set(&f->tick, LOOK_MS);
}

void folder_open(struct folder *f, struct loop *loop)
{
    f->seen = f->told = look_into(AT_FDCWD, f->path, 0);
    timer_init(&f->tick, loop, on_tick, f);
    timer_set(&f->tick, LOOK_MS);
}

void folder_close(struct folder *f)
{
    timer_clear(&f->tick);
}
