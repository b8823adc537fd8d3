#include "trial/eval_replies.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/jsonl.h"
#include "trial/trial.h"
#include "serve/usage.h"
#include "vm/lines.h"

enum { ARENA_MOST = 1 << 30 };

struct recording {
    int of; /* case */
    struct eval_outcome said;
    enum err_kind error; /* ERR_NONE: it answered */
    bool is_used;        /* by the run that is under way */
};

struct eval_replies {
    const struct eval_cases *set;
    struct generation *generation;
    struct trial *trial;
    struct arena arena;
    struct recording *at;
    int count, room;
    int now; /* the case that is decided */
    struct eval_outcome *outcome;
    struct arena *kept; /* outlives this */
    bool is_missing;
};

/* ---- the file ---- */

static int read_error(struct eval_replies *r, const struct jsonl *lines, struct str error, enum err_kind *kind, struct err *err)
{
    struct str name = json_text(error, &r->arena);
    *kind = name.p ? err_kind_of(name.p) : ERR_NONE;
    if (*kind != ERR_NONE && *kind <= ERR_CANCELLED)
        return 0;
    return jsonl_fail(lines, err, "field 'error': '%s' is no kind of error, such as timeout or overloaded", name.p ? name.p : "");
}

static int read_row(struct eval_replies *r, const struct jsonl *lines, struct str row, struct err *err)
{
    struct str id = json_text(json_get(row, "id"), &r->arena), error = json_get(row, "error");
    enum err_kind kind = ERR_NONE;
    if (id.p == NULL || (!json_get(row, "reply").p && !json_get(row, "text").p && !error.p))
        return jsonl_fail(lines, err, "no reply: {\"id\": the case's, \"text\": what was answered} is the least");
    if (error.p && read_error(r, lines, error, &kind, err) < 0)
        return -1;
    for (int i = 0; i < r->set->count; i++) {
        if (!str_eq(id, r->set->at[i].id))
            continue;
        if (r->count == r->room) {
            r->room = r->room ? 2 * r->room : 64;
            r->at = xrealloc(r->at, (size_t)r->room * sizeof *r->at);
        }
        struct recording *new = &r->at[r->count++];
        *new = (struct recording){.of = i, .error = kind};
        eval_outcome_read(&new->said, row, &r->arena);
    }
    return 0;
}

/* ---- what models answer ---- */

/* The next answer of that model to this case; its last one stays. */
static struct recording *find(struct eval_replies *r, const char *model)
{
    struct recording *last = NULL;
    for (int i = 0; i < r->count; i++) {
        struct recording *a = &r->at[i];
        if (a->of != r->now || (a->said.model[0] && strcmp(a->said.model, model) != 0))
            continue;
        last = a;
        if (!a->is_used)
            break;
    }
    return last;
}

static struct recording *take(struct eval_replies *r, const char *model)
{
    struct recording *a = find(r, model);
    if (a == NULL) {
        snprintf(r->outcome->why, sizeof r->outcome->why, "%s has no answer in the file", model);
        r->is_missing = true;
        return NULL;
    }
    a->is_used = true;
    r->outcome->usd += a->said.served_usd;
    r->outcome->ms += a->said.served_ms;
    return a;
}

static void answer(struct trial *t, struct trial_ask *ask)
{
    const struct recording *a = take(t->arg, ask->model->id);
    struct reply *reply = ask->reply;
    if (a == NULL || a->error != ERR_NONE) {
        trial_fault(reply, a ? a->error : ERR_SYSTEM);
        return;
    }
    if (json_type(a->said.reply) == JSON_OBJECT) {
        reply->status = a->said.status;
        reply->body = a->said.reply;
        reply->usage = usage_read(json_get(a->said.reply, "usage"));
    } else {
        trial_text(t, reply, a->said.text);
    }
    reply->usd = a->said.served_usd;
    reply->ms = (unsigned)a->said.served_ms;
}

/* ---- what comes of it ---- */

