#include "trace/story.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "trace/listing.h"

static bool is_true(const struct record *r, enum field f)
{
    double n;
    return record_number(r, f, &n) && n != 0;
}

static void title(struct text *t, const char *words)
{
    text_end(t);
    text_colour(t, TEXT_BOLD);
    text_z(t, words);
    text_colour(t, TEXT_PLAIN);
    text_end(t);
}

static void outcome(struct text *t, const struct decision *d, const struct record *own)
{
    char n[40];
    struct str served = record_text(own, F_SERVED);
    if (!d->is_finished) {
        text_colour(t, TEXT_YELLOW);
        text_z(t, "has not ended: in flight, or lost with its worker");
        text_colour(t, TEXT_PLAIN);
        return;
    }
    if (served.p && served.len > 0) {
        text_z(t, "served by ");
        text_colour(t, TEXT_GREEN);
        text_put(t, served);
        text_colour(t, TEXT_PLAIN);
    } else {
        text_z(t, "served by no model");
    }
    if (record_get(own, F_STATUS))
        text_printf(t, ", status %s", text_number(own, F_STATUS, n, sizeof n));
    if (is_true(own, F_STREAM))
        text_z(t, ", streamed");
    text_printf(t, ", in %s ms", text_number(own, F_US, n, sizeof n));
    if (record_get(own, F_USD))
        text_printf(t, ", for $%s", text_dollars(own, n, sizeof n));
}

static void one_of(struct text *t, const struct record *r, enum field f, const char *words)
{
    struct str s = record_text(r, f);
    if (s.p == NULL || s.len == 0)
        return;
    text_z(t, words);
    text_put(t, s);
}

static void because(struct text *t, const struct record *own)
{
    struct str error = record_text(own, F_ERROR), reason = record_text(own, F_REASON);
    bool has_cause = record_get(own, F_CAUSE) != NULL;
    text_z(t, has_cause ? "because " : "refused before a route ran");
    if (has_cause) {
        text_colour(t, TEXT_BOLD);
        text_put(t, text_of(own, F_CAUSE));
        text_colour(t, TEXT_PLAIN);
    }
    if (reason.p && reason.len > 0) {
        text_z(t, ": ");
        text_put(t, reason);
    }
    one_of(t, own, F_LINE, ", at ");
    one_of(t, own, F_RULE_LINE, ", by ");
    one_of(t, own, F_WHY, ": ");
    text_end(t);
    struct str file;
    int line;
    if (error.p == NULL || listing_place(error, &file, &line, NULL))
        return; /* it is told at its line */
    text_colour(t, TEXT_RED);
    text_put(t, error);
    text_colour(t, TEXT_PLAIN);
    text_end(t);
}

static void head(struct text *t, const struct decision *d)
{
    const struct record *own = &d->records[0];
    char time[40];
    text_colour(t, TEXT_CYAN);
    text_put(t, text_of(own, F_ID));
    text_colour(t, TEXT_PLAIN);
    text_printf(t, "  %s", clock_format(d->began_us, time, sizeof time));
    text_end(t);
    text_z(t, "asked for ");
    text_put(t, text_of(own, F_REQUESTED));
    text_z(t, ", ");
    outcome(t, d, own);
    text_end(t);
    if (d->is_finished)
        because(t, own);
    text_z(t, "route ");
    text_put(t, text_of(own, F_ROUTE));
    if (record_get(own, F_GENERATION))
        text_printf(t, ", generation %s", text_number(own, F_GENERATION, time, sizeof time));
    one_of(t, own, F_HASH, " ");
    text_printf(t, ", worker %u", d->slot);
    one_of(t, own, F_KEY, ", key ");
    one_of(t, own, F_CONVERSATION, ", conversation ");
    one_of(t, own, F_TRACE, ", trace ");
    text_end(t);
}

static void mark_notes(const struct decision *d, struct marks *m)
{
    const struct record *r;
    for (int i = 0; (r = decision_next(d, GROUP_NOTE, &i));) {
        char at[40];
        struct str data = record_text(r, F_DATA);
        listing_mark(m, record_text(r, F_LINE), TEXT_CYAN, "note at %s ms: " STR_FMT "%s" STR_FMT,
                     text_number(r, F_AT_US, at, sizeof at), STR_ARG(text_of(r, F_TEXT)), data.p ? " " : "",
                     STR_ARG(data));
    }
}

