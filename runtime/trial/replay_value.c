#include "trial/replay_value.h"

#include <math.h>

#include "bind/analysis.h"

enum { LONGEST_NAME = 300, MOST_SCORES = 8, LONGEST_LINE = 1024 + MOST_SCORES * (LONGEST_NAME + 32) };

static int hand_over(struct replay_value *v)
{
    if (v->analysis == NULL && v->err.kind == ERR_NONE)
        v->analysis = analysis_open("stats.replayed", str_of("{}"), &v->err);
    if (v->analysis == NULL || v->err.kind != ERR_NONE)
        return -1;
    int failed = analysis_call(v->analysis, "rows", buf_str(&v->lines), NULL, &v->err);
    buf_reset(&v->lines);
    return failed;
}

/* Names are compared, never read: what would end a field or a line stands as a blank. */
static void put_name(struct buf *out, struct str name)
{
    for (size_t i = 0; i < name.len && i < LONGEST_NAME; i++)
        buf_putc(out, (unsigned char)name.p[i] < ' ' ? ' ' : name.p[i]);
}

void replay_value_add(void *arg, const struct captured *c, double weight, struct str was, struct str now)
{
    struct replay_value *v = arg;
    if (v->lines.len + LONGEST_LINE > REPLAY_VALUE_LINES && hand_over(v) < 0)
        return;
    buf_printf(&v->lines, "%d %.9g ", c->status == 200 && !c->error.p, weight);
    put_name(&v->lines, c->unit);
    buf_putc(&v->lines, '\t');
    put_name(&v->lines, was);
    buf_putc(&v->lines, '\t');
    put_name(&v->lines, now);
    for (int i = 0; i < c->score_count && i < MOST_SCORES; i++)
        if (isfinite(c->scores[i].value)) {
            buf_putc(&v->lines, '\t');
            put_name(&v->lines, c->scores[i].metric);
            buf_printf(&v->lines, "=%.17g", c->scores[i].value);
        }
    buf_putc(&v->lines, '\n');
}

int replay_value_write(struct replay_value *v, bool as_json, struct buf *out, struct err *err)
{
    if (hand_over(v) == 0 && analysis_call(v->analysis, as_json ? "json" : "page", str_of(""), out, &v->err) == 0)
        return 0;
    *err = v->err;
    return -1;
}

void replay_value_clear(struct replay_value *v)
{
    if (v->analysis)
        analysis_close(v->analysis);
    buf_clear(&v->lines);
}
