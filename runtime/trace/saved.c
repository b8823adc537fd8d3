#include "trace/saved.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/json.h"
#include "trace/saved_fakes.h"
#include "trace/saved_lua.h"

enum { SAVED_ARENA = 32 << 20 };

/* ---- the request, and what its route found ---- */

static void write_headers(struct saving *s)
{
    const char *comma = "";
    for (struct json_walk w = json_walk(s->from->headers); json_next(&w);) {
        if (!str_starts(w.key, "x-"))
            continue; /* the others are the connection's */
        buf_puts(s->out, *comma ? comma : "      headers = {");
        buf_puts(s->out, " [");
        saved_value(s->out, &s->arena, str_n(w.key.p - 1, w.key.len + 2));
        buf_puts(s->out, "] = ");
        saved_value(s->out, &s->arena, w.value);
        comma = ",";
    }
    buf_puts(s->out, *comma ? " },\n" : "");
}

/* "n3" → 3, as wye.kv's tape has it. */
static void write_kept(struct saving *s, struct str value)
{
    struct str text = value.len ? str_n(value.p + 1, value.len - 1) : value;
    switch (value.len ? value.p[0] : '-') {
    case 'n':
        buf_puts(s->out, ", ");
        saved_number(s->out, text);
        break;
    case 'b': buf_puts(s->out, str_eq(text, "1") ? ", true" : ", false"); break;
    case 's':
        buf_puts(s->out, ", ");
        saved_string(s->out, text);
        break;
    default: break;
    }
}

static void write_time(struct saving *s, const struct captured_step *step)
{
    char digits[24];
    snprintf(digits, sizeof digits, STR_FMT, STR_ARG(step->value));
    buf_printf(s->out, "%.6f", (double)strtoull(digits, NULL, 10) / 1e6);
}

static void write_call(struct saving *s, const struct captured_step *step)
{
    const char *blank = step->key.len ? memchr(step->key.p, ' ', step->key.len) : NULL;
    size_t len = blank ? (size_t)(blank - step->key.p) : step->key.len;
    buf_puts(s->out, "{ ");
    saved_string(s->out, str_n(step->key.p, len));
    buf_puts(s->out, ", ");
    saved_string(s->out, blank ? str_n(blank + 1, step->key.len - len - 1) : str_n(NULL, 0));
    write_kept(s, step->value);
    buf_puts(s->out, " }");
}

static void write_arm(struct saving *s, const struct captured_step *step)
{
    buf_puts(s->out, "[");
    saved_string(s->out, step->key);
    buf_puts(s->out, "] = ");
    saved_string(s->out, step->value);
}

static void write_p95(struct saving *s, const struct captured_step *step)
{
    buf_puts(s->out, "[");
    saved_string(s->out, step->key);
    buf_puts(s->out, "] = ");
    saved_number(s->out, step->value);
}

static void write_wait(struct saving *s, const struct captured_step *step)
{
    if (step->flags & STEP_STOPPED)
        buf_puts(s->out, "false");
    else
        buf_printf(s->out, "%.3f", saved_end(s, step));
}

static int by_number(const void *a, const void *b)
{
    const struct captured_step *x = *(const struct captured_step *const *)a, *y = *(const struct captured_step *const *)b;
    return (x->n > y->n) - (x->n < y->n);
}

/* A spec deals the arm that was dealt and the one that a stopped experiment holds alike. */
static bool is_of(const struct captured_step *step, const char *kind)
{
    return str_eq(step->kind, kind) || (strcmp(kind, "arm") == 0 && str_eq(step->kind, "held"));
}

/* A list of all the steps of this kind, as the option of that name. */
static void write_option(struct saving *s, const char *name, const char *kind, void (*write)(struct saving *, const struct captured_step *))
{
    const struct captured *c = s->from;
    const struct captured_step **steps = arena_need(&s->arena, sizeof *steps * (size_t)(c->step_count + 1));
    int count = 0;
    for (int i = 0; i < c->step_count; i++)
        if (is_of(&c->steps[i], kind))
            steps[count++] = &c->steps[i];
    if (strcmp(kind, "sleep") == 0)
        qsort(steps, (size_t)count, sizeof *steps, by_number);
    for (int i = 0; i < count; i++) {
        buf_printf(s->out, i ? ", " : "      %s = { ", name);
        write(s, steps[i]);
    }
    buf_puts(s->out, count ? " },\n" : "");
}

