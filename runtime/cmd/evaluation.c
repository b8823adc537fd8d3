#include "cmd/evaluation.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/complain.h"
#include "cmd/eval_frontier.h"
#include "serve/capture.h"
#include "trial/eval_baseline.h"
#include "trial/eval_replies.h"
#include "trial/eval_report.h"
#include "trace/captured.h"

enum { PARALLEL = 8, HASH_SHOWN = 12 };

void evaluation_pin(const struct generation *g, const struct model *model, char *out, size_t size)
{
    snprintf(out, size, "eval-pin-%d", (int)(model - g->config->models));
}

static void judge_route(const struct eval_run *run, const struct model *judge, char *out, size_t size)
{
    evaluation_pin(run->arg, judge, out, size);
}

static void cut(void *arg)
{
    private_kill(arg);
}

static void show_progress(const struct eval_run *run)
{
    int done = 0, passed = 0;
    for (int i = 0; i < run->set->count; i++) {
        done += run->results->at[i].verdict != EVAL_OPEN;
        passed += run->results->at[i].verdict == EVAL_PASSED;
    }
    fprintf(stderr, "\r%s: %d of %d cases, %d passed, $%.4f\033[K", run->set->route, done, run->set->count, passed, run->spent);
}

static void result_path(const struct evaluation *e, const struct eval_cases *set, const struct model *pin, bool is_whole, char *out)
{
    int used = snprintf(out, EVAL_PATH, "%s/%s.%.*s%s", e->folder, set->route, HASH_SHOWN, e->hash, e->options->demo ? ".demo" : "");
    char *id = out + used;
    used += snprintf(id, EVAL_PATH - (size_t)used, "%s%.200s", pin ? "." : "", pin ? pin->id : "");
    for (; *id; id++)
        *id = *id == '/' ? '_' : *id;
    snprintf(out + used, EVAL_PATH - (size_t)used, ".%s", is_whole ? "jsonl" : "part");
}

/* Through the route, its models answering what is recorded of them. */
static int decide_recorded(const struct evaluation *e, const struct eval_cases *set, struct eval_results *r, struct err *err)
{
    struct eval_replies *replies = eval_replies_open(e->options->replies, set, e->generation, err);
    int missing = 0, first = 0;
    for (int i = set->count - 1; replies && i >= 0; i--)
        if (!eval_replies_decide(replies, i, r)) {
            missing++;
            first = i;
        }
    if (missing)
        log_warn("%s: %d of %d cases want an answer that is not recorded, the first of them '%s': %s", set->route, missing, set->count,
                 set->at[first].id, r->at[first].why);
    if (replies)
        eval_replies_close(replies);
    return replies ? 0 : -1;
}

/* What the route asked on its way, as far as the project lets requests be captured, so that another rule can be evaluated on it. */
static void keep_asked(const struct evaluation *e, struct eval_results *r)
{
    char trace[128];
    snprintf(trace, sizeof trace, "%s/trace", e->server.folder);
    struct captures *all = captures_open(trace, 0, NULL);
    for (const struct captured *c; all && (c = captures_next(all));)
        for (int i = 0; i < r->set->count; i++)
            for (int k = 0; k < c->step_count && str_eq(c->id, r->at[i].decision); k++) {
                const struct captured_step *s = &c->steps[k];
                if (str_eq(s->kind, "ask") && s->reply.p && !s->error.len && !(s->flags & STEP_MASKED) && json_validate(s->reply, NULL) == 0)
                    eval_results_write_asked(r, i, s->model, s->reply, s->usd, (double)s->us / 1000);
            }
    if (all)
        captures_close(all);
}

static int open_results(const struct evaluation *e, const struct eval_cases *set, const struct model *pin, struct eval_results *r, struct err *err)
{
    char path[EVAL_PATH];
    eval_results_open(r, set);
    r->answered_by = e->options->replies ? "recorded replies" : e->options->demo ? "the simulator" : "the project's providers";
    if (e->options->replies)
        return decide_recorded(e, set, r, err);
    result_path(e, set, pin, false, path);
    if (eval_results_load(r, path, err) < 0)
        return -1;
    if (r->before)
        log_info("%s: %d of %d cases were answered by a run that was stopped (%s)", set->route, r->before, set->count, path);
    return eval_results_keep(r, path, err);
}

static int close_file(const struct evaluation *e, struct eval_results *r, const struct model *pin, struct err *err)
{
    char part[EVAL_PATH], whole[EVAL_PATH];
    result_path(e, r->set, pin, false, part);
    result_path(e, r->set, pin, true, whole);
    if (r->file && rename(part, whole) < 0)
        return err_set(err, ERR_SYSTEM, "cannot rename %s: %s", part, strerror(errno));
    return 0;
}

