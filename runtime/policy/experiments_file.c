#include "policy/experiments_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"

enum { PATH_MOST = 4096, FILE_MOST = 4 << 20 };

/* ---- reading ---- */

static const char *text_of(struct str object, const char *name, struct arena *arena)
{
    struct str text = json_text(json_get(object, name), arena);
    return text.p ? text.p : "";
}

static double number_of(struct str object, const char *name)
{
    double n = 0;
    return json_number(json_get(object, name), &n) ? n : 0;
}

static bool read_arms(struct str arms, struct arena *arena, struct experiment_source *s, struct split *split)
{
    for (struct json_walk w = json_walk(arms); json_next(&w); s->count++) {
        if (s->count == EXPERIMENT_ARMS)
            return false;
        s->arms[s->count] = text_of(w.value, "name", arena);
        s->weights[s->count] = number_of(w.value, "source");
        split->weights[s->count] = number_of(w.value, "weight");
    }
    return s->count > 1;
}

static bool read_one(struct experiments *e, struct str item)
{
    struct arena arena = ARENA(1 << 20);
    struct experiment_source s = {.name = text_of(item, "name", &arena), .salt = text_of(item, "salt", &arena),
                                  .design = text_of(item, "design", &arena)};
    struct split split = {.since_us = (uint64_t)number_of(item, "since_us")};
    const char *origin = text_of(item, "origin", &arena);
    for (int i = 0; i < SPLIT_ORIGIN_COUNT; i++)
        if (strcmp(origin, split_origin_name((enum split_origin)i)) == 0)
            split.origin = i;
    bool is_good = read_arms(json_get(item, "arms"), &arena, &s, &split) && *s.name;
    struct experiment *x = is_good ? experiments_restore(e, &s, (uint64_t)number_of(item, "seen_us")) : NULL;
    if (x && split.origin != SPLIT_SOURCE)
        experiment_set(e, x, &split);
    arena_clear(&arena);
    return is_good;
}

static int read_all(struct experiments *e, struct str json, const char *path, struct err *err)
{
    struct err why;
    if (json_validate(json, &why) < 0)
        return err_set(err, ERR_BAD_REQUEST, "%s cannot be read: %s: move it away to begin anew, with the weights of the source", path, why.message);
    for (struct json_walk w = json_walk(json); json_next(&w);)
        if (!read_one(e, w.value))
            return err_set(err, ERR_BAD_REQUEST, "%s holds something else than experiments: move it away to begin anew, with the weights of the source", path);
    return 0;
}

/* So that there is room for new ones. Nobody holds a place yet. */
static void forget_oldest(struct experiments *e)
{
    struct experiment *oldest = NULL;
    int count = 0;
    for (int i = 0; i < EXPERIMENTS_MOST; i++) {
        struct experiment *x = experiments_at(e, i);
        count += x != NULL;
        if (x && (oldest == NULL || atomic_load(&x->seen_us) < atomic_load(&oldest->seen_us)))
            oldest = x;
    }
    if (count > EXPERIMENTS_KEPT) {
        atomic_store(&oldest->is_used, 0);
        forget_oldest(e);
    }
}

int experiments_file_load(struct experiments *e, const char *state_dir, struct err *err)
{
    char path[PATH_MOST];
    snprintf(path, sizeof path, "%s/experiments.json", state_dir);
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return errno == ENOENT ? 0 : err_set(err, ERR_SYSTEM, "cannot read %s: %s: make it readable, or move it away to begin anew", path, strerror(errno));
    struct buf text = BUF(FILE_MOST);
    char *room = buf_room(&text, FILE_MOST - 1);
    buf_grow(&text, fread(room, 1, FILE_MOST - 1, in));
    fclose(in);
    int result = read_all(e, buf_str(&text), path, err);
    forget_oldest(e);
    buf_clear(&text);
    return result;
}

/* ---- writing ---- */

static void quote(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":", name);
    json_quote(out, str_of(text));
    buf_putc(out, ',');
}

static void write_one(struct buf *out, const struct experiment *x)
{
    struct split split = experiment_split(x);
    buf_putc(out, '{');
    quote(out, "name", x->name);
    quote(out, "salt", x->salt);
    quote(out, "design", x->design);
    quote(out, "origin", split_origin_name((enum split_origin)split.origin));
    buf_printf(out, "\"seen_us\":%" PRIu64 ",\"since_us\":%" PRIu64 ",\"arms\":[", atomic_load(&x->seen_us), split.since_us);
    for (int i = 0; i < x->count; i++) {
        buf_puts(out, i ? ",{" : "{");
        quote(out, "name", x->arms[i]);
        buf_printf(out, "\"source\":%.17g,\"weight\":%.17g}", x->source[i], split.weights[i]);
    }
    buf_puts(out, "]}");
}

static int write_file(const char *path, struct str bytes)
{
    char aside[PATH_MOST + 8];
    snprintf(aside, sizeof aside, "%s.new", path);
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, bytes.p, bytes.len) == (ssize_t)bytes.len && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    return ok && rename(aside, path) == 0 ? 0 : -1;
}

int experiments_file_save(struct experiments *e, const char *state_dir, struct err *err)
{
    char path[PATH_MOST];
    snprintf(path, sizeof path, "%s/experiments.json", state_dir);
    struct buf out = BUF(FILE_MOST);
    lock_take(&e->lock); /* also so that two writers do not meet in the file */
    buf_putc(&out, '[');
    for (int i = 0, count = 0; i < EXPERIMENTS_MOST; i++) {
        const struct experiment *x = experiments_at(e, i);
        if (x == NULL)
            continue;
        buf_puts(&out, count++ ? ",\n" : "");
        write_one(&out, x);
    }
    buf_puts(&out, "]\n");
    int result = write_file(path, buf_str(&out));
    int why = errno;
    lock_drop(&e->lock);
    buf_clear(&out);
    return result == 0 ? 0 : err_set(err, ERR_SYSTEM, "cannot write %s: %s", path, strerror(why));
}
