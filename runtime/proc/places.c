#include "proc/places.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/server.h"

enum { FEW_DESCRIPTORS = 4096, LEAST_DESCRIPTORS = 64, DESCRIPTORS_PER_WORKER = 4, ORPHANS_MS = 32 * 1000, ORPHANS_TICK_MS = 20 };

static const unsigned long long SEGMENT = 16ull << 20;

static int share(int *fds, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        if ((fds[i] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0)) < 0)
            return -1;
    return 0;
}

int places_listen(const char *address, int *fds, unsigned count, struct err *err)
{
    bool is_unix = strncmp(address, "unix:", 5) == 0;
    fds[0] = listen_open(address, false, err);
    if (fds[0] < 0)
        return -1;
    if (is_unix)
        return share(fds, count) == 0 ? 0 : err_set(err, ERR_SYSTEM, "cannot share %s: %s", address, strerror(errno));
    char name[128];
    listen_name(fds[0], name, sizeof name);
    close(fds[0]);
    for (unsigned i = 0; i < count; i++)
        if ((fds[i] = listen_open(name, true, err)) < 0)
            return -1;
    return 0;
}

void places_unlisten(const char *address)
{
    if (strncmp(address, "unix:", 5) == 0)
        unlink(address + 5);
}

int places_project(const char *dir, struct err *err)
{
    char path[PATH_MAX];
    struct stat st;
    if (stat(dir, &st) < 0 && errno == ENOENT && access("wye.lua", R_OK) == 0)
        return err_set(err, ERR_SYSTEM, "there is no project %s here, but this folder is one: name it by a dot, as in `wye check .`", dir);
    if (stat(dir, &st) < 0)
        return err_set(err, ERR_SYSTEM, "cannot read the project %s: %s (a project is a folder with a wye.lua; `wye init %s` makes one)", dir,
                       strerror(errno), dir);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_SYSTEM, "%s is no folder: give the project's folder, which holds wye.lua", dir);
    snprintf(path, sizeof path, "%s/wye.lua", dir);
    if (access(path, R_OK) < 0)
        return err_set(err, ERR_SYSTEM, "cannot read %s: %s (`wye init DIR` makes a project)", path, strerror(errno));
    return 0;
}

static int make_folders(const char *dir)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", dir);
    for (char *p = strchr(part + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST)
            return -1;
        *p = '/';
    }
    return mkdir(part, 0777) < 0 && errno != EEXIST ? -1 : 0;
}

/* ---- a folder for one server ---- */

/* FOLDER/server.lock, which names its owner; it stays open. -1: *owner has it. Where locks do not work nobody is kept out. */
static int take_folder(const char *dir, long *owner)
{
    char path[PATH_MAX], text[32] = "";
    snprintf(path, sizeof path, "%s/server.lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return 0;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) {
        int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
        if (ftruncate(fd, 0) < 0 || write(fd, text, (size_t)len) != len)
            log_warn("cannot write %s: %s", path, strerror(errno));
        return 0;
    }
    if (read(fd, text, sizeof text - 1) > 0)
        *owner = strtol(text, NULL, 10);
    close(fd);
    return -1;
}

static bool is_held(const char *trace_dir, unsigned slot)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%u.lock", trace_dir, slot);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool is_held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    return is_held;
}

static int await_orphans(const char *trace_dir, unsigned workers, struct err *err)
{
    bool was_told = false;
    uint64_t until = clock_ms() + ORPHANS_MS;
    for (unsigned i = 0; i < workers;) {
        if (!is_held(trace_dir, i)) {
            i++;
            continue;
        }
        if (!was_told)
            log_info("workers of a server that was killed still finish what they began; waiting for them, at most %d s", ORPHANS_MS / 1000);
        was_told = true;
        if (clock_ms() > until)
            return err_set(err, ERR_SYSTEM, "a worker of a server that was killed still writes to the trace directory %s: end it, or choose another with --trace DIR", trace_dir);
        poll(NULL, 0, ORPHANS_TICK_MS);
    }
    return 0;
}

int places_claim(const char *trace_dir, const char *state_dir, unsigned workers, struct err *err)
{
    long owner = 0;
    if (make_folders(trace_dir) < 0 || make_folders(state_dir) < 0)
        return 0; /* who opens them says why */
    bool has_trace = take_folder(trace_dir, &owner) == 0, has_state = take_folder(state_dir, &owner) == 0;
    if (has_trace && has_state)
        return await_orphans(trace_dir, workers, err);
    const char *name = has_trace ? "state" : "trace";
    if (!has_trace && !has_state)
        return err_set(err, ERR_SYSTEM, "another server (pid %ld) has the trace in %s and the state in %s: stop it, or give this one its own with --trace DIR --state DIR", owner, trace_dir, state_dir);
    return err_set(err, ERR_SYSTEM, "another server (pid %ld) has the %s in %s: stop it, or give this one its own with --%s DIR", owner, name, has_trace ? state_dir : trace_dir, name);
}

int places_trace(const char *dir, unsigned workers, struct err *err)
{
    char path[PATH_MAX];
    struct statvfs disk;
    if (make_folders(dir) < 0)
        return err_set(err, ERR_SYSTEM, "cannot make the trace directory %s: %s (choose another with --trace DIR)", dir,
                       strerror(errno));
    snprintf(path, sizeof path, "%s/.probe", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set(err, ERR_SYSTEM, "cannot write in the trace directory %s: %s (choose another with --trace DIR)",
                       dir, strerror(errno));
    close(fd);
    unlink(path);
    if (statvfs(dir, &disk) == 0 && (unsigned long long)disk.f_bavail * disk.f_frsize < SEGMENT * workers)
        return err_set(err, ERR_SYSTEM,
                       "the disk of the trace directory %s is full: %llu MiB are needed to begin (free some, or choose another "
                       "with --trace DIR)",
                       dir, (SEGMENT * workers) >> 20);
    return 0;
}

int places_descriptors(unsigned workers, struct err *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    static const char ADVICE[] = "raise it with `ulimit -n 65536`, or LimitNOFILE= in the systemd unit";
    if (limit.rlim_cur < LEAST_DESCRIPTORS + DESCRIPTORS_PER_WORKER * workers)
        return err_set(err, ERR_SYSTEM, "a process may open only %llu files here, too few to begin: %s",
                       (unsigned long long)limit.rlim_cur, ADVICE);
    if (limit.rlim_cur < FEW_DESCRIPTORS)
        log_warn("a process may open only %llu files here, and every request in flight takes two: %s",
                 (unsigned long long)limit.rlim_cur, ADVICE);
    return 0;
}
