#include "proc/reload.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proc/store.h"

enum { READY_MS = 5000, USE_MS = 5000, FIRST_MS = 30 * 1000 };

/* ---- the table of warm generations ---- */

static void forget(struct reload *r, struct warm *w)
{
    for (unsigned i = 0; i < r->crew->count; i++) {
        struct crew_slot *s = &r->crew->slots[i];
        if (s->pid && crew_order(s, ORDER_DROP, w->id, -1) == 0)
            crew_forget(s, w->id);
    }
    if (r->previous == w->id)
        r->previous = 0;
    warm_forget(w);
}

static void prune(struct reload *r)
{
    for (struct warm *w; (w = warm_surplus(&r->warm, r->live, r->changing, rollout_id(&r->rollout))) != NULL;)
        forget(r, w);
}

static struct warm *add(struct reload *r, const struct loader_result *result, int memory)
{
    struct warm *w = warm_add(&r->warm, result, memory);
    unsigned i = w->id % HOST_HISTORY;
    memcpy(r->host->history[i].hash, w->hash, sizeof w->hash);
    atomic_store(&r->host->history[i].id, w->id);
    return w;
}

/* ---- the end of a change ---- */

static struct reload_outcome outcome_of(const struct warm *w, int status)
{
    struct reload_outcome o = {.status = status, .generation = w ? w->id : 0};
    if (w)
        memcpy(o.hash, w->hash, sizeof o.hash);
    return o;
}

static void tell(reload_done *done, void *arg, const struct reload_outcome *o)
{
    if (done)
        done(arg, o);
}

static void finish(struct reload *r, struct reload_outcome *o)
{
    memcpy(o->gates, r->told, sizeof o->gates);
    reload_done *done = r->done;
    r->phase = RELOAD_IDLE;
    r->changing = r->replaced = 0;
    r->done = NULL;
    timer_cancel(&r->deadline);
    tell(done, r->done_arg, o);
    probation_leave(&r->probation);
}

/* What the project did wrong is its author's; everything else is the server's. */
static void refuse(struct reload *r, const char *error)
{
    struct reload_outcome o = {.status = 422};
    snprintf(o.error, sizeof o.error, "%s", error);
    snprintf(o.message, sizeof o.message, "refused; generation %u goes on", r->live);
    atomic_fetch_add(&r->host->reloads_refused, 1);
    if (r->live)
        log_error("reload refused, generation %u goes on: %s", r->live, error);
    finish(r, &o);
}

static void give_up(struct reload *r, const char *why)
{
    struct warm *w = warm_find(&r->warm, r->changing);
    if (w)
        forget(r, w);
    refuse(r, why);
}

__attribute__((format(printf, 4, 5))) static void refuse_at_once(reload_done *done, void *arg, int status,
                                                                 const char *format, ...)
{
    struct reload_outcome o = {.status = status};
    va_list args;
    va_start(args, format);
    vsnprintf(o.message, sizeof o.message, format, args);
    va_end(args);
    tell(done, arg, &o);
}

static bool is_busy(struct reload *r, reload_done *done, void *arg)
{
    if (r->phase != RELOAD_IDLE)
        refuse_at_once(done, arg, 409, "another change is under way (generation %u is live); try again", r->live);
    return r->phase != RELOAD_IDLE;
}

static void claim(struct reload *r, reload_done *done, void *arg)
{
    r->done = done;
    r->done_arg = arg;
    r->then_use = r->is_forced = r->is_reload = r->was_late = false;
    r->told[0] = '\0';
}

/* ---- using ---- */

static bool all_use(const struct reload *r, unsigned id)
{
    for (unsigned i = 0; i < r->crew->count; i++)
        if (r->crew->slots[i].live != id)
            return false;
    return true;
}

static void check_used(struct reload *r)
{
    if (!all_use(r, r->live))
        return;
    struct warm *w = warm_find(&r->warm, r->live);
    struct reload_outcome o = outcome_of(w, 200);
    struct err err;
    snprintf(o.message, sizeof o.message, "generation %u is live", w->id);
    if (store_set_current(r->state_dir, w->hash, &err) < 0)
        log_warn("%s", err.message);
    if (r->replaced) {
        atomic_fetch_add(&r->host->reloads_done, 1);
        log_info("generation %u is live (%.12s); before it %u", w->id, w->hash, r->replaced);
    }
    if (r->replaced && r->live == rollout_id(&r->rollout))
        rollout_end(&r->rollout, "generation %u serves every unit now", r->live);
    else if (r->replaced)
        rollout_end(&r->rollout, "%s generation %u", r->replaced == r->live ? "called off for" : "ended by the change to", r->live);
    if (r->is_reload && r->previous)
        probation_begin(&r->probation);
    else
        probation_end(&r->probation);
    r->changing = 0;
    prune(r);
    finish(r, &o);
}

