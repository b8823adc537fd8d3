#include "cmd/between.h"

#include <stdio.h>

#include "base/json.h"
#include "cmd/terminal.h"
#include "admin/compare.h"
#include "trace/contrast.h"
#include "trace/text.h"

enum { PAGE_MAX = 256 * 1024 * 1024, DIFF_MAX = 64 * 1024 * 1024, C_A = 24, C_B = 62, SHOWN = 36 };

struct page {
    struct text text;
    struct buf *json;
    int count;
};

static void put_cell(struct text *t, struct str s, enum text_colour colour)
{
    bool is_long = s.len > SHOWN;
    text_colour(t, colour);
    text_put(t, s.p ? str_n(s.p, is_long ? SHOWN - 1 : s.len) : str_of("-"));
    text_z(t, is_long ? "…" : "");
    text_colour(t, TEXT_PLAIN);
}

static void put_line(void *ctx, const char *what, struct str a, struct str b)
{
    struct text *t = &((struct page *)ctx)->text;
    text_z(t, "  ");
    text_z(t, what);
    if (a.len <= SHOWN && b.len <= SHOWN) {
        text_tab(t, C_A);
        put_cell(t, a, TEXT_YELLOW);
        text_tab(t, C_B);
        put_cell(t, b, TEXT_CYAN);
        text_end(t);
        return;
    }
    text_end(t);
    for (int side = 0; side < 2; side++) {
        struct str s = side ? b : a;
        text_z(t, side ? "    + " : "    - ");
        text_colour(t, side ? TEXT_CYAN : TEXT_YELLOW);
        text_put(t, s.p ? s : str_of("-"));
        text_colour(t, TEXT_PLAIN);
        text_end(t);
    }
}

static void put_member(struct buf *out, const char *name, struct str s)
{
    buf_printf(out, ",\"%s\":", name);
    s.p ? json_quote(out, s) : buf_puts(out, "null");
}

static void put_object(void *ctx, const char *what, struct str a, struct str b)
{
    struct page *p = ctx;
    buf_puts(p->json, p->count++ ? ",{\"what\":" : "{\"what\":");
    json_quote(p->json, str_of(what));
    put_member(p->json, "a", a);
    put_member(p->json, "b", b);
    buf_putc(p->json, '}');
}

/* {"a","b","files","text"}; nothing when one is not kept or they are the same. */
static bool compare(struct buf *out, const struct decision *a, const struct decision *b, struct manifest *files_a, struct manifest *files_b)
{
    double of_a = 0, of_b = 0;
    record_number(&a->records[0], F_GENERATION, &of_a);
    record_number(&b->records[0], F_GENERATION, &of_b);
    const unsigned ids[2] = {(unsigned)of_a, (unsigned)of_b};
    bool differ = !str_same(record_text(&a->records[0], F_HASH), record_text(&b->records[0], F_HASH));
    return differ && files_a && files_b && compare_generations(out, ids, files_a, files_b) == 0;
}

static void print_text(const struct decision *a, const struct decision *b, struct str diff)
{
    struct terminal terminal = terminal_look();
    const struct text_style style = {terminal.has_colour, terminal.width};
    struct buf out = BUF(PAGE_MAX);
    struct page p = {.text = {&out, &style, false, 0}};
    struct text *t = &p.text;
    struct arena arena = ARENA(DIFF_MAX);
    text_colour(t, TEXT_BOLD);
    text_z(t, "  what differs");
    text_tab(t, C_A);
    text_put(t, text_of(&a->records[0], F_ID));
    text_tab(t, C_B);
    text_put(t, text_of(&b->records[0], F_ID));
    text_colour(t, TEXT_PLAIN);
    text_end(t);
    if (contrast_walk(a, b, put_line, &p) == 0)
        buf_puts(&out, "Nothing but time and price: both decided alike.\n");
    bool is_captured = record_text(&a->records[0], F_REQUEST).p && record_text(&b->records[0], F_REQUEST).p;
    if (!is_captured)
        buf_puts(&out, "Their requests were not both captured (`capture` in wye.lua): what differs in them is not known.\n");
    struct str text = json_text(json_get(diff, "text"), &arena);
    if (text.p)
        buf_printf(&out, "\n" STR_FMT, STR_ARG(text));
    fwrite(out.p, 1, out.len, stdout);
    buf_clear(&out);
    arena_clear(&arena);
}

static void print_json(const struct decision *a, const struct decision *b, struct str diff)
{
    struct buf out = BUF(PAGE_MAX);
    struct page p = {.json = &out};
    buf_puts(&out, "{\"a\":");
    json_quote(&out, record_text(&a->records[0], F_ID));
    put_member(&out, "b", record_text(&b->records[0], F_ID));
    buf_puts(&out, ",\"differences\":[");
    int count = contrast_walk(a, b, put_object, &p);
    buf_printf(&out, "],\"alike\":%s,\"generations\":", count ? "false" : "true");
    buf_append(&out, diff.p ? diff.p : "null", diff.p ? diff.len : strlen("null"));
    puts(buf_puts(&out, "}") == 0 ? out.p : "{}");
    buf_clear(&out);
}

void between_print(const struct decision *a, const struct decision *b, struct manifest *files_a, struct manifest *files_b, bool as_json)
{
    struct buf diff = BUF(DIFF_MAX);
    bool is_compared = compare(&diff, a, b, files_a, files_b);
    struct str text = is_compared ? buf_str(&diff) : str_n(NULL, 0);
    (as_json ? print_json : print_text)(a, b, text);
    buf_clear(&diff);
}
