#include "trial/eval_report.h"

#include <math.h>
#include <stdio.h>

#include "base/json.h"

static int graded(const struct eval_group *g)
{
    return g->passed + g->failed;
}

/* ---- for people ---- */

struct words {
    char text[64];
};

/* "12.3 (11.0 to 14.2)"; an end that so few cases do not show is a "-". */
static struct words with_interval(double value, int digits, double scale, const struct eval_interval *i)
{
    struct words w, low = {"-"}, high = {"-"};
    if (isfinite(i->low))
        snprintf(low.text, sizeof low.text, "%.*f", digits, scale * i->low);
    if (isfinite(i->high))
        snprintf(high.text, sizeof high.text, "%.*f", digits, scale * i->high);
    snprintf(w.text, sizeof w.text, "%.*f (%.16s to %.16s)", digits, scale * value, low.text, high.text);
    return w;
}

static void write_groups(struct buf *out, const char *title, const struct eval_group *groups, int count)
{
    buf_printf(out, "  %-24s %6s %6s  %-24s %-26s %-22s %s\n", title, "cases", "passed", "quality (95 %)", "$ a thousand", "p50 ms", "p95 ms");
    for (int i = 0; i < count; i++) {
        const struct eval_group *g = &groups[i];
        char quality[40] = "not graded";
        if (graded(g))
            snprintf(quality, sizeof quality, "%5.1f %% (%.1f to %.1f)", 100 * g->quality, 100 * g->low, 100 * g->high);
        buf_printf(out, "  %-24s %6d %6d  %-24s %-26s %-22s %s\n", g->name, g->cases, g->passed, quality,
                   with_interval(g->usd / g->cases, 4, 1000, &g->usd_each).text, with_interval(g->p50_ms, 1, 1, &g->p50).text,
                   with_interval(g->p95_ms, 1, 1, &g->p95).text);
    }
}

static void write_change(struct buf *out, const struct eval_summary *s)
{
    const struct eval_change *c = &s->change;
    if (s->baseline_by[0]) {
        buf_printf(out, "  the baseline was answered by %s: compared with nothing; --save replaces it\n", s->baseline_by);
        return;
    }
    if (c->compared == 0) {
        buf_puts(out, "  the baseline has no graded case in common with this run: compared with nothing; --save replaces it\n");
        return;
    }
    buf_printf(out, "  baseline: %d cases compared, %d passed then, %d now; %d broken, %d mended (p = %.3f)%s\n", c->compared, c->was_passed,
               c->now_passed, c->broken, c->mended, c->p, c->is_wrong_more ? ": REGRESSION" : "");
    buf_printf(out, "            $%.4f a thousand then, $%.4f now%s; %.1f ms on average then, %.1f now%s\n", 1000 * c->was_usd, 1000 * c->now_usd,
               c->is_dearer ? ": REGRESSION" : "", c->was_ms, c->now_ms, c->is_slower ? ": REGRESSION" : "");
}

static void write_failure(struct buf *out, const struct eval_page *page, int i)
{
    const struct eval_case *c = &page->results->set->at[i];
    const struct eval_outcome *o = &page->results->at[i];
    buf_printf(out, "FAIL %s:%d: %s: %s: %s\n", page->results->set->path, c->line, c->id, o->failed, o->why);
    if (o->model[0])
        buf_printf(out, "     served by %s because %s: %s%s%s\n", o->model, o->cause, o->reason, o->line[0] ? ", at " : "", o->line);
}

void eval_report_text(struct buf *out, const struct eval_page *page)
{
    const struct eval_summary *s = page->summary;
    const struct eval_group *w = &s->whole;
    for (int i = 0; i < page->results->set->count; i++)
        if (page->results->at[i].verdict == EVAL_FAILED)
            write_failure(out, page, i);
    buf_printf(out, "%s: %d of %d cases through generation %.12s by %s, %.1f s\n", page->results->set->path, w->cases, page->results->set->count,
               page->generation, page->results->answered_by, page->seconds);
    if (graded(w))
        buf_printf(out, "  quality %.1f %% (%.1f to %.1f): %d of %d passed", 100 * w->quality, 100 * w->low, 100 * w->high, w->passed, graded(w));
    else
        buf_puts(out, "  no case was graded");
    if (w->unjudged)
        buf_printf(out, "; %d %s a judge and had none", w->unjudged, w->unjudged == 1 ? "needs" : "need");
    buf_printf(out, "\n  cost $%.6f", w->usd);
    if (w->cases)
        buf_printf(out, ", $%s a thousand", with_interval(w->usd / w->cases, 4, 1000, &w->usd_each).text);
    if (s->judge_usd > 0)
        buf_printf(out, ", judges $%.6f", s->judge_usd);
    if (w->cases)
        buf_printf(out, "\n  latency p50 %s ms, p95 %s ms", with_interval(w->p50_ms, 1, 1, &w->p50).text, with_interval(w->p95_ms, 1, 1, &w->p95).text);
    buf_puts(out, "\n");
    write_groups(out, "model", s->models, s->model_count);
    if (s->tag_count)
        write_groups(out, "tag", s->tags, s->tag_count);
    if (s->has_baseline)
        write_change(out, s);
}

/* ---- for programs ---- */

static void put_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":", name);
    json_quote_z(out, text && text[0] ? text : NULL);
}