static void order_all(struct reload *r, enum order order, const struct warm *w)
{
    for (unsigned i = 0; i < r->crew->count; i++)
        if (r->crew->slots[i].pid)
            crew_order(&r->crew->slots[i], order, w->id, order == ORDER_LOAD ? w->memory : -1);
}

static void set_live(struct reload *r, struct warm *w)
{
    r->live = w->id;
    atomic_store(&r->host->live, w->id);
    warm_touch(&r->warm, w);
    order_all(r, ORDER_USE, w);
}

static void begin_using(struct reload *r, struct warm *w)
{
    r->phase = RELOAD_USING;
    r->replaced = r->live;
    if (r->live && r->live != w->id)
        r->previous = r->live;
    timer_set(&r->deadline, USE_MS);
    set_live(r, w);
    check_used(r);
}

/* A pointer swap that a worker does not make in time is made by its successor. */
static void late_using(struct reload *r)
{
    struct warm *back = warm_find(&r->warm, r->replaced);
    if (r->was_late && r->replaced && back) {
        set_live(r, back);
        r->previous = 0;
        give_up(r, "workers did not switch to the new generation");
        return;
    }
    for (unsigned i = 0; i < r->crew->count; i++) {
        struct crew_slot *s = &r->crew->slots[i];
        if (s->pid && s->live != r->live)
            kill(s->pid, SIGKILL);
    }
    r->was_late = true;
    timer_set(&r->deadline, USE_MS);
}

/* ---- readying ---- */

static bool all_hold(const struct reload *r, unsigned id)
{
    for (unsigned i = 0; i < r->crew->count; i++)
        if (!crew_holds(&r->crew->slots[i], id))
            return false;
    return true;
}

static void check_ready(struct reload *r)
{
    struct warm *w = warm_find(&r->warm, r->changing);
    if (!all_hold(r, w->id))
        return;
    if (r->then_use) {
        begin_using(r, w);
        return;
    }
    struct reload_outcome o = outcome_of(w, 200);
    snprintf(o.message, sizeof o.message, "generation %u is loaded; `wye use %u` makes it live", w->id, w->id);
    log_info("generation %u is loaded (%.12s); generation %u stays live", w->id, w->hash, r->live);
    prune(r);
    finish(r, &o);
}

static void on_deadline(void *arg)
{
    struct reload *r = arg;
    if (r->phase == RELOAD_READYING)
        give_up(r, "the workers did not build it within 5 s");
    else if (r->phase == RELOAD_USING && r->replaced)
        late_using(r);
    else if (r->phase == RELOAD_USING)
        give_up(r, "the workers did not start within 30 s");
}

/* ---- checking ---- */

static void say_warnings(struct reload *r, struct loader_result *result)
{
    result->warnings[sizeof result->warnings - 1] = '\0';
    if (strcmp(r->warnings, result->warnings) == 0)
        return;
    memcpy(r->warnings, result->warnings, sizeof r->warnings);
    for (char *line = result->warnings, *next; *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = '\0';
        log_warn("%s", line);
    }
}

static void say_gates(struct reload *r, const struct loader_result *result)
{
    memcpy(r->told, result->gates, sizeof r->told);
    r->told[sizeof r->told - 1] = '\0';
    for (const char *line = r->told; *line;) {
        size_t len = strcspn(line, "\n");
        log_info("%.*s", (int)len, line);
        line += len + (line[len] != '\0');
    }
}

static void tell_unchanged(struct reload *r, const struct warm *w)
{
    struct reload_outcome o = outcome_of(w, 200);
    o.is_unchanged = true;
    if (w->id == r->live)
        snprintf(o.message, sizeof o.message, "no file has changed; generation %u stays live", w->id);
    else
        snprintf(o.message, sizeof o.message, "generation %u has these very files already; `wye use %u` makes it live", w->id, w->id);
    log_info("%s", o.message);
    atomic_fetch_add(&r->host->reloads_unchanged, 1);
    finish(r, &o);
}

/* What need not be built again: the live one, and for who only loads any that is there. */
static struct warm *same_files(struct reload *r, const char *hash)
{
    struct warm *live = warm_find(&r->warm, r->live);
    if (r->is_forced)
        return NULL;
    if (live && strcmp(hash, live->hash) == 0)
        return live;
    return r->then_use ? NULL : warm_same(&r->warm, hash);
}