static void write_options(struct saving *s)
{
    static const char *const PROTOCOLS[] = {"chat", "messages", "responses", "embeddings"};
    buf_puts(s->out, ", {\n      id = ");
    saved_string(s->out, s->from->id);
    buf_puts(s->out, ",\n");
    if (s->from->protocol)
        buf_printf(s->out, "      protocol = \"%s\",\n", PROTOCOLS[s->from->protocol]);
    write_headers(s);
    write_option(s, "now", "now", write_time);
    write_option(s, "kv", "kv", write_call);
    write_option(s, "arms", "arm", write_arm);
    write_option(s, "p95", "p95", write_p95);
    write_option(s, "waits", "sleep", write_wait);
    buf_puts(s->out, "    })\n");
}

/* ---- what came of it ---- */

static void expect(struct saving *s, const char *field, struct str text)
{
    buf_puts(s->out, "    assert.are.equal(");
    saved_string(s->out, text);
    buf_printf(s->out, ", d.%s)\n", field);
}

/* Of a reply that was served: which of the answers it is. */
static void expect_text(struct saving *s)
{
    char digits[20];
    snprintf(digits, sizeof digits, STR_FMT, STR_ARG(s->decided->key));
    uint64_t key = strtoull(digits, NULL, 16);
    for (int i = 0; i < s->ask_count && key; i++) {
        struct str reply = s->asks[i]->reply, text = json_text(json_pointer(reply, "/choices/0/message/content"), &s->arena);
        if (reply.p && text.len && XXH3_64bits(reply.p, reply.len) == key) {
            expect(s, "text", text);
            return;
        }
    }
}

static void expect_decision(struct saving *s)
{
    expect(s, "decision", s->decided->value);
    expect_text(s);
    if (s->decided->reason.len)
        expect(s, "reason", s->decided->reason);
}

/* ---- the whole ---- */

static void read_steps(struct saving *s)
{
    int last = 0;
    for (int i = 0; i < s->from->step_count; i++) {
        const struct captured_step *step = &s->from->steps[i];
        bool is_ask = str_eq(step->kind, "ask"), is_wait = str_eq(step->kind, "sleep");
        if (str_eq(step->kind, "decided"))
            s->decided = step;
        if (is_ask && step->model.p && s->ask_count < SAVED_ASKS)
            s->asks[s->ask_count++] = step;
        if (is_ask || is_wait) {
            s->is_timed |= is_wait || step->n < last || step->flags & (STEP_JOINED | STEP_STOPPED);
            last = step->n;
        }
    }
    qsort(s->asks, (size_t)s->ask_count, sizeof *s->asks, by_number);
}

static void write_title(struct saving *s)
{
    char at[40];
    const struct captured *c = s->from;
    buf_puts(s->out, "-- Decision ");
    saved_string(s->out, c->id);
    buf_printf(s->out, " of %s, decided at ", clock_format(c->began_us, at, sizeof at));
    saved_string(s->out, s->decided->line);
    buf_puts(s->out, ".\n");
}

/* Does the pointer, in which * stands for any member, reach something? */
static bool is_reached(struct str json, const char *pointer)
{
    if (*pointer == '\0')
        return true;
    char part[256];
    size_t len = strcspn(pointer + 1, "/");
    snprintf(part, sizeof part, "%.*s", (int)len + 1, pointer);
    if (strcmp(part, "/*") != 0) {
        struct str member = json_pointer(json, part);
        return member.p && is_reached(member, pointer + 1 + len);
    }
    for (struct json_walk w = json_walk(json); json_next(&w);)
        if (is_reached(w.value, pointer + 1 + len))
            return true;
    return false;
}

