#include "trial/sweep.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "bind/after.h"
#include "serve/answer.h"

enum { OK, FIRST_FAULT, PROSE = 9, OUTCOMES, SEEN = 400 };

static const enum err_kind FAULTS[] = {
    [FIRST_FAULT] = ERR_MALFORMED, ERR_TIMEOUT, ERR_CONNECT,        ERR_OVERLOADED,
    ERR_RATE_LIMIT,                ERR_AUTH,    ERR_CONTENT_FILTER, ERR_LIMIT,
};

static const char *outcome_name(int outcome)
{
    return outcome == OK ? "well" : outcome == PROSE ? "text that is not JSON" : err_kind_name(FAULTS[outcome]);
}

/* ---- what is answered ---- */

static int outcome_of(const struct sweep *s, int n)
{
    if (s->trial->shadow && !s->trial->is_shadow)
        return OK; /* so that it comes as far as to the shadow */
    if (s->from >= 0)
        return n >= s->from ? s->outcome : OK;
    return n < SWEEP_DEPTH ? s->path[n] : OK;
}

static void answer(struct trial *t, struct trial_ask *ask)
{
    int outcome = outcome_of(t->arg, (int)(ask - t->asks));
    if (outcome == OK)
        trial_answer(t, ask);
    else if (outcome == PROSE)
        trial_text(t, ask->reply, str_of("I am not sure what you mean."));
    else
        trial_fault(ask->reply, FAULTS[outcome]);
}

/* ---- one path ---- */

static void name_asks(const struct sweep *s, struct buf *out)
{
    const struct trial *t = s->trial;
    const char *before = out->len ? ", when" : "when";
    for (int i = 0; i < t->ask_count && i < SWEEP_DEPTH; i++) {
        if (s->path[i] == OK)
            continue;
        buf_printf(out, "%s ask %d of %s answers %s", before, i + 1, t->asks[i].model->id, outcome_name(s->path[i]));
        before = " and";
    }
}

static void report(struct sweep *s)
{
    struct buf seen = BUF(SEEN);
    casts_tell(&s->casts, &seen);
    const char *when = seen.len ? ", when" : "when";
    if (s->from == 0)
        buf_printf(&seen, "%s every ask answers %s", when, outcome_name(s->outcome));
    else if (s->from > 0)
        buf_printf(&seen, "%s every ask from ask %d on answers %s", when, s->from + 1, outcome_name(s->outcome));
    else
        name_asks(s, &seen);
    casts_now(&s->casts)->is_done |= s->trial->is_endless;
    s->found(s, seen.len ? seen.p : "");
    buf_clear(&seen);
}

static void run(struct sweep *s)
{
    struct str body = s->request->body ? str_of(s->request->body) : s->long_body;
    struct trial *t = s->trial;
    t->protocol = s->request->protocol;
    t->head = s->request->head;
    t->shadow = casts_now(&s->casts)->shadow;
    trial_run(t, s->route, body);
    casts_look(&s->casts);
    if (t->shadow && !t->is_shadow) { /* it was not called: this is about nothing */
        t->has_failed = false;
        t->ask_count = 0;
    }
}

static bool has_room(struct sweep *s)
{
    if (casts_now(&s->casts)->is_done || s->is_cut)
        return false;
    s->is_cut = s->paths >= SWEEP_PATHS || clock_ns() > s->until_ns;
    return !s->is_cut;
}

/* ---- paths by the number of their faults ---- */

static int fault_count(const struct sweep *s, int asks)
{
    int count = 0;
    for (int i = 0; i < asks; i++)
        count += s->path[i] != OK;
    return count;
}

/* The next path in order, given how many asks the present one made; false after the last. */
static bool advance(struct sweep *s, int asks, int most_faults)
{
    for (int i = asks - 1; i >= 0; i--) {
        if (s->path[i] + 1 < OUTCOMES && fault_count(s, i) < most_faults) {
            s->path[i]++;
            return true;
        }
        s->path[i] = OK;
    }
    return false;
}