static void mark_asks(const struct decision *d, struct marks *m)
{
    const struct record *r;
    for (int i = 0; (r = decision_next(d, GROUP_ATTEMPT, &i));) {
        char n[40], ms[40], usd[40];
        struct str error = record_text(r, F_ERROR), why = record_text(r, F_WHY);
        bool has_price = record_get(r, F_USD) && !error.p;
        listing_mark(m, record_text(r, F_LINE), error.p ? TEXT_YELLOW : TEXT_CYAN,
                     "attempt %s, " STR_FMT " " STR_FMT ": " STR_FMT " in %s ms%s%s%s" STR_FMT, text_number(r, F_N, n, sizeof n),
                     STR_ARG(text_of(r, F_PURPOSE)), STR_ARG(text_of(r, F_MODEL)),
                     STR_ARG(error.p ? error : text_of(r, F_COMPLETION)), text_number(r, F_US, ms, sizeof ms), has_price ? ", $" : "",
                     has_price ? text_dollars(r, usd, sizeof usd) : "", why.p ? ": " : "", STR_ARG(why));
    }
}

/* Where an experiment's arm decided, its return says why; the route's own only handed that on. */
static void mark_return(const struct record *own, struct marks *m)
{
    struct str reason = record_text(own, F_REASON), line = record_text(own, F_LINE), rule = record_text(own, F_RULE_LINE);
    if (rule.p)
        listing_mark(m, line, TEXT_GREEN, "returned what the arm at " STR_FMT " did", STR_ARG(rule));
    listing_mark(m, rule.p ? rule : line, TEXT_GREEN, reason.p && reason.len ? "returned: " STR_FMT : "returned" STR_FMT, STR_ARG(reason));
}

static void mark_all(const struct decision *d, struct marks *m)
{
    const struct record *own = &d->records[0];
    mark_asks(d, m);
    mark_notes(d, m);
    struct str error = record_text(own, F_ERROR), file, rest;
    int line;
    if (error.p && listing_place(error, &file, &line, &rest))
        listing_mark(m, error, TEXT_RED, "raised: " STR_FMT, STR_ARG(rest));
    else
        mark_return(own, m);
}

int story_files(const struct decision *d, struct str *out, int max)
{
    struct marks m = {0};
    int count = 0;
    mark_all(d, &m);
    for (int i = 0; i < m.count && count < max; i++) {
        bool is_known = false;
        for (int j = 0; j < count; j++)
            is_known |= str_same(out[j], m.at[i].file);
        if (!is_known)
            out[count++] = m.at[i].file;
    }
    free(m.at);
    return count;
}

static bool has_source(struct str file, const struct story_source *sources, int count)
{
    for (int i = 0; i < count; i++)
        if (str_eq(file, sources[i].name))
            return true;
    return false;
}

/* What happened at lines whose file is not at hand. */
static void tell_without_source(struct text *t, const struct marks *m, const struct story_source *sources, int count)
{
    for (int i = 0; i < m->count; i++) {
        if (has_source(m->at[i].file, sources, count))
            continue;
        text_put(t, m->at[i].file);
        text_printf(t, ":%d: %s", m->at[i].line, m->at[i].words);
        text_end(t);
    }
}

static void tell_lines(struct text *t, const struct decision *d, const struct story_source *sources, int count)
{
    struct marks m = {0};
    mark_all(d, &m);
    if (m.count > 0)
        text_end(t);
    for (int i = 0; i < count; i++)
        listing_tell(t, &sources[i], &m);
    tell_without_source(t, &m, sources, count);
    free(m.at);
}

static void tell_unplaced_notes(struct text *t, const struct decision *d)
{
    const struct record *r;
    bool has_title = false;
    for (int i = 0; (r = decision_next(d, GROUP_NOTE, &i));) {
        char at[40];
        if (record_text(r, F_LINE).p)
            continue;
        if (!has_title)
            title(t, "Notes");
        has_title = true;
        text_printf(t, "  %s ms", text_number(r, F_AT_US, at, sizeof at));
        text_tab(t, 14);
        text_put(t, text_of(r, F_TEXT));
        one_of(t, r, F_DATA, " ");
        text_end(t);
    }
}

static void tell_candidates(struct text *t, const struct decision *d)
{
    const struct record *r;
    char p[40];
    if (decision_count(d, GROUP_CANDIDATE) > 0)
        title(t, "Candidates");
    for (int i = 0; (r = decision_next(d, GROUP_CANDIDATE, &i));) {
        text_z(t, "  ");
        text_put(t, text_of(r, F_MODEL));
        text_tab(t, 28);
        text_put(t, text_of(r, F_STATE));
        one_of(t, r, F_WHY, ": ");
        if (record_get(r, F_P))
            text_printf(t, ", p %s", text_number(r, F_P, p, sizeof p));
        text_end(t);
    }
}