/* The answer that the client would get. */
static void serve(struct eval_replies *r, const struct eval_outcome *said, const char *model)
{
    struct eval_outcome *o = r->outcome;
    o->status = said->status;
    o->reply = arena_str(r->kept, said->reply);
    o->text = arena_str(r->kept, said->text);
    o->model = model; /* the generation's */
    o->is_judged = said->is_judged;
    o->judge_agrees = said->judge_agrees;
    o->judge_reason = arena_strdup(r->kept, said->judge_reason);
    o->judge_usd = said->judge_usd;
}

static void fail(struct eval_outcome *o, int status)
{
    o->status = status;
    o->reply = str_of("{}");
    o->text = str_of("");
}

/* The first of the models that answers. */
static void serve_list(struct eval_replies *r, const struct model *const *models, int count, uint32_t next_on)
{
    for (int i = 0; i < count; i++) {
        const struct recording *a = take(r, models[i]->id);
        if (a == NULL)
            return;
        if (a->error == ERR_NONE) {
            r->outcome->cause = i && strcmp(r->outcome->cause, "script") == 0 ? "failover" : r->outcome->cause;
            serve(r, &a->said, models[i]->id);
            return;
        }
        if (!(next_on & 1u << a->error))
            break;
    }
    fail(r->outcome, 502);
}

/* A reply that the route held: which of the recorded ones it was tells what a judge said of it. */
static void serve_reply(struct eval_replies *r, const struct reply *reply)
{
    struct str text = reply_text(reply, &r->trial->arena);
    fail(r->outcome, 500);
    for (int i = 0; i < r->count; i++) {
        const struct recording *a = &r->at[i];
        if (a->of == r->now && a->is_used && a->error == ERR_NONE && str_same(a->said.text, text))
            serve(r, &a->said, reply->model->id);
    }
}

static void read_decision(struct eval_replies *r)
{
    struct trial *t = r->trial;
    struct eval_outcome *o = r->outcome;
    const struct decision *d = &t->decision;
    const struct manifest *files = r->generation->files;
    const struct model *fallback = r->generation->config->fallback;
    o->cause = t->has_failed ? "script_error" : "script";
    o->reason = arena_strndup(r->kept, t->has_failed ? t->err.message : d->reason.p ? d->reason.p : "", t->has_failed ? strlen(t->err.message) : d->reason.len);
    if (t->place)
        o->line = arena_printf(r->kept, "%s/%s:%d", manifest_label(files), manifest_path(files, lines_file(t->place)), lines_line(t->place));
    if (t->has_failed && fallback == NULL)
        fail(o, 500);
    else if (t->has_failed)
        serve_list(r, &fallback, 1, 0);
    else if (d->kind == DECIDE_REFUSAL)
        fail(o, d->status);
    else if (d->kind == DECIDE_REPLY)
        serve_reply(r, d->reply);
    else
        serve_list(r, d->models, d->count, d->next_on);
}

bool eval_replies_decide(struct eval_replies *r, int i, struct eval_results *results)
{
    const struct route *route = generation_route(r->generation, str_of(r->set->route));
    r->now = i;
    r->outcome = &results->at[i];
    r->kept = &results->arena;
    r->is_missing = false;
    for (int k = 0; k < r->count; k++)
        r->at[k].is_used = false;
    trial_run(r->trial, route, r->set->at[i].request);
    if (!r->is_missing)
        read_decision(r);
    if (r->is_missing)
        r->outcome->status = 0;
    return !r->is_missing;
}

struct eval_replies *eval_replies_open(const char *path, const struct eval_cases *set, struct generation *g, struct err *err)
{
    struct eval_replies *r = xcalloc(1, sizeof *r);
    struct jsonl *lines = jsonl_open(path, err);
    struct str row;
    int got = -1;
    *r = (struct eval_replies){.set = set, .generation = g, .trial = trial_new(g), .arena = ARENA(ARENA_MOST)};
    r->trial->answer = answer;
    r->trial->arg = r;
    while (lines && (got = jsonl_next(lines, &row, err)) > 0)
        if (read_row(r, lines, row, err) < 0) {
            got = -1;
            break;
        }
    jsonl_close(lines);
    if (got == 0)
        return r;
    eval_replies_close(r);
    return NULL;
}

void eval_replies_close(struct eval_replies *r)
{
    trial_free(r->trial);
    free(r->at);
    arena_clear(&r->arena);
    free(r);
}
