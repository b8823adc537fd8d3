#include "trial/gates.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/near.h"
#include "trial/replay.h"
#include "trial/specs.h"
#include "vm/generation.h"

enum { REPLAY_MS = 2000, REPLAY_SEGMENTS = 2 };

static const char *const NAMES[] = {"check", "specs", "replay"};

int gates_parse(const char *list, unsigned *skip, struct err *err)
{
    char name[32];
    *skip = 0;
    for (const char *at = list; *at; at += strspn(at, ",")) {
        size_t len = strcspn(at, ",");
        int found = -1;
        snprintf(name, sizeof name, "%.*s", (int)len, at);
        for (int i = 0; i < 3; i++)
            if (strcmp(name, NAMES[i]) == 0)
                found = i;
        if (found < 0) {
            const char *near = near_name(name, NAMES, 3);
            return err_set(err, ERR_BAD_REQUEST, "no gate '%s'%s%s%s: the gates are check, specs and replay", name,
                           near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
        }
        *skip |= 1u << found;
        at += len;
    }
    return 0;
}

/* ---- specs ---- */

static int run_specs(const struct gates *gates, struct generation *g, struct buf *told, struct err *err)
{
    int passed = 0;
    int outcome = specs_gate(g, gates->project, &passed, err);
    if (outcome == KIT_FAILED)
        return -1;
    if (outcome == KIT_BROKEN)
        buf_printf(told, "specs: not run: %s\n", err->message);
    else if (passed)
        buf_printf(told, "specs: %d passed\n", passed);
    return 0;
}

/* ---- replay ---- */

/* With an example, so that the one who is refused need not ask which. */
static void tell_change(char *out, size_t size, const struct replay *r)
{
    const struct replay_change *c = &r->changes[0];
    const struct replay_example *e = &c->examples[0];
    out[0] = '\0';
    if (r->change_count)
        snprintf(out, size, "; most often %.80s -> %.80s, as in %s: %.60s (%.60s) -> %.60s (%.60s)", c->was, c->now, e->id, e->was_line,
                 e->was_reason, e->now_line, e->now_reason);
}

static int judge_replay(const struct gates *gates, const struct replay *r, bool is_cut, struct buf *told, struct err *err)
{
    char words[512], change[600];
    if (r->replayed == 0) {
        buf_printf(told, "replay: skipped: none of the %" PRIu64 " recent decisions can be replayed\n", r->seen);
        return 0;
    }
    tell_change(change, sizeof change, r);
    snprintf(words, sizeof words, "%" PRIu64 " of %" PRIu64 " recorded decisions change (%.2f %%)%s", r->changed, r->replayed,
             replay_percent(r), is_cut ? ", as far as 2 s went" : "");
    if (gates->max_change >= 0 && replay_percent(r) > gates->max_change)
        return err_set(err, ERR_SCRIPT, "replay: %s, --max-change allows %g %%%s", words, gates->max_change, change);
    buf_printf(told, "replay: %s%s\n", words, change);
    return 0;
}

static int run_replay(const struct gates *gates, struct generation *g, struct buf *told, struct err *err)
{
    struct err why;
    struct captures *all = gates->trace_dir ? captures_open(gates->trace_dir, 0, &why) : NULL;
    if (all == NULL)
        return 0;
    struct replay *r = replay_new(g);
    uint64_t until = clock_ms() + REPLAY_MS;
    bool is_cut = false;
    captures_recent(all, REPLAY_SEGMENTS);
    for (const struct captured *c; !is_cut && (c = captures_next(all));) {
        replay_decision(r, c);
        is_cut = clock_ms() > until;
    }
    replay_sort(r);
    int result = judge_replay(gates, r, is_cut, told, err);
    replay_free(r);
    captures_close(all);
    return result;
}

int gates_run(const struct gates *gates, struct generation *g, struct buf *told, struct err *err)
{
    if (!(gates->skip & GATE_SPECS) && run_specs(gates, g, told, err) < 0)
        return -1;
    return gates->skip & GATE_REPLAY ? 0 : run_replay(gates, g, told, err);
}