/* Every path with s->faults of them. False when there is none, and so none with more. */
static bool try_faults(struct sweep *s)
{
    bool has_any = false;
    int faults = s->faults;
    memset(s->path, OK, sizeof s->path);
    s->from = -1;
    while (has_room(s)) {
        run(s);
        int asks = s->trial->ask_count < SWEEP_DEPTH ? s->trial->ask_count : SWEEP_DEPTH;
        if (fault_count(s, asks) == faults) {
            has_any = true;
            s->paths++;
            if (s->trial->has_failed)
                report(s);
        }
        if (!advance(s, asks, faults))
            break;
    }
    return has_any;
}

static bool try_outages(struct sweep *s)
{
    memset(s->path, OK, sizeof s->path);
    s->from = -1;
    run(s);
    int asks = s->trial->ask_count < SWEEP_DEPTH ? s->trial->ask_count : SWEEP_DEPTH;
    for (int from = 0; from < asks; from++) {
        s->from = from;
        for (s->outcome = FIRST_FAULT; s->outcome < OUTCOMES && has_room(s); s->outcome++) {
            run(s);
            s->paths++;
            if (s->trial->has_failed)
                report(s);
        }
    }
    return asks > 0;
}

/* ---- what is served ---- */

static void tell_after(struct sweep *s, const struct model *served, int status, const char *seen)
{
    struct trial *t = s->trial;
    struct outcome outcome = {.id = "trial", .served = served ? served->id : NULL, .cause = "script", .status = status, .ms = 1};
    if (t->decision.kind == DECIDE_MODELS && t->decision.count > 1 && served != t->decision.models[0])
        outcome.cause = "failover";
    s->paths++;
    if (after_run(t->generation->vm, s->route->after_ref, &outcome, &t->err) < 0)
        s->found(s, seen);
}

static bool try_served(struct sweep *s)
{
    const struct decision *d = &s->trial->decision;
    memset(s->path, OK, sizeof s->path);
    s->from = -1;
    run(s);
    if (s->trial->has_failed || s->trial->shadow || s->route->after_ref < 0)
        return false;
    if (d->kind == DECIDE_REFUSAL)
        tell_after(s, NULL, d->status, "after the refusal");
    else
        tell_after(s, d->kind == DECIDE_REPLY ? d->reply->model : d->models[0], 200, "after the answer");
    for (int i = FIRST_FAULT; d->kind == DECIDE_MODELS && i < PROSE && has_room(s); i++) {
        char seen[160];
        snprintf(seen, sizeof seen, "after %s served answered %s", d->count > 1 ? "every model of the list that it" : "the model that it",
                 err_kind_name(FAULTS[i]));
        tell_after(s, NULL, answer_status(FAULTS[i]), seen);
    }
    return true;
}

/* ---- the whole ---- */

/* The built-in ones, then those recorded of this route. NULL at the end. */
static const struct check_request *request_at(const struct sweep *s, int i)
{
    if (i < CHECK_REQUEST_COUNT)
        return &CHECK_REQUESTS[i];
    int left = i - CHECK_REQUEST_COUNT;
    for (int k = 0; s->recorded && k < s->recorded->count; k++)
        if (strcmp(s->recorded->routes[k], s->route->name) == 0 && left-- == 0)
            return &s->recorded->requests[k];
    return NULL;
}

/* Casts are found on the way, and then have their turn. Whether any act was of use. */
static bool each_request(struct sweep *s, bool (*act)(struct sweep *s))
{
    bool has_any = false;
    for (s->casts.at = 0; s->casts.at < s->casts.count; s->casts.at++)
        for (int i = 0; (s->request = request_at(s, i)) && has_room(s); i++)
            has_any = act(s) || has_any;
    return has_any;
}

static bool each_with_faults(struct sweep *s, int faults)
{
    s->faults = faults;
    return each_request(s, try_faults);
}

static void prepare(struct trial *t)
{
    struct sweep *s = t->arg;
    t->scope.tape = casts_tape(&s->casts);
}

void sweep_run(struct sweep *s)
{
    s->trial->answer = answer;
    s->trial->prepare = prepare;
    s->trial->arg = s;
    s->paths = 0;
    s->is_cut = false;
    casts_begin(&s->casts, s->trial);
    each_with_faults(s, 0);
    each_request(s, try_served);
    if (each_with_faults(s, 1)) {
        each_request(s, try_outages);
        for (int faults = 2; faults <= SWEEP_DEPTH && each_with_faults(s, faults);)
            faults++;
    }
    s->is_cut |= s->casts.is_cut;
}