static void on_loaded(void *arg, struct loader_result *result, int memory)
{
    struct reload *r = arg;
    struct warm *same = same_files(r, result->hash);
    if (!result->ok) {
        refuse(r, result->error);
        return;
    }
    say_warnings(r, result);
    say_gates(r, result);
    if (same) {
        close(memory);
        tell_unchanged(r, same);
        return;
    }
    if (probation_refuses(&r->probation, result->hash)) {
        close(memory);
        refuse(r, "these very files hung workers three times and are quarantined: change them first");
        return;
    }
    struct warm *w = add(r, result, memory);
    r->changing = w->id;
    r->phase = RELOAD_READYING;
    timer_set(&r->deadline, READY_MS);
    order_all(r, ORDER_LOAD, w);
}

static void check_project(struct reload *r, int packed_fd, bool is_gated, const struct gates *gates,
                          void (*loaded)(void *arg, struct loader_result *result, int memory))
{
    struct err err;
    const struct warm *live = warm_find(&r->warm, r->live);
    struct loader_options options = {
        .live_hash = live && !r->is_forced ? live->hash : NULL,
        .project = r->project,
        .packed_fd = packed_fd,
        .state_dir = r->state_dir,
        .id = r->warm.newest + 1,
        .is_gated = is_gated,
        .gates = gates,
        .building = &r->building,
    };
    r->phase = RELOAD_CHECKING;
    if (loader_start(&r->loader, r->loop, &options, loaded, r, &err) < 0)
        refuse(r, err.message);
}

void reload_start(struct reload *r, bool then_use, bool is_forced, reload_done *done, void *arg)
{
    if (is_busy(r, done, arg))
        return;
    claim(r, done, arg);
    r->then_use = r->is_reload = then_use;
    r->is_forced = is_forced;
    check_project(r, -1, true, then_use ? &r->gates : NULL, on_loaded);
}

void reload_gated(struct reload *r, const struct gates *gates, bool is_forced, reload_done *done, void *arg)
{
    if (is_busy(r, done, arg))
        return;
    claim(r, done, arg);
    r->then_use = r->is_reload = true;
    r->is_forced = is_forced;
    check_project(r, -1, true, gates, on_loaded);
}

/* ---- the first generation ---- */

static void on_first(void *arg, struct loader_result *result, int memory)
{
    struct reload *r = arg;
    if (!result->ok) {
        refuse(r, result->error);
        return;
    }
    say_warnings(r, result);
    memcpy(r->token, result->token, sizeof r->token);
    r->has_token = result->has_token;
    struct warm *w = add(r, result, memory);
    struct reload_outcome o = outcome_of(w, 200);
    finish(r, &o);
}

void reload_first(struct reload *r, int packed_fd, reload_done *done, void *arg)
{
    claim(r, done, arg);
    check_project(r, packed_fd, false, NULL, on_first);
}

void reload_begin(struct reload *r, unsigned id, reload_done *done, void *arg)
{
    claim(r, done, arg);
    r->phase = RELOAD_USING;
    r->live = id;
    atomic_store(&r->host->live, r->live);
    timer_set(&r->deadline, FIRST_MS);
    crew_start(r->crew);
}

/* ---- use, rollback, drop ---- */

/* Orders are obeyed in turn: a worker that has still to build it will have done so when it comes to use it. */
static bool is_on_its_way(const struct reload *r, unsigned id)
{
    for (unsigned i = 0; i < r->crew->count; i++) {
        const struct crew_slot *s = &r->crew->slots[i];
        if (s->pid && !s->loading && !crew_holds(s, id))
            return false;
    }
    return true;
}

static bool is_unusable(struct reload *r, unsigned id, const struct warm *w, reload_done *done, void *arg)
{
    if (!w)
        refuse_at_once(done, arg, 404, "generation %u is not loaded: `wye status` lists those that are", id);
    else if (w->is_quarantined)
        refuse_at_once(done, arg, 409, "generation %u is quarantined: its script hung workers three times", id);
    else if (!is_on_its_way(r, id))
        refuse_at_once(done, arg, 503, "not every worker holds generation %u now; try again", id);
    else
        return false;
    return true;
}

void reload_use(struct reload *r, unsigned id, reload_done *done, void *arg)
{
    struct warm *w = warm_find(&r->warm, id);
    if (is_busy(r, done, arg) || is_unusable(r, id, w, done, arg))
        return;
    claim(r, done, arg);
    begin_using(r, w);
}

void reload_percent(struct reload *r, unsigned id, double percent, reload_done *done, void *arg)
{
    struct rollout *o = &r->rollout;
    struct warm *w = warm_find(&r->warm, id);
    unsigned canary = rollout_id(o);
    if (is_busy(r, done, arg) || is_unusable(r, id, w, done, arg))
        return;
    if (id == r->live) {
        refuse_at_once(done, arg, 409, "generation %u is live: it serves what no canary does", id);
    } else if (canary && canary != id) {
        refuse_at_once(done, arg, 409, "generation %u is the canary, at %.10g %%: `wye use %u` or `wye rollback` first", canary, o->record.percent, canary);
    } else if (canary && percent < o->record.percent) {
        refuse_at_once(done, arg, 409, "the canary is at %.10g %% and only moves units forward: `wye rollback` ends it", o->record.percent);
    } else {
        rollout_set(o, warm_find(&r->warm, r->live), w, percent);
        warm_touch(&r->warm, w);
        struct reload_outcome outcome = outcome_of(w, 200);
        snprintf(outcome.message, sizeof outcome.message, "generation %u serves %.10g %% of units, generation %u the others", id, percent, r->live);
        tell(done, arg, &outcome);
    }
}

