#include "cmd/save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "trace/saved.h"

enum { LONGEST_PATH = 4096 };

/* A spec that is there, and perhaps was changed by hand, stays. */
static int write_spec(const char *dir, struct str id, struct str text, char *path, size_t size, struct err *err)
{
    snprintf(path, size, "%s/specs", dir);
    if (mkdir(path, 0777) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYSTEM, "cannot make %s: %s", path, strerror(errno));
    snprintf(path, size, "%s/specs/" STR_FMT "_spec.lua", dir, STR_ARG(id));
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set(err, ERR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
    bool is_whole = write(fd, text.p, text.len) == (ssize_t)text.len;
    int error = errno;
    if (close(fd) == 0 && is_whole)
        return 0;
    unlink(path);
    return err_set(err, ERR_SYSTEM, "cannot write %s: %s", path, strerror(error));
}

static int save(struct captures *all, const char *id, const char *dir, char *path, size_t size, struct err *err)
{
    const struct captured *c = captures_find(all, str_of(id), err);
    struct buf text = BUF(SAVED_MAX);
    int result = c ? saved_write(&text, c, err) : -1;
    if (result == 0)
        result = write_spec(dir, c->id, buf_str(&text), path, size, err);
    buf_clear(&text);
    return result;
}

int save_decision(const struct options *o, const char *trace, const char *id, const char *dir)
{
    char path[LONGEST_PATH];
    struct err err;
    struct captures *all = captures_open(trace, 0, &err);
    int result = all ? save(all, id, dir, path, sizeof path, &err) : -1;
    if (all)
        captures_close(all);
    if (result < 0)
        return complain_of(o, &err);
    if (o->json)
        printf("{\"file\":\"%s\"}\n", path);
    else
        printf("%s\n", path);
    return EXIT_OK;
}