/* The set through its route, or with `pin` by that model. The caller closes the results. */
static int run_set(struct evaluation *e, const struct eval_cases *set, const struct model *pin, struct eval_results *results, bool *is_complete,
                   struct err *err)
{
    char route[64];
    struct eval_run run = {
        .set = set,
        .results = results,
        .lua = e->lua,
        .pin = pin ? route : NULL,
        .address = e->is_served ? e->server.address : NULL,
        .admin = e->server.admin,
        .parallel = e->options->parallel ? (int)e->options->parallel : PARALLEL,
        .usd = e->usd > 0 ? fmax(e->usd - e->spent, 1e-12) : 0,
        .until_ms = e->until_ms,
        .stop = e->stop,
        .cut = cut,
        .cut_arg = &e->server,
        .has_judges = !e->options->demo,
        .judge = e->judge,
        .judge_route = judge_route,
        .arg = e->generation,
        .progress = isatty(STDERR_FILENO) ? show_progress : NULL,
    };
    if (pin)
        evaluation_pin(e->generation, pin, route, sizeof route);
    if (open_results(e, set, pin, results, err) < 0)
        return -1;
    int failed = eval_run(&run);
    if (run.asked && !pin)
        keep_asked(e, results);
    if (run.progress)
        fputs("\r\033[K", stderr);
    if (failed)
        *err = run.err;
    else if (run.err.kind != ERR_NONE)
        log_warn("%s", run.err.message);
    e->spent += run.spent;
    *is_complete = run.is_complete;
    e->is_complete &= run.is_complete;
    return failed == 0 && run.is_complete ? close_file(e, results, pin, err) : failed;
}

static int compare(struct evaluation *e, const struct eval_results *r, struct eval_summary *s, struct err *err)
{
    char path[EVAL_PATH];
    struct eval_results was;
    eval_baseline_path(e->project, r->set->route, path, sizeof path);
    eval_results_open(&was, r->set);
    int got = eval_baseline_read(&was, path, err);
    if (got > 0)
        eval_summary_compare(s, r, &was, e->options->demo || e->options->replies);
    eval_results_close(&was);
    e->is_worse |= s->change.is_worse;
    return got < 0 ? -1 : 0;
}

static int save(const struct evaluation *e, const struct eval_results *r, bool is_complete, struct err *err)
{
    char path[EVAL_PATH];
    int first, unanswered = eval_results_unanswered(r, &first);
    if (!e->options->save)
        return 0;
    if (unanswered)
        return err_set(err, ERR_LIMIT, "%s: %d of %d cases ended without an answer, the first of them '%s': %s; no baseline was saved", r->set->route,
                       unanswered, r->set->count, r->set->at[first].id, r->at[first].why);
    if (!is_complete)
        return err_set(err, ERR_LIMIT, "%s: not every case was answered; no baseline was saved", r->set->route);
    eval_baseline_path(e->project, r->set->route, path, sizeof path);
    return eval_baseline_write(r, path, e->hash, err);
}

/* What the weak and the strong model alone make of the set, and what the route makes of the two. */
static int add_frontier(struct evaluation *e, const struct eval_cases *set, const struct eval_results *routed, struct err *err)
{
    struct eval_results alone[2] = {0};
    struct eval_frontier f = {.routed = routed, .weak = &alone[0], .strong = &alone[1], .router = e->options->router};
    bool is_complete = true, is_so = true;
    int failed = eval_frontier_models(&f, e->options, e->generation->config, err);
    for (int i = 0; i < 2 && failed == 0; i++) {
        failed = run_set(e, set, f.models[i], &alone[i], &is_so, err);
        is_complete &= is_so;
    }
    if (failed == 0 && is_complete)
        failed = eval_frontier_write(&f, e->options->json, &e->out, err);
    for (int i = 0; i < 2; i++)
        eval_results_close(&alone[i]);
    return failed;
}

static int report(struct evaluation *e, const struct eval_results *results, double seconds, bool is_complete, struct err *err)
{
    struct eval_summary *summary = xcalloc(1, sizeof *summary);
    struct eval_page page = {.results = results, .summary = summary, .generation = e->hash, .seconds = seconds, .is_complete = is_complete};
    eval_summary_make(summary, results);
    int failed = compare(e, results, summary, err);
    if (failed == 0) {
        if (e->options->json)
            buf_puts(&e->out, e->routes ? "," : "");
        (e->options->json ? eval_report_json : eval_report_text)(&e->out, &page);
        e->routes++;
    }
    free(summary);
    return failed;
}

/* A route that never answered was not evaluated, whatever its expectations made of that. */
static void look_for_answers(struct evaluation *e, const struct eval_results *r)
{
    int first, unanswered = eval_results_unanswered(r, &first), asked = 0;
    for (int i = 0; i < r->set->count; i++)
        asked += r->at[i].status != 0;
    if (unanswered == 0 || unanswered < asked || e->unanswered[0])
        return;
    snprintf(e->unanswered, sizeof e->unanswered, "%s: no case was answered, the first of them '%s': %s", r->set->route, r->set->at[first].id,
             r->at[first].why);
}

int evaluation_run(struct evaluation *e, const struct eval_cases *set)
{
    struct eval_results results = {0};
    uint64_t began = clock_ms();
    bool is_complete = false;
    struct err err = {0};
    int failed = run_set(e, set, NULL, &results, &is_complete, &err);
    if (failed == 0)
        look_for_answers(e, &results);
    if (failed == 0)
        failed = report(e, &results, (double)(clock_ms() - began) / 1000, is_complete, &err);
    if (failed == 0)
        failed = save(e, &results, is_complete, &err);
    if (failed == 0 && e->options->frontier && is_complete)
        failed = add_frontier(e, set, &results, &err);
    eval_results_close(&results);
    return failed ? complain(e->options, -1, "%s", err.message) : 0;
}
