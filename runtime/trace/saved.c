#include "trace/saved.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"

enum { MOST_ASKS = 128, SAVED_ARENA = 32 << 20 };

struct saving {
    struct buf *out;
    struct arena arena;
    const struct captured *from;
    const struct captured_step *decided, *asks[MOST_ASKS]; /* asks in the order in which they began */
    int ask_count;
    bool has_more; /* the route read what a spec cannot give again */
};

/* ---- Lua ---- */

static void write_string(struct buf *out, struct str s)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\n')
            buf_puts(out, "\\n");
        else if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < ' ' || c == 127)
            buf_printf(out, "\\%03u", c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
}

static void write_value(struct saving *s, struct str json);

static bool is_name(struct str key)
{
    static const char *const WORDS[] = {"and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
                                        "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while"};
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (str_eq(key, WORDS[i]))
            return false;
    for (size_t i = 0; i < key.len; i++) {
        char c = key.p[i];
        if (!(c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (i && c >= '0' && c <= '9')))
            return false;
    }
    return key.len > 0;
}

/* A member whose value is null is left out: Lua has no place for it. */
static void write_table(struct saving *s, struct str json)
{
    const char *comma = "";
    buf_puts(s->out, "{");
    for (struct json_walk w = json_walk(json); json_next(&w);) {
        if (w.is_object && json_type(w.value) == JSON_NULL)
            continue;
        buf_puts(s->out, comma);
        buf_putc(s->out, ' ');
        if (w.is_object && is_name(w.key)) {
            buf_printf(s->out, STR_FMT " = ", STR_ARG(w.key));
        } else if (w.is_object) {
            buf_putc(s->out, '[');
            write_value(s, str_n(w.key.p - 1, w.key.len + 2));
            buf_puts(s->out, "] = ");
        }
        write_value(s, w.value);
        comma = ",";
    }
    buf_puts(s->out, *comma ? " }" : "}");
}

static void write_value(struct saving *s, struct str json)
{
    switch (json_type(json)) {
    case JSON_STRING: write_string(s->out, json_text(json, &s->arena)); break;
    case JSON_ARRAY:
    case JSON_OBJECT: write_table(s, json); break;
    case JSON_NULL: buf_puts(s->out, "nil"); break;
    default: buf_append(s->out, json.p, json.len);
    }
}

/* ---- what the models said ---- */

static void write_member(struct saving *s, const char *name, struct str json)
{
    if (json.p == NULL || json_type(json) == JSON_NULL)
        return;
    buf_printf(s->out, ", %s = ", name);
    write_value(s, json);
}

static void write_answer(struct saving *s, const struct captured_step *ask)
{
    buf_printf(s->out, "{ ms = %u", (unsigned)(ask->us / 1000));
    if (ask->error.p) {
        buf_printf(s->out, ", error = \"" STR_FMT "\", status = %d, message = ", STR_ARG(ask->error), ask->status);
        write_string(s->out, ask->why);
    } else {
        struct str choice = json_pointer(ask->reply, "/choices/0");
        write_member(s, "text", json_pointer(choice, "/message/content"));
        write_member(s, "finish", json_get(choice, "finish_reason"));
        write_member(s, "tool_calls", json_pointer(choice, "/message/tool_calls"));
        write_member(s, "logprobs", json_get(choice, "logprobs"));
        write_member(s, "usage", json_get(ask->reply, "usage"));
    }
    buf_puts(s->out, " }");
}

/* Of each model once, its answers in turn. */
static void write_fakes(struct saving *s)
{
    for (int i = 0; i < s->ask_count; i++) {
        struct str model = s->asks[i]->model;
        bool is_known = false;
        for (int k = 0; k < i; k++)
            is_known |= str_same(s->asks[k]->model, model);
        if (is_known)
            continue;
        buf_printf(s->out, "    t:fake(\"" STR_FMT "\", {\n", STR_ARG(model));
        for (int k = i; k < s->ask_count; k++)
            if (str_same(s->asks[k]->model, model)) {
                buf_puts(s->out, "      ");
                write_answer(s, s->asks[k]);
                buf_puts(s->out, ",\n");
            }
        buf_puts(s->out, "    })\n");
    }
}

/* ---- the request, and what came of it ---- */

static void write_headers(struct saving *s)
{
    const char *comma = "";
    for (struct json_walk w = json_walk(s->from->headers); json_next(&w);) {
        if (!str_starts(w.key, "x-"))
            continue; /* the others are the connection's */
        buf_puts(s->out, *comma ? comma : ", { headers = {");
        buf_printf(s->out, " [\"" STR_FMT "\"] = ", STR_ARG(w.key));
        write_value(s, w.value);
        comma = ",";
    }
    buf_puts(s->out, *comma ? " } })\n" : ")\n");
}

static void expect(struct saving *s, const char *field, struct str text)
{
    buf_puts(s->out, "    assert.are.equal(");
    write_string(s->out, text);
    buf_printf(s->out, ", d.%s)\n", field);
}

