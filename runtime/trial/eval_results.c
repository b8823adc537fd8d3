#include "trial/eval_results.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/jsonl.h"

enum { ARENA_MOST = 1 << 30, LINE_MOST = 64 << 20 };

void eval_results_open(struct eval_results *r, const struct eval_cases *set)
{
    *r = (struct eval_results){.set = set, .answered_by = "", .arena = ARENA(ARENA_MOST)};
    r->at = xcalloc((size_t)set->count, sizeof *r->at);
    for (int i = 0; i < set->count; i++)
        r->at[i].model = r->at[i].cause = r->at[i].reason = r->at[i].line = r->at[i].decision = r->at[i].judge_reason = "";
}

void eval_results_close(struct eval_results *r)
{
    if (r->file)
        fclose(r->file);
    free(r->at);
    arena_clear(&r->arena);
    *r = (struct eval_results){0};
}

int eval_results_unanswered(const struct eval_results *r, int *first)
{
    int count = 0;
    *first = -1;
    for (int i = r->set->count - 1; i >= 0; i--)
        if (r->at[i].status && r->at[i].status != 200) {
            count++;
            *first = i;
        }
    return count;
}

/* "" when absent. */
static const char *text_of(struct arena *arena, struct str object, const char *name)
{
    struct str text = json_text(json_get(object, name), arena);
    return text.p ? text.p : "";
}

static double number_of(struct str object, const char *name)
{
    double number = 0;
    return json_number(json_get(object, name), &number) ? number : 0;
}

static void read_reply(struct arena *arena, struct eval_outcome *o, struct str reply)
{
    o->reply = arena_str(arena, reply);
    o->text = json_text(json_pointer(o->reply, "/choices/0/message/content"), arena);
    if (o->text.p == NULL)
        o->text = str_of("");
}

static void read_decision(struct arena *arena, struct eval_outcome *o, struct str decision)
{
    o->model = text_of(arena, decision, "served");
    o->cause = text_of(arena, decision, "cause");
    o->reason = text_of(arena, decision, "reason");
    o->line = text_of(arena, decision, "line");
    o->decision = text_of(arena, decision, "id");
    o->usd = number_of(decision, "usd");
    o->ms = number_of(decision, "ms");
}

static void read_attempts(struct eval_outcome *o, struct str attempts)
{
    for (struct json_walk w = json_walk(attempts); json_next(&w);)
        if (json_is_true(json_get(w.value, "served"))) {
            o->served_usd = number_of(w.value, "usd");
            o->served_ms = number_of(w.value, "ms");
        }
}

void eval_results_take(struct eval_results *r, int i, int status, struct str body, struct str decision)
{
    struct eval_outcome *o = &r->at[i];
    o->status = status;
    read_reply(&r->arena, o, json_validate(body, NULL) == 0 ? json_pointer(body, "") : str_of("null"));
    decision = json_validate(decision, NULL) == 0 ? json_pointer(decision, "") : str_of("{\"attempts\":[]}");
    read_decision(&r->arena, o, decision);
    read_attempts(o, json_get(decision, "attempts"));
}

/* ---- the file ---- */

void eval_outcome_read(struct eval_outcome *o, struct str row, struct arena *arena)
{
    struct str judge = json_get(row, "judge"), text = json_get(row, "text");
    read_decision(arena, o, row);
    o->decision = text_of(arena, row, "decision");
    o->model = text_of(arena, row, "model");
    o->served_usd = number_of(row, json_get(row, "served_usd").p ? "served_usd" : "usd");
    o->served_ms = number_of(row, json_get(row, "served_ms").p ? "served_ms" : "ms");
    o->status = json_get(row, "status").p ? (int)number_of(row, "status") : 200;
    read_reply(arena, o, json_get(row, "reply").p ? json_get(row, "reply") : str_of("null"));
    if (text.p)
        o->text = json_text(text, arena);
    if (o->text.p == NULL)
        o->text = str_of("");
    o->is_judged = json_type(judge) == JSON_OBJECT;
    o->judge_agrees = json_is_true(json_get(judge, "pass"));
    o->judge_reason = text_of(arena, judge, "reason");
    o->judge_usd = number_of(judge, "usd");
}

/* Takes a line that was written for a case that is still the same; what a route asked on its way is for eval_replies.h. */
static void take_line(struct eval_results *r, struct str row)
{
    struct str key = json_plain(json_get(row, "key"));
    for (int i = 0; i < r->set->count && !json_is_true(json_get(row, "asked")); i++) {
        if (!str_eq(key, r->set->at[i].key))
            continue;
        r->before += r->at[i].status == 0;
        eval_outcome_read(&r->at[i], row, &r->arena);
    }
}

int eval_results_load(struct eval_results *r, const char *path, struct err *err)
{
    struct str row;
    if (access(path, F_OK) < 0)
        return errno == ENOENT ? 0 : err_set(err, ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    struct jsonl *lines = jsonl_open(path, err);
    int got = -1;
    while (lines && (got = jsonl_next(lines, &row, err)) > 0)
        take_line(r, row);
    jsonl_close(lines);
    return got;
}

int eval_results_keep(struct eval_results *r, const char *path, struct err *err)
{
    r->file = fopen(path, "ae");
    return r->file ? 0 : err_set(err, ERR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
}

static void put(struct buf *out, const char *before, const char *text)
{
    buf_puts(out, before);
    json_quote(out, str_of(text));
}

bool eval_results_write(struct eval_results *r, int i)
{
    const struct eval_outcome *o = &r->at[i];
    struct buf out = BUF(LINE_MOST);
    put(&out, "{\"id\":", r->set->at[i].id);
    put(&out, ",\"key\":", r->set->at[i].key);
    put(&out, ",\"decision\":", o->decision);
    put(&out, ",\"model\":", o->model);
    put(&out, ",\"cause\":", o->cause);
    put(&out, ",\"reason\":", o->reason);
    put(&out, ",\"line\":", o->line);
    buf_printf(&out, ",\"status\":%d,\"usd\":%.9g,\"ms\":%.9g,\"served_usd\":%.9g,\"served_ms\":%.9g,\"reply\":" STR_FMT, o->status, o->usd, o->ms,
               o->served_usd, o->served_ms, STR_ARG(o->reply));
    if (o->is_judged) {
        buf_printf(&out, ",\"judge\":{\"pass\":%s,\"usd\":%.9g", o->judge_agrees ? "true" : "false", o->judge_usd);
        put(&out, ",\"reason\":", o->judge_reason);
        buf_putc(&out, '}');
    }
    buf_puts(&out, "}\n");
    bool is_written = fwrite(out.p, 1, out.len, r->file) == out.len && fflush(r->file) == 0;
    buf_clear(&out);
    return is_written;
}

bool eval_results_write_asked(struct eval_results *r, int i, struct str model, struct str reply, double usd, double ms)
{
    struct buf out = BUF(LINE_MOST);
    put(&out, "{\"id\":", r->set->at[i].id);
    put(&out, ",\"key\":", r->set->at[i].key);
    buf_puts(&out, ",\"asked\":true,\"model\":");
    json_quote(&out, model);
    buf_printf(&out, ",\"usd\":%.9g,\"ms\":%.9g,\"reply\":" STR_FMT "}\n", usd, ms, STR_ARG(reply));
    bool is_written = fwrite(out.p, 1, out.len, r->file) == out.len && fflush(r->file) == 0;
    buf_clear(&out);
    return is_written;
}
