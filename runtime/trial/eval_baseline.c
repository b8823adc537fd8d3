#include "trial/eval_baseline.h"

#include <errno.h>

#include "base/clock.h"
#include "base/json.h"

enum { FILE_MOST = 64 << 20, PIECE = 64 * 1024, VERSION = 1 };

void eval_baseline_path(const char *project, const char *route, char *out, size_t size)
{
    snprintf(out, size, "%s/evals/%s.baseline.json", project, route);
}

static void take(struct eval_results *was, struct str row)
{
    double number;
    for (int i = 0; i < was->set->count; i++) {
        struct eval_outcome *o = &was->at[i];
        if (!str_eq(json_plain(json_get(row, "key")), was->set->at[i].key))
            continue;
        struct str model = json_text(json_get(row, "model"), &was->arena);
        o->verdict = json_is_true(json_get(row, "passed")) ? EVAL_PASSED : EVAL_FAILED;
        o->model = model.p ? model.p : "";
        o->usd = json_number(json_get(row, "usd"), &number) ? number : 0;
        o->ms = json_number(json_get(row, "ms"), &number) ? number : 0;
        return;
    }
}

int eval_baseline_read(struct eval_results *was, const char *path, struct err *err)
{
    struct buf text = BUF(FILE_MOST);
    char piece[PIECE];
    struct err why;
    int failed = 0;
    int64_t version;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return errno == ENOENT ? 0 : err_set(err, ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    for (size_t n; failed == 0 && (n = fread(piece, 1, sizeof piece, f)) > 0;)
        failed = buf_append(&text, piece, n);
    fclose(f);
    if (failed)
        err_set(err, ERR_LIMIT, "%s is larger than %d MiB", path, FILE_MOST >> 20);
    else if ((failed = json_validate(buf_str(&text), &why)) < 0)
        err_set(err, ERR_MALFORMED, "%s: no valid JSON: %s", path, why.message);
    else if (!json_integer(json_pointer(buf_str(&text), "/version"), &version) || version != VERSION)
        failed = err_set(err, ERR_MALFORMED, "%s is no baseline of this version: `wye eval --save` writes it", path);
    struct str by = failed ? str_n(NULL, 0) : json_text(json_pointer(buf_str(&text), "/answered_by"), &was->arena);
    was->answered_by = by.p ? by.p : "";
    for (struct json_walk w = json_walk(failed ? str_of("[]") : json_pointer(buf_str(&text), "/cases")); json_next(&w);)
        take(was, w.value);
    buf_clear(&text);
    return failed ? -1 : 1;
}

static void write_case(FILE *f, const struct eval_case *c, const struct eval_outcome *o)
{
    struct buf row = BUF(PIECE);
    buf_puts(&row, "{\"id\":");
    json_quote(&row, str_of(c->id));
    buf_printf(&row, ",\"key\":\"%s\",\"passed\":%s,\"model\":", c->key, o->verdict == EVAL_PASSED ? "true" : "false");
    json_quote(&row, str_of(o->model));
    buf_printf(&row, ",\"usd\":%.9g,\"ms\":%.6g}", o->usd, o->ms);
    fwrite(row.p, 1, row.len, f);
    buf_clear(&row);
}

int eval_baseline_write(const struct eval_results *r, const char *path, const char *generation, struct err *err)
{
    char aside[EVAL_PATH + 16], when[40];
    bool is_first = true;
    snprintf(aside, sizeof aside, "%s.new", path);
    FILE *f = fopen(aside, "we");
    if (f == NULL)
        return err_set(err, ERR_SYSTEM, "cannot write %s: %s", aside, strerror(errno));
    fprintf(f, "{\"version\":%d,\"route\":\"%s\",\"generation\":\"%s\",\"at\":\"%s\",\"answered_by\":\"%s\",\"cases\":[", VERSION, r->set->route,
            generation, clock_format(clock_wall_us(), when, sizeof when), r->answered_by);
    for (int i = 0; i < r->set->count; i++) {
        if (r->at[i].verdict != EVAL_PASSED && r->at[i].verdict != EVAL_FAILED)
            continue;
        fputs(is_first ? "\n" : ",\n", f);
        write_case(f, &r->set->at[i], &r->at[i]);
        is_first = false;
    }
    fputs("\n]}\n", f);
    bool is_written = !ferror(f);
    is_written &= fclose(f) == 0;
    if (is_written && rename(aside, path) == 0)
        return 0;
    remove(aside);
    return err_set(err, ERR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
}