void reload_rollback(struct reload *r, reload_done *done, void *arg)
{
    if (rollout_id(&r->rollout))
        reload_use(r, r->live, done, arg);
    else if (!r->previous && r->phase == RELOAD_IDLE)
        refuse_at_once(done, arg, 409, "there is no earlier generation to go back to (%u is live)", r->live);
    else
        reload_use(r, r->previous, done, arg);
}

void reload_drop(struct reload *r, unsigned id, reload_done *done, void *arg)
{
    if (is_busy(r, done, arg))
        return;
    struct warm *w = warm_find(&r->warm, id);
    if (!w) {
        refuse_at_once(done, arg, 404, "generation %u is not loaded", id);
        return;
    }
    if (id == r->live || id == rollout_id(&r->rollout)) {
        refuse_at_once(done, arg, 409, id == r->live ? "generation %u is live: use another one first" : "generation %u is the canary: `wye rollback` first", id);
        return;
    }
    struct reload_outcome o = outcome_of(w, 200);
    snprintf(o.message, sizeof o.message, "generation %u is dropped", id);
    forget(r, w);
    tell(done, arg, &o);
}

/* ---- from the crew ---- */

/* The live one first: a successor serves before it warms the others up, but for the canary, whose units must not move back. */
void reload_spawned(struct reload *r, struct crew_slot *s)
{
    struct warm *live = warm_find(&r->warm, r->live);
    crew_order(s, ORDER_LOAD, live->id, live->memory);
    struct warm *canary = warm_find(&r->warm, rollout_id(&r->rollout));
    if (canary)
        crew_order(s, ORDER_LOAD, canary->id, canary->memory);
    crew_order(s, ORDER_USE, live->id, -1);
    for (int i = 0; i < WARM_MOST; i++) {
        struct warm *w = &r->warm.all[i];
        if (w->id && w != live && w != canary)
            crew_order(s, ORDER_LOAD, w->id, w->memory);
    }
}

static void on_failed(struct reload *r, struct crew_slot *s, const struct order_message *m)
{
    bool is_first = r->phase == RELOAD_USING && !r->replaced;
    if (r->phase == RELOAD_READYING && m->id == r->changing) {
        give_up(r, m->text);
        return;
    }
    if (m->id != r->live)
        return;
    log_error("worker %u cannot serve generation %u: %s", s->index + 1, m->id, m->text);
    if (is_first)
        refuse(r, m->text);
    else if (s->pid)
        kill(s->pid, SIGKILL);
}

void reload_told(struct reload *r, struct crew_slot *s, const struct order_message *m)
{
    if (m->order == ORDER_FAILED)
        on_failed(r, s, m);
    else if (m->order == ORDER_READY && r->phase == RELOAD_READYING)
        check_ready(r);
    else if (m->order == ORDER_USED && r->phase == RELOAD_USING)
        check_used(r);
}

/* ---- for probation ---- */

bool reload_go_back(struct reload *r, unsigned from)
{
    struct warm *to = NULL;
    for (int i = 0; i < WARM_MOST; i++) {
        struct warm *w = &r->warm.all[i];
        if (!w->id || w->id == from || w->id == rollout_id(&r->rollout) || w->is_quarantined || !is_on_its_way(r, w->id))
            continue;
        if (!to || w->id == r->previous || (to->id != r->previous && w->touched > to->touched))
            to = w;
    }
    if (!to)
        return false;
    atomic_fetch_add(&r->host->reloads_reverted, 1);
    claim(r, NULL, NULL);
    begin_using(r, to);
    r->previous = 0; /* `rollback` must not lead to what was just left */
    return true;
}

void reload_take_back(struct reload *r)
{
    r->was_late = true;
    if (r->replaced)
        late_using(r);
}

/* ---- life ---- */

void reload_open(struct reload *r)
{
    warm_open(&r->warm);
    timer_init(&r->deadline, r->loop, on_deadline, r);
    probation_open(&r->probation, r);
    rollout_open(&r->rollout, r);
}

void reload_close(struct reload *r)
{
    loader_cancel(&r->loader);
    timer_clear(&r->deadline);
    probation_close(&r->probation);
    rollout_close(&r->rollout);
    warm_close(&r->warm);
}
