/* wye classify MODEL < jsonl: one line out for each line in. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "classify/classifier.h"
#include "classify/jsonl.h"
#include "cmd/command.h"

static int fail(const struct err *err)
{
    fprintf(stderr, "wye classify: %s\n", err->message);
    return EXIT_REFUSED;
}

static int print(const struct verdict *v, struct buf *out, struct err *err)
{
    buf_reset(out);
    buf_puts(out, "{\"label\":");
    json_quote(out, v->label);
    buf_printf(out, ",\"p\":%.6f,\"known\":%.6f}\n", v->p, v->known);
    if (fwrite(out->p, 1, out->len, stdout) == out->len)
        return 0;
    return err_set(err, ERR_SYSTEM, "cannot write: %s", strerror(errno));
}

static int read_all(const struct classifier *c, struct err *err)
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
        struct verdict v = classifier_read(c, text);
        if ((got = print(&v, &out, err)) < 0)
            break;
    }
    if (fflush(stdout) != 0 && got == 0)
        got = err_set(err, ERR_SYSTEM, "cannot write: %s", strerror(errno));
    jsonl_close(in);
    arena_clear(&arena);
    buf_clear(&out);
    return got;
}

int cmd_classify(struct options *o)
{
    struct str bytes = {NULL, 0};
    struct err err;
    if (modelfile_map(o->args[0], &bytes, &err) < 0)
        return fail(&err);
    struct classifier *c = classifier_open(bytes, &err);
    if (c == NULL) {
        fprintf(stderr, "wye classify: %s: %s\n", o->args[0], err.message);
        modelfile_unmap(bytes);
        return EXIT_REFUSED;
    }
    int result = read_all(c, &err);
    classifier_close(c);
    modelfile_unmap(bytes);
    return result < 0 ? fail(&err) : EXIT_OK;
}
