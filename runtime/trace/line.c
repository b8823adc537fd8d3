#include "trace/line.h"

#include "base/clock.h"

enum { C_ID = 19, C_ROUTE = 33, C_SERVED = 44, C_CAUSE = 66, C_ATTEMPTS = 79, C_USD = 91, C_REASON = 101 };

/* "11-23 00:57:38.123": month to milliseconds of the UTC time. */
static void put_time(struct text *t, uint64_t wall_us)
{
    char full[40];
    clock_format(wall_us, full, sizeof full);
    full[10] = ' ';
    text_put(t, str_n(full + 5, 18));
}

static void put_at(struct text *t, int column, struct str s, enum text_colour colour)
{
    text_tab(t, column);
    if (t->style->width > 0 && t->column >= t->style->width)
        return;
    if (colour != TEXT_PLAIN)
        text_colour(t, colour);
    text_put(t, s);
    if (colour != TEXT_PLAIN)
        text_colour(t, TEXT_PLAIN);
}

static void put_right(struct text *t, int end, const char *z)
{
    text_tab(t, end - (int)strlen(z));
    text_z(t, z);
}

static enum text_colour cause_colour(struct str cause)
{
    if (str_eq(cause, "script_error"))
        return TEXT_RED;
    return str_eq(cause, "failover") || str_eq(cause, "limit") ? TEXT_YELLOW : TEXT_PLAIN;
}

int line_decision_title(struct buf *out, const struct text_style *style)
{
    struct text t = {out, style, false, 0};
    text_colour(&t, TEXT_BOLD);
    text_z(&t, "time (UTC)");
    put_at(&t, C_ID, str_of("id"), TEXT_PLAIN);
    put_at(&t, C_ROUTE, str_of("route"), TEXT_PLAIN);
    put_at(&t, C_SERVED, str_of("served"), TEXT_PLAIN);
    put_at(&t, C_CAUSE, str_of("cause"), TEXT_PLAIN);
    put_at(&t, C_ATTEMPTS, str_of("n"), TEXT_PLAIN);
    put_right(&t, C_USD - 1, "ms");
    put_right(&t, C_REASON - 1, "usd");
    put_at(&t, C_REASON, str_of("reason"), TEXT_PLAIN);
    text_colour(&t, TEXT_PLAIN);
    text_end(&t);
    return t.is_full ? -1 : 0;
}

int line_decision(struct buf *out, const struct decision *d, const struct text_style *style)
{
    struct text t = {out, style, false, 0};
    const struct record *own = &d->records[0];
    char n[40];
    put_time(&t, d->began_us);
    put_at(&t, C_ID, text_of(own, F_ID), TEXT_CYAN);
    put_at(&t, C_ROUTE, text_of(own, F_ROUTE), TEXT_PLAIN);
    put_at(&t, C_SERVED, text_of(own, F_SERVED), TEXT_GREEN);
    struct str cause = d->is_finished ? text_of(own, F_CAUSE) : str_of("(unfinished)");
    put_at(&t, C_CAUSE, cause, cause_colour(cause));
    text_tab(&t, C_ATTEMPTS);
    text_printf(&t, "%d", decision_attempts(d));
    put_right(&t, C_USD - 1, text_number(own, F_US, n, sizeof n));
    put_right(&t, C_REASON - 1, text_dollars(own, n, sizeof n));
    struct str error = record_text(own, F_ERROR);
    if (error.p)
        put_at(&t, C_REASON, error, TEXT_RED);
    else
        put_at(&t, C_REASON, text_of(own, F_REASON), TEXT_PLAIN);
    text_end(&t);
    return t.is_full ? -1 : 0;
}

enum { A_N = 33, A_MODEL = 36, A_PURPOSE = 58, A_STATUS = 67, A_ERROR = 74, A_NEXT = 89, A_MS = 110, A_USD = 120 };

int line_attempt_title(struct buf *out, const struct text_style *style)
{
    struct text t = {out, style, false, 0};
    text_colour(&t, TEXT_BOLD);
    text_z(&t, "time (UTC)");
    put_at(&t, C_ID, str_of("id"), TEXT_PLAIN);
    put_at(&t, A_N, str_of("n"), TEXT_PLAIN);
    put_at(&t, A_MODEL, str_of("model"), TEXT_PLAIN);
    put_at(&t, A_PURPOSE, str_of("purpose"), TEXT_PLAIN);
    put_at(&t, A_STATUS, str_of("status"), TEXT_PLAIN);
    put_at(&t, A_ERROR, str_of("error"), TEXT_PLAIN);
    put_at(&t, A_NEXT, str_of("next"), TEXT_PLAIN);
    put_right(&t, A_MS - 1, "first");
    put_right(&t, A_USD - 1, "ms");
    put_right(&t, A_USD + 10, "usd");
    text_colour(&t, TEXT_PLAIN);
    text_end(&t);
    return t.is_full ? -1 : 0;
}

int line_attempt(struct buf *out, const struct decision *d, const struct record *r, const struct text_style *style)
{
    struct text t = {out, style, false, 0};
    char n[40];
    put_time(&t, d->began_us);
    put_at(&t, C_ID, text_of(&d->records[0], F_ID), TEXT_CYAN);
    put_at(&t, A_N, str_of(text_number(r, F_N, n, sizeof n)), TEXT_PLAIN);
    put_at(&t, A_MODEL, text_of(r, F_MODEL), TEXT_GREEN);
    put_at(&t, A_PURPOSE, text_of(r, F_PURPOSE), TEXT_PLAIN);
    put_at(&t, A_STATUS, str_of(text_number(r, F_STATUS, n, sizeof n)), TEXT_PLAIN);
    put_at(&t, A_ERROR, text_of(r, F_ERROR), record_get(r, F_ERROR) ? TEXT_RED : TEXT_PLAIN);
    put_at(&t, A_NEXT, text_of(r, F_NEXT), TEXT_PLAIN);
    put_right(&t, A_MS - 1, text_number(r, F_TTFT_US, n, sizeof n));
    put_right(&t, A_USD - 1, text_number(r, F_US, n, sizeof n));
    put_right(&t, A_USD + 10, text_dollars(r, n, sizeof n));
    text_end(&t);
    return t.is_full ? -1 : 0;
}