static const char *mask_of(const struct captured *c)
{
    static char mask[512];
    for (int i = 0; i < c->mask_count; i++) {
        snprintf(mask, sizeof mask, STR_FMT, STR_ARG(c->masks[i]));
        if (is_reached(c->request, mask))
            return mask;
    }
    for (int i = 0; i < c->step_count; i++)
        if (c->steps[i].flags & STEP_MASKED && str_eq(c->steps[i].kind, "ask"))
            return "a model's answer";
    return NULL;
}

static bool is_damaged(const struct captured *c)
{
    bool is_good = c->id.len > 0;
    for (size_t i = 0; i < c->id.len; i++)
        is_good = is_good && isalnum((unsigned char)c->id.p[i]); /* it names a file */
    is_good = is_good && json_validate(c->request, NULL) == 0 && json_validate(c->headers, NULL) == 0;
    for (int i = 0; i < c->step_count && is_good; i++) {
        const struct captured_step *step = &c->steps[i];
        bool has_reply = str_eq(step->kind, "ask") && !step->error.p && !(step->flags & STEP_STOPPED);
        is_good = !has_reply || (step->reply.p && json_validate(step->reply, NULL) == 0);
    }
    return !is_good;
}

static int check(const struct saving *s, struct err *err)
{
    const struct captured *c = s->from;
    if (c->request.p == NULL)
        return err_set(err, ERR_BAD_REQUEST, STR_FMT " was not captured: capture = { share = 1 } in wye.lua keeps what a spec needs", STR_ARG(c->id));
    if (str_starts(c->request, "\"") || c->is_cut)
        return err_set(err, ERR_LIMIT, STR_FMT ": its request was too large to be kept", STR_ARG(c->id));
    if (is_damaged(c))
        return err_set(err, ERR_MALFORMED, STR_FMT ": its record is damaged", STR_ARG(c->id));
    if (c->protocol < 0 || c->protocol > 3)
        return err_set(err, ERR_BAD_REQUEST, STR_FMT ": its client speaks what this wye does not know", STR_ARG(c->id));
    if (c->route.p == NULL || s->decided == NULL)
        return err_set(err, ERR_BAD_REQUEST, STR_FMT ": no route decided it", STR_ARG(c->id));
    struct str decided = s->decided->value;
    if (decided.p && (memmem(decided.p, decided.len, ": ran longer than ", 18) || memmem(decided.p, decided.len, ": outgrew its memory", 20)))
        return err_set(err, ERR_BAD_REQUEST, STR_FMT ": its route was ended by a limit on time or memory, which is another each time", STR_ARG(c->id));
    const char *mask = mask_of(c);
    if (mask)
        return err_set(err, ERR_BAD_REQUEST, STR_FMT ": a mask took out what its route may have looked at (%s)", STR_ARG(c->id), mask);
    return 0;
}

int saved_write(struct buf *out, const struct captured *c, struct err *err)
{
    struct saving s = {.out = out, .arena = ARENA(SAVED_ARENA), .from = c};
    read_steps(&s);
    if (check(&s, err) < 0)
        return -1;
    write_title(&s);
    buf_puts(out, "local kit = require \"wye.testkit\"\n\ndescribe(");
    saved_string(out, c->route);
    buf_puts(out, ", function()\n  it(\"decides as it did in \" .. ");
    saved_string(out, c->id);
    buf_puts(out, ", function()\n    local t = kit.project()\n");
    saved_fakes(&s);
    buf_puts(out, "    local d = t:decide(");
    saved_string(out, c->route);
    buf_puts(out, ", ");
    if (str_starts(c->request, "{") && saved_is_plain(c->request))
        saved_value(out, &s.arena, c->request);
    else
        saved_json(out, c->request);
    write_options(&s);
    expect_decision(&s);
    arena_clear(&s.arena);
    return buf_puts(out, "  end)\nend)\n") < 0 ? err_set(err, ERR_LIMIT, "the spec would be over %d MiB", SAVED_MAX >> 20) : 0;
}