static void tell_arms(struct text *t, const struct decision *d)
{
    const struct record *r;
    char p[40];
    if (decision_count(d, GROUP_ARM) > 0)
        title(t, "Experiments");
    for (int i = 0; (r = decision_next(d, GROUP_ARM, &i));) {
        text_z(t, "  ");
        text_put(t, text_of(r, F_EXPERIMENT));
        one_of(t, r, F_ARM, ": ");
        if (record_get(r, F_P))
            text_printf(t, ", p %s", text_number(r, F_P, p, sizeof p));
        one_of(t, r, F_UNIT, ", unit ");
        text_end(t);
    }
}

enum { C_MODEL = 5, C_PURPOSE = 29, C_RESULT = 38, C_NEXT = 58, C_FIRST = 70, C_MS = 80, C_TOKENS = 90, C_USD = 108 };

static void column(struct text *t, int at, const char *z)
{
    text_tab(t, at);
    text_z(t, z);
}

/* "429 rate_limit", "200 cancelled", "timeout". */
static void result(struct text *t, const struct record *r)
{
    char n[40];
    struct str error = record_text(r, F_ERROR), completion = record_text(r, F_COMPLETION);
    text_tab(t, C_RESULT);
    text_colour(t, error.p ? TEXT_RED : TEXT_GREEN);
    if (record_get(r, F_STATUS))
        text_printf(t, "%s ", text_number(r, F_STATUS, n, sizeof n));
    if (error.p)
        text_put(t, error);
    else
        text_put(t, completion.p ? completion : str_of("in flight"));
    text_colour(t, TEXT_PLAIN);
}

static void attempt(struct text *t, const struct record *r)
{
    char n[40], out[40];
    text_printf(t, "%s%s", is_true(r, F_DID_SERVE) ? "* " : "  ", text_number(r, F_N, n, sizeof n));
    text_tab(t, C_MODEL);
    text_put(t, text_of(r, F_MODEL));
    text_tab(t, C_PURPOSE);
    text_put(t, text_of(r, F_PURPOSE));
    result(t, r);
    text_tab(t, C_NEXT);
    text_put(t, text_of(r, F_NEXT));
    column(t, C_FIRST, text_number(r, F_TTFT_US, n, sizeof n));
    column(t, C_MS, text_number(r, F_US, n, sizeof n));
    text_tab(t, C_TOKENS);
    if (record_get(r, F_INPUT) || record_get(r, F_OUTPUT))
        text_printf(t, "%s in %s out", text_number(r, F_INPUT, n, sizeof n), text_number(r, F_OUTPUT, out, sizeof out));
    else
        text_z(t, "-");
    column(t, C_USD, text_dollars(r, n, sizeof n));
    text_end(t);
}

static void tell_attempts(struct text *t, const struct decision *d)
{
    const struct record *r;
    if (decision_attempts(d) == 0)
        return;
    title(t, "Attempts (* served the client)");
    text_colour(t, TEXT_DIM);
    text_z(t, "  n");
    column(t, C_MODEL, "model");
    column(t, C_PURPOSE, "purpose");
    column(t, C_RESULT, "result");
    column(t, C_NEXT, "next");
    column(t, C_FIRST, "first ms");
    column(t, C_MS, "ms");
    column(t, C_TOKENS, "tokens");
    column(t, C_USD, "usd");
    text_colour(t, TEXT_PLAIN);
    text_end(t);
    for (int i = 0; (r = decision_next(d, GROUP_ATTEMPT, &i));)
        if (!record_is_shadowed(r))
            attempt(t, r);
}

/* Status, time, price and how like the client's answer it is; fields in that order. */
static void tell_answer(struct text *t, const struct record *r, const enum field *fields)
{
    char n[40], usd[40];
    text_printf(t, "%s", text_number(r, fields[0], n, sizeof n));
    text_printf(t, " in %s ms, $%s", text_number(r, fields[1], n, sizeof n), text_dollars_of(r, fields[2], usd, sizeof usd));
    if (record_get(r, fields[3]))
        text_z(t, is_true(r, fields[3]) ? ", exact" : is_true(r, fields[4]) ? ", alike" : ", other words");
}

