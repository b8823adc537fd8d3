#include "trial/replay_report.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"

enum { SHOWN = 20 };

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* ---- for people ---- */

/* Where it was decided and why; a script that raised decided nothing, and its error names the line. */
static void write_decided(struct buf *out, const char *words, const char *line, const char *reason)
{
    if (strncmp(words, "script_error: ", 14) == 0)
        buf_puts(out, "raised");
    else
        buf_printf(out, reason[0] ? "%s (%s)" : "%s", line[0] ? line : "?", reason);
}

static void write_change(struct buf *out, const struct replay_change *c)
{
    buf_printf(out, "%8" PRIu64 "  %s\n          -> %s\n", c->count, c->was, c->now);
    for (uint64_t i = 0; i < c->count && i < REPLAY_EXAMPLES; i++) {
        const struct replay_example *e = &c->examples[i];
        buf_printf(out, "          %s  ", e->id);
        write_decided(out, c->was, e->was_line, e->was_reason);
        buf_puts(out, " -> ");
        write_decided(out, c->now, e->now_line, e->now_reason);
        buf_putc(out, '\n');
    }
}

static void write_skipped(struct buf *out, const struct replay *r)
{
    for (int i = RECORDED_READY + 1; i < RECORDED_PROBLEM_COUNT; i++)
        if (r->skipped[i])
            buf_printf(out, "%8" PRIu64 "  not replayed: %s\n", r->skipped[i], recorded_words(i));
}

static void write_cost(struct buf *out, const struct replay_cost *c)
{
    buf_printf(out, "cost $%.6f as recorded, about $%.6f by this rule%s\n", c->was_usd, c->now_usd,
               c->unpriced ? " (some of its models have no price)" : "");
}

int replay_write_text(struct buf *out, const struct replay_page *page)
{
    const struct replay *r = page->replay;
    buf_printf(out, "%" PRIu64 " of %" PRIu64 " decisions of %s replayed by %s", r->replayed, r->seen, page->trace, page->rule);
    if (page->seconds > 0)
        buf_printf(out, " in %.2f s (%.0f a second)", page->seconds, share((double)r->seen, page->seconds));
    buf_printf(out, "\n%8" PRIu64 "  decide as before%s\n", r->replayed - r->changed, r->changed ? "" : ": 0 differences");
    if (r->reworded)
        buf_printf(out, "%8" PRIu64 "  of them for another reason\n", r->reworded);
    if (r->changed)
        buf_printf(out, "%8" PRIu64 "  decide otherwise (%.2f %%)\n", r->changed, replay_percent(r));
    write_skipped(out, r);
    if (r->unrecorded_kv)
        buf_printf(out, "%8" PRIu64 "  calls of wye.kv that were not recorded found nothing\n", r->unrecorded_kv);
    if (r->answered_asks)
        buf_printf(out, "%8" PRIu64 "  asks that were not recorded were answered now, for $%.6f\n", r->answered_asks, r->answered_usd);
    if (r->failed_asks)
        buf_printf(out, "          %" PRIu64 " of them with an error, the first: %s\n", r->failed_asks, r->failed_why);
    if (page->stopped)
        buf_printf(out, "          then no more: %s\n", page->stopped);
    for (int i = 0; i < r->change_count && i < SHOWN; i++) {
        buf_puts(out, i ? "" : "\nwhat changes\n");
        write_change(out, &r->changes[i]);
    }
    uint64_t rest = r->other_changes;
    for (int i = SHOWN; i < r->change_count; i++)
        rest += r->changes[i].count;
    if (rest)
        buf_printf(out, "%8" PRIu64 "  of other kinds\n", rest);
    if (r->replayed) {
        buf_putc(out, '\n');
        write_cost(out, &r->cost);
        buf_append(out, page->quality.p ? page->quality.p : "", page->quality.len);
    }
    return buf_append(out, page->problems.p ? page->problems.p : "", page->problems.len);
}

/* ---- for programs ---- */

static void member(struct buf *out, const char *before, const char *text)
{
    buf_puts(out, before);
    json_quote_z(out, text[0] ? text : NULL);
}

static void json_change(struct buf *out, const struct replay_change *c)
{
    member(out, "{\"was\":", c->was);
    member(out, ",\"now\":", c->now);
    buf_printf(out, ",\"count\":%" PRIu64 ",\"examples\":[", c->count);
    for (uint64_t i = 0; i < c->count && i < REPLAY_EXAMPLES; i++) {
        const struct replay_example *e = &c->examples[i];
        member(out, i ? ",{\"id\":" : "{\"id\":", e->id);
        member(out, ",\"was_line\":", e->was_line);
        member(out, ",\"now_line\":", e->now_line);
        member(out, ",\"was_reason\":", e->was_reason);
        member(out, ",\"now_reason\":", e->now_reason);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}");
}

int replay_write_json(struct buf *out, const struct replay_page *page)
{
    const struct replay *r = page->replay;
    buf_printf(out, "{\"decisions\":%" PRIu64 ",\"replayed\":%" PRIu64 ",\"same\":%" PRIu64 ",\"changed\":%" PRIu64, r->seen,
               r->replayed, r->replayed - r->changed, r->changed);
    buf_printf(out, ",\"percent\":%.6g,\"reworded\":%" PRIu64 ",\"skipped\":{", replay_percent(r), r->reworded);
    for (int i = RECORDED_READY + 1; i < RECORDED_PROBLEM_COUNT; i++)
        buf_printf(out, "%s\"%s\":%" PRIu64, i > RECORDED_READY + 1 ? "," : "", recorded_word(i), r->skipped[i]);
    buf_printf(out, "},\"unrecorded\":{\"asks\":%" PRIu64 ",\"kv\":%" PRIu64 "}", r->unrecorded_asks, r->unrecorded_kv);
    buf_printf(out, ",\"answered\":{\"asks\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"usd\":%.10g", r->answered_asks, r->failed_asks, r->answered_usd);
    member(out, ",\"stopped\":", page->stopped ? page->stopped : "");
    buf_puts(out, "},\"changes\":[");
    for (int i = 0; i < r->change_count; i++) {
        buf_puts(out, i ? "," : "");
        json_change(out, &r->changes[i]);
    }
    buf_printf(out, "],\"other_changes\":%" PRIu64, r->other_changes);
    buf_printf(out, ",\"usd\":{\"was\":%.10g,\"now\":%.10g,\"unpriced\":%" PRIu64 "}", r->cost.was_usd, r->cost.now_usd, r->cost.unpriced);
    buf_puts(out, ",\"quality\":");
    buf_append(out, page->quality.p ? page->quality.p : "null", page->quality.p ? page->quality.len : 4);
    buf_puts(out, ",\"problems\":");
    json_quote(out, page->problems.p ? page->problems : str_of(""));
    return buf_printf(out, ",\"seconds\":%.6g,\"cpu_seconds\":%.6g}\n", page->seconds, page->cpu_seconds);
}