/* "a/x, b/y#12ab (first_token 4000)" → { "a/x", "b/y" } */
static void expect_models(struct saving *s, struct str decided)
{
    const char *end = memmem(decided.p, decided.len, " (", 2);
    const char *comma = "";
    struct str list = end ? str_n(decided.p, (size_t)(end - decided.p)) : decided;
    buf_puts(s->out, "    assert.are.same({");
    for (size_t at = 0; at < list.len;) {
        size_t len = 0;
        while (at + len < list.len && list.p[at + len] != ',')
            len++;
        struct str one = str_n(list.p + at, len);
        const char *mark = memchr(one.p, '#', one.len);
        buf_printf(s->out, "%s ", comma);
        write_string(s->out, mark ? str_n(one.p, (size_t)(mark - one.p)) : one);
        comma = ",";
        at += len + 2;
    }
    buf_puts(s->out, " }, d.models)\n");
}

static struct str after(struct str s, const char *start)
{
    size_t len = strlen(start);
    return str_n(s.p + len, s.len - len);
}

static void expect_decision(struct saving *s)
{
    struct str decided = s->decided->value;
    if (str_starts(decided, "script_error: ")) {
        expect(s, "script_error", after(decided, "script_error: "));
        return;
    }
    if (str_starts(decided, "reply of ")) {
        expect(s, "kind", str_of("reply"));
        expect(s, "model", after(decided, "reply of "));
    } else if (str_starts(decided, "refuse ")) {
        expect(s, "kind", str_of("refusal"));
        buf_printf(s->out, "    assert.are.equal(%d, d.status)\n", atoi(decided.p + strlen("refuse ")));
    } else {
        expect_models(s, decided);
    }
    if (s->decided->reason.len)
        expect(s, "reason", s->decided->reason);
}

/* ---- the whole ---- */

static int by_number(const void *a, const void *b)
{
    const struct captured_step *x = *(const struct captured_step *const *)a, *y = *(const struct captured_step *const *)b;
    return (x->n > y->n) - (x->n < y->n);
}

static void read_steps(struct saving *s)
{
    for (int i = 0; i < s->from->step_count; i++) {
        const struct captured_step *step = &s->from->steps[i];
        if (str_eq(step->kind, "decided"))
            s->decided = step;
        else if (str_eq(step->kind, "ask") && step->model.p && s->ask_count < MOST_ASKS)
            s->asks[s->ask_count++] = step;
        else
            s->has_more = true;
    }
    qsort(s->asks, (size_t)s->ask_count, sizeof *s->asks, by_number);
}

static void write_title(struct saving *s)
{
    char at[40];
    const struct captured *c = s->from;
    buf_printf(s->out, "-- Decision " STR_FMT " of %s, decided at " STR_FMT ".\n", STR_ARG(c->id), clock_format(c->began_us, at, sizeof at),
               STR_ARG(s->decided->line));
    if (s->has_more)
        buf_puts(s->out, "-- Its route also read a clock, wye.kv, or which of several answers came first: here these are the spec's own.\n");
    if (c->mask_count)
        buf_puts(s->out, "-- What masks took out of the request stands here as \"[masked]\".\n");
}

static int check(const struct saving *s, struct err *err)
{
    const struct captured *c = s->from;
    if (c->request.p == NULL)
        return err_set(err, ERR_BAD_REQUEST, STR_FMT " was not captured: capture = { share = 1 } in wye.lua keeps what a spec needs", STR_ARG(c->id));
    if (c->request.p[0] != '{' || c->is_cut)
        return err_set(err, ERR_LIMIT, STR_FMT ": its request was too large to be kept", STR_ARG(c->id));
    if (c->protocol != 0)
        return err_set(err, ERR_BAD_REQUEST, STR_FMT ": the test kit speaks chat completions, its client another protocol", STR_ARG(c->id));
    if (c->route.p == NULL || s->decided == NULL)
        return err_set(err, ERR_BAD_REQUEST, STR_FMT ": no route decided it", STR_ARG(c->id));
    return 0;
}

int saved_write(struct buf *out, const struct captured *c, struct err *err)
{
    struct saving s = {.out = out, .arena = ARENA(SAVED_ARENA), .from = c};
    read_steps(&s);
    if (check(&s, err) < 0)
        return -1;
    write_title(&s);
    buf_printf(out, "local kit = require \"wye.testkit\"\n\ndescribe(\"" STR_FMT "\", function()\n", STR_ARG(c->route));
    buf_printf(out, "  it(\"decides as it did in " STR_FMT "\", function()\n    local t = kit.project()\n", STR_ARG(c->id));
    write_fakes(&s);
    buf_printf(out, "    local d = t:decide(\"" STR_FMT "\", ", STR_ARG(c->route));
    write_value(&s, c->request);
    write_headers(&s);
    expect_decision(&s);
    arena_clear(&s.arena);
    return buf_puts(out, "  end)\nend)\n") < 0 ? err_set(err, ERR_LIMIT, "the spec would be over %d MiB", SAVED_MAX >> 20) : 0;
}
