#include "proc/rollout.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "proc/reload.h"
#include "proc/store.h"

enum { TICK_MS = 200, WINDOW = 1000, RECORD_MAX = 128 * 1024 };

static const char *const STATES[] = {"none", "running", "stepped back", "ended"};
static const char FILE_NAME[] = "canary";

/* ---- on disk ---- */

static void put_text(struct buf *out, const char *before, const char *text)
{
    buf_puts(out, before);
    json_quote(out, str_of(text));
}

static void write_record(struct buf *out, const struct rollout_record *r)
{
    put_text(out, "\"state\":", STATES[r->state]);
    put_text(out, ",\"hash\":", r->hash);
    put_text(out, ",\"base\":", r->base);
    buf_printf(out, ",\"percent\":%.10g,\"since_us\":%llu,\"until_us\":%llu", r->percent, (unsigned long long)r->since_us,
               (unsigned long long)r->until_us);
    put_text(out, ",\"reason\":", r->reason);
}

static void save(const struct rollout *o)
{
    struct buf json = BUF(RECORD_MAX);
    struct err err;
    buf_puts(&json, "{");
    write_record(&json, &o->record);
    buf_puts(&json, "}\n");
    if (store_put(o->reload->state_dir, FILE_NAME, buf_str(&json), &err) < 0)
        log_warn("the canary will not outlive a restart: %s", err.message);
    buf_clear(&json);
}

static void read_text(struct str json, const char *name, char *out, size_t size)
{
    struct arena arena = ARENA(RECORD_MAX);
    struct str text = json_text(json_get(json, name), &arena);
    snprintf(out, size, STR_FMT, STR_ARG(text));
    arena_clear(&arena);
}

static uint64_t read_time(struct str json, const char *name)
{
    int64_t at = 0;
    json_integer(json_get(json, name), &at);
    return (uint64_t)at;
}

static void recall(struct rollout *o)
{
    struct rollout_record *r = &o->record;
    struct buf json = BUF(RECORD_MAX);
    struct err err;
    char state[16];
    if (store_get(o->reload->state_dir, FILE_NAME, &json, &err) == 0 && json_validate(buf_str(&json), &err) == 0) {
        struct str all = buf_str(&json);
        read_text(all, "state", state, sizeof state);
        read_text(all, "hash", r->hash, sizeof r->hash);
        read_text(all, "base", r->base, sizeof r->base);
        read_text(all, "reason", r->reason, sizeof r->reason);
        json_number(json_get(all, "percent"), &r->percent);
        r->since_us = read_time(all, "since_us");
        r->until_us = read_time(all, "until_us");
        for (int i = 0; i <= ROLLOUT_ENDED; i++)
            if (strcmp(state, STATES[i]) == 0)
                r->state = (enum rollout_state)i;
    }
    buf_clear(&json);
}

/* ---- the watch ---- */

static void read_both(const struct rollout *o, struct canary_tally now[2])
{
    canary_read(&o->shared->sides[0], &now[0]);
    canary_read(&o->shared->sides[1], &now[1]);
}

static void on_tick(void *arg)
{
    struct rollout *o = arg;
    struct canary_tally now[2], recent[2];
    char why[200];
    if (!rollout_id(o))
        return;
    timer_set(&o->tick, TICK_MS);
    read_both(o, now);
    for (int i = 0; i < 2; i++) {
        recent[i] = now[i];
        canary_since(&recent[i], &o->from[i]);
    }
    if (canary_is_worse(&o->guard, &recent[0], &recent[1], why, sizeof why))
        rollout_step_back(o, o->id, why);
    else if (recent[0].requests >= WINDOW && recent[1].requests >= WINDOW)
        memcpy(o->from, now, sizeof now); /* so that a long good time hides nothing */
}

/* ---- its life ---- */

void rollout_open(struct rollout *o, struct reload *r)
{
    *o = (struct rollout){.reload = r, .shared = o->shared, .guard = o->guard};
    timer_init(&o->tick, r->loop, on_tick, o);
    recall(o);
}

void rollout_close(struct rollout *o)
{
    timer_clear(&o->tick);
}