static void tell_answers(struct text *t, const struct record *r)
{
    static const enum field OWN[] = {F_STATUS, F_US, F_USD, F_EXACT, F_ALIKE}, COPY[] = {F_COPY_STATUS, F_COPY_US, F_COPY_USD, F_COPY_EXACT, F_COPY_ALIKE};
    if (record_get(r, F_OUTCOME) == NULL)
        return;
    text_z(t, "    ");
    text_put(t, text_of(r, F_OUTCOME));
    if (record_get(r, F_STATUS)) {
        text_z(t, ": ");
        tell_answer(t, r, OWN);
        text_z(t, "; the route again: ");
        tell_answer(t, r, COPY);
    }
    text_end(t);
}

static void tell_shadow(struct text *t, const struct record *r)
{
    char n[40];
    struct str error = record_text(r, F_ERROR);
    bool is_compared = record_get(r, F_DIFFERS) != NULL;
    text_z(t, "  ");
    text_put(t, text_of(r, F_SHADOW_LINE));
    if (error.p) {
        text_z(t, ": ");
        text_colour(t, TEXT_RED);
        text_put(t, error);
        text_colour(t, TEXT_PLAIN);
    } else {
        text_z(t, is_compared ? is_true(r, F_DIFFERS) ? ": otherwise: " : ": alike: " : ": ");
        text_put(t, text_of(r, F_WOULD));
        one_of(t, r, F_REASON, ", ");
        one_of(t, r, F_LINE, ", at ");
    }
    if (record_get(r, F_ASKS))
        text_printf(t, ", undecided after %s asks that nobody answers", text_number(r, F_ASKS, n, sizeof n));
    text_end(t);
    tell_answers(t, r);
}

static void tell_shadows(struct text *t, const struct decision *d)
{
    const struct record *r;
    if (decision_count(d, GROUP_SHADOW) > 0)
        title(t, "Shadows");
    for (int i = 0; (r = decision_next(d, GROUP_SHADOW, &i));)
        tell_shadow(t, r);
}

static void tell_feedback(struct text *t, const struct decision *d)
{
    const struct record *r;
    char n[40];
    if (decision_count(d, GROUP_FEEDBACK) > 0)
        title(t, "Feedback");
    for (int i = 0; (r = decision_next(d, GROUP_FEEDBACK, &i));) {
        text_z(t, "  ");
        text_put(t, text_of(r, F_METRIC));
        text_printf(t, ": %s", text_number(r, F_SCORE, n, sizeof n));
        double us;
        if (record_number(r, F_TS, &us))
            text_printf(t, ", at %s", clock_format((uint64_t)us, n, sizeof n));
        text_end(t);
    }
}

static void tell_totals(struct text *t, const struct decision *d)
{
    const struct record *r, *own = &d->records[0];
    double in = 0, out = 0, n;
    char text[40];
    int count = 0;
    for (int i = 0; (r = decision_next(d, GROUP_ATTEMPT, &i));) {
        if (record_is_shadowed(r))
            continue;
        count++;
        in += record_number(r, F_INPUT, &n) ? n : 0;
        out += record_number(r, F_OUTPUT, &n) ? n : 0;
    }
    text_end(t);
    if (count > 0)
        text_printf(t, "Total: %d attempt%s, %.0f tokens in, %.0f out", count, count == 1 ? "" : "s", in, out);
    else
        text_z(t, "Total: no provider asked");
    if (record_get(own, F_USD))
        text_printf(t, ", $%s", text_dollars(own, text, sizeof text));
    text_printf(t, ", %s ms", text_number(own, F_US, text, sizeof text));
    if (record_get(own, F_SCRIPT_US))
        text_printf(t, " (script %s us)", text_number(own, F_SCRIPT_US, text, sizeof text));
    if (record_get(own, F_LIMIT_USD))
        text_printf(t, ", limit $%s", text_number(own, F_LIMIT_USD, text, sizeof text));
    if (record_get(own, F_LIMIT_SECONDS))
        text_printf(t, ", limit %s s", text_number(own, F_LIMIT_SECONDS, text, sizeof text));
    one_of(t, own, F_LIMIT_HIT, ", hit: ");
    text_end(t);
}

int story_tell(struct buf *out, const struct decision *d, const struct story_source *sources, int count,
               const struct text_style *style)
{
    struct text t = {out, style, false, 0};
    head(&t, d);
    tell_lines(&t, d, sources, count);
    tell_unplaced_notes(&t, d);
    tell_candidates(&t, d);
    tell_arms(&t, d);
    tell_attempts(&t, d);
    tell_shadows(&t, d);
    tell_feedback(&t, d);
    if (d->is_finished)
        tell_totals(&t, d);
    return t.is_full ? -1 : 0;
}