static void put_number(struct buf *out, const char *name, double number)
{
    if (isfinite(number))
        buf_printf(out, ",\"%s\":%.9g", name, number);
    else
        buf_printf(out, ",\"%s\":null", name);
}

static void put_interval(struct buf *out, const char *low, const char *high, const struct eval_interval *i)
{
    put_number(out, low, i->low);
    put_number(out, high, i->high);
}

static void put_group(struct buf *out, const struct eval_group *g)
{
    buf_printf(out, "\"cases\":%d,\"passed\":%d,\"failed\":%d,\"unjudged\":%d", g->cases, g->passed, g->failed, g->unjudged);
    put_number(out, "quality", g->quality);
    put_number(out, "low", g->low);
    put_number(out, "high", g->high);
    put_number(out, "usd", g->usd);
    put_number(out, "usd_each", g->cases ? g->usd / g->cases : NAN);
    put_interval(out, "usd_each_low", "usd_each_high", &g->usd_each);
    put_number(out, "p50_ms", g->p50_ms);
    put_interval(out, "p50_ms_low", "p50_ms_high", &g->p50);
    put_number(out, "p95_ms", g->p95_ms);
    put_interval(out, "p95_ms_low", "p95_ms_high", &g->p95);
}

static void put_groups(struct buf *out, const char *name, const char *key, const struct eval_group *groups, int count)
{
    buf_printf(out, ",\"%s\":[", name);
    for (int i = 0; i < count; i++) {
        buf_puts(out, i ? ",{" : "{");
        put_text(out, key, groups[i].name);
        buf_putc(out, ',');
        put_group(out, &groups[i]);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static void put_outcome(struct buf *out, const struct eval_page *page, int i)
{
    static const char *const VERDICTS[] = {"open", "passed", "failed", "unjudged"};
    const struct eval_case *c = &page->results->set->at[i];
    const struct eval_outcome *o = &page->results->at[i];
    buf_putc(out, '{');
    put_text(out, "id", c->id);
    buf_puts(out, ",");
    put_text(out, "file", page->results->set->path);
    buf_printf(out, ",\"line\":%d,\"verdict\":\"%s\",", c->line, VERDICTS[o->verdict]);
    put_text(out, "expectation", o->verdict == EVAL_FAILED ? o->failed : "");
    buf_putc(out, ',');
    put_text(out, "why", o->verdict == EVAL_FAILED ? o->why : "");
    buf_putc(out, ',');
    put_text(out, "text", o->text.p);
    buf_putc(out, ',');
    put_text(out, "model", o->model);
    buf_putc(out, ',');
    put_text(out, "cause", o->cause);
    buf_putc(out, ',');
    put_text(out, "reason", o->reason);
    buf_putc(out, ',');
    put_text(out, "at", o->line);
    buf_printf(out, ",\"status\":%d", o->status);
    put_number(out, "usd", o->usd);
    put_number(out, "ms", o->ms);
    if (o->is_judged) {
        buf_printf(out, ",\"judge\":{\"pass\":%s,", o->judge_agrees ? "true" : "false");
        put_text(out, "reason", o->judge_reason);
        put_number(out, "usd", o->judge_usd);
        buf_putc(out, '}');
    }
    buf_putc(out, '}');
}

static void put_change(struct buf *out, const struct eval_summary *s)
{
    const struct eval_change *c = &s->change;
    if (!s->has_baseline) {
        buf_puts(out, ",\"baseline\":null");
        return;
    }
    buf_printf(out, ",\"baseline\":{\"compared\":%d,\"was_passed\":%d,\"now_passed\":%d,\"broken\":%d,\"mended\":%d,\"regressed\":%s", c->compared,
               c->was_passed, c->now_passed, c->broken, c->mended, c->is_worse ? "true" : "false");
    buf_printf(out, ",\"worse\":%s,\"dearer\":%s,\"slower\":%s", c->is_wrong_more ? "true" : "false", c->is_dearer ? "true" : "false",
               c->is_slower ? "true" : "false");
    put_number(out, "p", c->p);
    put_number(out, "was_usd", c->was_usd);
    put_number(out, "now_usd", c->now_usd);
    put_number(out, "was_ms", c->was_ms);
    put_number(out, "now_ms", c->now_ms);
    buf_putc(out, ',');
    put_text(out, "answered_by_others", s->baseline_by);
    buf_putc(out, '}');
}

void eval_report_json(struct buf *out, const struct eval_page *page)
{
    const struct eval_summary *s = page->summary;
    buf_putc(out, '{');
    put_text(out, "route", page->results->set->route);
    buf_printf(out, ",\"total\":%d,\"complete\":%s,", page->results->set->count, page->is_complete ? "true" : "false");
    put_text(out, "generation", page->generation);
    buf_putc(out, ',');
    put_text(out, "answered_by", page->results->answered_by);
    put_number(out, "seconds", page->seconds);
    buf_putc(out, ',');
    put_group(out, &s->whole);
    put_number(out, "judge_usd", s->judge_usd);
    put_groups(out, "models", "model", s->models, s->model_count);
    put_groups(out, "tags", "tag", s->tags, s->tag_count);
    put_change(out, s);
    buf_puts(out, ",\"results\":[");
    bool is_first = true;
    for (int i = 0; i < page->results->set->count; i++) {
        if (page->results->at[i].verdict == EVAL_OPEN)
            continue;
        buf_puts(out, is_first ? "" : ",");
        put_outcome(out, page, i);
        is_first = false;
    }
    buf_puts(out, "]}");
}
