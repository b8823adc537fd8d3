#include "proc/store.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STORE_PREFIX = 6 };

static int make_folder(const char *path, struct err *err)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return err_set(err, ERR_SYSTEM, "the name of the state directory is too long");
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char was = *p;
        *p = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST)
            return err_set(err, ERR_SYSTEM, "cannot make the state directory %s: %s", part, strerror(errno));
        if (was == '\0')
            return 0;
        *p = was;
    }
}

static int write_all(int fd, struct str bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.p, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        bytes = str_n(bytes.p + n, bytes.len - (size_t)n);
    }
    return 0;
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

/* Replaces FOLDER/NAME by `bytes`, or leaves it as it was. */
static int replace_file(const char *folder, const char *name, struct str bytes, struct err *err)
{
    char path[PATH_MAX], aside[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(aside, sizeof aside, "%s/.%s.new", folder, name);
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set(err, ERR_SYSTEM, "cannot write in the state directory: %s: %s", aside, strerror(errno));
    bool is_written = write_all(fd, bytes) == 0 && fsync(fd) == 0;
    is_written = close(fd) == 0 && is_written;
    if (!is_written || rename(aside, path) < 0) {
        err_set(err, ERR_SYSTEM, "cannot write in the state directory: %s: %s", path, strerror(errno));
        unlink(aside);
        return -1;
    }
    sync_folder(folder);
    return 0;
}

static bool is_hash(const char *s)
{
    size_t n = 0;
    while (isxdigit((unsigned char)s[n]))
        n++;
    return n == STORE_HASH && s[n] == '\0';
}

int store_open(const char *dir, struct err *err)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/generations", dir);
    if (make_folder(folder, err) < 0)
        return -1;
    if (replace_file(dir, "probe", str_of("wye\n"), err) < 0)
        return -1;
    snprintf(folder, sizeof folder, "%s/probe", dir);
    unlink(folder);
    return 0;
}

struct kept {
    char hash[STORE_HASH + 1];
    struct timespec at;
};

static int by_age(const void *a, const void *b)
{
    const struct timespec *x = &((const struct kept *)a)->at, *y = &((const struct kept *)b)->at;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static int list_kept(DIR *d, struct kept *all, int max)
{
    int n = 0;
    for (struct dirent *e; n < max && (e = readdir(d)) != NULL;) {
        struct stat st;
        if (!is_hash(e->d_name) || fstatat(dirfd(d), e->d_name, &st, 0) < 0)
            continue;
        memcpy(all[n].hash, e->d_name, STORE_HASH + 1);
        all[n++].at = st.st_mtim;
    }
    return n;
}

static void prune(const char *dir, const char *folder, const char *newest)
{
    DIR *d = opendir(folder);
    if (!d)
        return;
    struct kept all[STORE_KEEP * 8];
    int n = list_kept(d, all, STORE_KEEP * 8);
    qsort(all, (size_t)n, sizeof *all, by_age);
    char current[STORE_HASH + 1] = "";
    store_current(dir, current, NULL);
    for (int i = 0, left = n; i < n && left > STORE_KEEP; i++) {
        if (strcmp(all[i].hash, current) == 0 || strcmp(all[i].hash, newest) == 0)
            continue;
        unlinkat(dirfd(d), all[i].hash, 0);
        left--;
    }
    closedir(d);
}

int store_write(const char *dir, const char *hash, struct str packed, struct err *err)
{
    if (!is_hash(hash))
        return err_set(err, ERR_SYSTEM, "'%s' is no hash of a generation", hash);
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/generations", dir);
    if (replace_file(folder, hash, packed, err) < 0)
        return -1;
    prune(dir, folder, hash);
    return 0;
}

int store_put(const char *dir, const char *name, struct str bytes, struct err *err)
{
    return replace_file(dir, name, bytes, err);
}

int store_set_current(const char *dir, const char *hash, struct err *err)
{
    char line[STORE_HASH + 2];
    snprintf(line, sizeof line, "%s\n", hash);
    return replace_file(dir, "current", str_of(line), err);
}

int store_current(const char *dir, char *out, struct err *err)
{
    char path[PATH_MAX], line[STORE_HASH + 2] = "";
    snprintf(path, sizeof path, "%s/current", dir);
    FILE *f = fopen(path, "re");
    if (f) {
        if (!fgets(line, sizeof line, f))
            line[0] = '\0';
        fclose(f);
    }
    line[strcspn(line, "\n")] = '\0';
    if (!is_hash(line))
        return err_set(err, ERR_SYSTEM, "%s names no earlier generation", path);
    memcpy(out, line, STORE_HASH + 1);
    return 0;
}

/* The one kept hash that begins so. */
static int find_hash(const char *folder, const char *prefix, char *out, struct err *err)
{
    DIR *d = opendir(folder);
    if (!d)
        return err_set(err, ERR_SYSTEM, "cannot read %s: %s", folder, strerror(errno));
    int found = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (!is_hash(e->d_name) || strncmp(e->d_name, prefix, strlen(prefix)) != 0)
            continue;
        memcpy(out, e->d_name, STORE_HASH + 1);
        found++;
    }
    closedir(d);
    if (found == 0)
        return err_set(err, ERR_SYSTEM, "%s keeps no generation %s (the newest %d are kept)", folder, prefix,
                       STORE_KEEP);
    if (found > 1)
        return err_set(err, ERR_SYSTEM, "several generations begin with %s: give more digits", prefix);
    return 0;
}

static int read_whole(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    ssize_t n;
    char *room = NULL;
    while ((room = buf_room(out, 64 * 1024)) != NULL && (n = read(fd, room, 64 * 1024)) > 0)
        buf_grow(out, (size_t)n);
    int failed = errno;
    close(fd);
    if (!room)
        return err_set(err, ERR_LIMIT, "%s is larger than a generation may be", path);
    return n == 0 ? 0 : err_set(err, ERR_SYSTEM, "cannot read %s: %s", path, strerror(failed));
}

int store_read(const char *dir, const char *prefix, struct buf *out, struct err *err)
{
    size_t digits = strspn(prefix, "0123456789abcdef");
    if (digits < STORE_PREFIX || digits > STORE_HASH || prefix[digits] != '\0')
        return err_set(err, ERR_SYSTEM, "'%s' is no hash: at least %d hex digits", prefix, STORE_PREFIX);
    char folder[PATH_MAX], hash[STORE_HASH + 1], path[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/generations", dir);
    if (find_hash(folder, prefix, hash, err) < 0)
        return -1;
    if (snprintf(path, sizeof path, "%s/%s", folder, hash) >= (int)sizeof path)
        return err_set(err, ERR_SYSTEM, "the name of the state directory is too long");
    return read_whole(path, out, err);
}

int store_get(const char *dir, const char *name, struct buf *out, struct err *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return err_set(err, ERR_SYSTEM, "the name of the state directory is too long");
    return read_whole(path, out, err);
}
