/* wye classify MODEL < jsonl: one line out for each line in. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "classify/classifier.h"
#include "classify/jsonl.h"
#include "classify/similar.h"
#include "cmd/command.h"
#include "cmd/complain.h"

/* One of the two, as the file's kind says. */
struct learnt {
    struct classifier *classifier;
    struct similar *similar;
};

static int open_learnt(struct learnt *l, struct str bytes, struct err *err)
{
    struct modelfile m;
    if (modelfile_read(&m, bytes, err) < 0)
        return -1;
    if (str_eq(modelfile_kind(&m), "similar"))
        l->similar = similar_open(bytes, err);
    else
        l->classifier = classifier_open(bytes, err);
    return l->similar || l->classifier ? 0 : -1;
}

static struct likeness read_text(const struct learnt *l, struct str text)
{
    if (l->similar)
        return similar_read(l->similar, text);
    struct verdict v = classifier_read(l->classifier, text);
    return (struct likeness){v.label, v.p, v.known};
}

/* Whoever sends a line and waits for its answer gets it: output is held back only while more input is there. */
static bool would_wait(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&in, 1, 0) == 0;
}

static int print(const struct likeness *like, struct buf *out, struct err *err)
{
    buf_reset(out);
    buf_puts(out, "{\"label\":");
    json_quote(out, like->label);
    buf_printf(out, ",\"p\":%.6f,\"known\":%.6f}\n", like->p, like->known);
    if (fwrite(out->p, 1, out->len, stdout) == out->len && (!would_wait() || fflush(stdout) == 0))
        return 0;
    return err_set(err, ERR_SYSTEM, "cannot write: %s", strerror(errno));
}

static int read_all(const struct learnt *l, struct err *err)
{
    struct jsonl *in = jsonl_open("-", err);
    struct arena arena = ARENA(2 * JSONL_LINE);
    struct buf out = BUF(4096);
    struct str row, text;
    int got = -1;
    while (in && (got = jsonl_next(in, &row, err)) > 0) {
        arena_reset(&arena);
        if ((got = jsonl_text(in, row, "text", &arena, &text, err)) < 0)
            break;
        struct likeness like = read_text(l, text);
        if ((got = print(&like, &out, err)) < 0)
            break;
    }
    if (fflush(stdout) != 0 && got == 0)
        got = err_set(err, ERR_SYSTEM, "cannot write: %s", strerror(errno));
    jsonl_close(in);
    arena_clear(&arena);
    buf_clear(&out);
    return got;
}

static void close_learnt(struct learnt *l)
{
    if (l->classifier)
        classifier_close(l->classifier);
    if (l->similar)
        similar_close(l->similar);
}

int cmd_classify(struct options *o)
{
    struct str bytes = {NULL, 0};
    struct learnt l = {0};
    struct err err;
    if (modelfile_map(o->args[0], &bytes, &err) < 0)
        return complain_of(o, &err);
    if (open_learnt(&l, bytes, &err) < 0) {
        modelfile_unmap(bytes);
        return complain(o, EXIT_REFUSED, "%s: %s", o->args[0], err.message);
    }
    int result = read_all(&l, &err);
    close_learnt(&l);
    modelfile_unmap(bytes);
    return result < 0 ? complain_of(o, &err) : EXIT_OK;
}