unsigned rollout_id(const struct rollout *o)
{
    return o->record.state == ROLLOUT_RUNNING ? o->id : 0;
}

void rollout_set(struct rollout *o, const struct warm *live, const struct warm *canary, double percent)
{
    struct rollout_record *r = &o->record;
    if (rollout_id(o) != canary->id) {
        *r = (struct rollout_record){.state = ROLLOUT_RUNNING, .since_us = clock_wall_us()};
        memcpy(r->hash, canary->hash, sizeof r->hash);
        memcpy(r->base, live->hash, sizeof r->base);
        memset(o->from, 0, sizeof o->from);
    }
    o->id = canary->id;
    o->live = live->id;
    r->percent = percent;
    canary_set(o->shared, canary->id, canary->hash, percent / 100);
    timer_set(&o->tick, TICK_MS);
    log_info("generation %u (%.12s) serves %.10g %% of units, generation %u the others", canary->id, canary->hash, percent, live->id);
    save(o);
}

static void stop(struct rollout *o, enum rollout_state state)
{
    canary_clear(o->shared);
    timer_cancel(&o->tick);
    o->record.state = state;
    o->record.until_us = clock_wall_us();
    save(o);
}

void rollout_lapse(struct rollout *o, const char *why)
{
    snprintf(o->record.reason, sizeof o->record.reason, "%s", why);
    stop(o, ROLLOUT_ENDED);
    log_warn("the canary of %.12s that was under way is over: %s", o->record.hash, why);
}

void rollout_end(struct rollout *o, const char *format, ...)
{
    va_list args;
    if (!rollout_id(o))
        return;
    va_start(args, format);
    vsnprintf(o->record.reason, sizeof o->record.reason, format, args);
    va_end(args);
    stop(o, ROLLOUT_ENDED);
    log_info("the canary of generation %u is over: %s", o->id, o->record.reason);
}

void rollout_step_back(struct rollout *o, unsigned id, const char *why)
{
    if (!id || id != rollout_id(o))
        return;
    snprintf(o->record.reason, sizeof o->record.reason, "%s", why);
    stop(o, ROLLOUT_STEPPED_BACK);
    atomic_fetch_add(&o->reload->host->reloads_reverted, 1);
    log_error("generation %u steps back from %.10g %% of units: %s; generation %u serves all", id, o->record.percent, why, o->reload->live);
}

/* ---- status ---- */

static void write_side(struct buf *out, const char *before, unsigned id, const struct canary_side *side)
{
    struct canary_tally t;
    canary_read(side, &t);
    buf_printf(out, "%s{\"generation\":%u,\"requests\":%llu,\"script_errors\":%llu,\"errors\":%llu,\"served\":%llu", before, id,
               (unsigned long long)t.requests, (unsigned long long)t.script_errors, (unsigned long long)t.errors, (unsigned long long)t.served);
    double n = t.requests ? (double)t.requests : 1;
    buf_printf(out, ",\"error_rate\":%.6g,\"p95_ms\":%.6g,\"usd\":%.6g,\"usd_per_request\":%.6g}", (double)t.errors / n,
               (double)canary_p95(&t) / 1e3, t.usd, t.usd / n);
}

void rollout_write(struct buf *out, const struct rollout *o)
{
    const struct canary_guard *g = &o->guard;
    if (o->record.state == ROLLOUT_NONE) {
        buf_puts(out, "null");
        return;
    }
    buf_printf(out, "{\"generation\":%u,\"live\":%u,", o->id, o->live);
    write_record(out, &o->record);
    buf_printf(out, ",\"guard\":{\"script_errors\":%.10g,\"errors\":%.10g,\"latency\":%.10g,\"cost\":%.10g,\"requests\":%llu},\"sides\":[",
               g->script_errors, g->errors, g->latency, g->cost, (unsigned long long)g->requests);
    if (o->id) {
        write_side(out, "", o->live, &o->shared->sides[0]);
        write_side(out, ",", o->id, &o->shared->sides[1]);
    }
    buf_puts(out, "]}");
}
