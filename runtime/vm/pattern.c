#include "vm/pattern.h"

#include <ctype.h>

enum kind { K_TEXT, K_ANY, K_SET, K_OPEN, K_CLOSE, K_BACK, K_BALANCE, K_FRONTIER, K_END };
enum repeat { R_ONE, R_MAYBE, R_MANY, R_SOME, R_FEW }; /* none ? * + - */

enum { LOOK_UP = 4096 }; /* steps between two questions whether time is over */

static bool has(const struct pattern_set *set, unsigned char c)
{
    return set->bits[c >> 6] >> (c & 63) & 1;
}

static void add(struct pattern_set *set, unsigned char c)
{
    set->bits[c >> 6] |= 1ull << (c & 63);
}

static bool is_in_class(int letter, int c)
{
    switch (letter) {
    case 'a':
        return isalpha(c);
    case 'c':
        return iscntrl(c);
    case 'd':
        return isdigit(c);
    case 'g':
        return isgraph(c);
    case 'l':
        return islower(c);
    case 'p':
        return ispunct(c);
    case 's':
        return isspace(c);
    case 'u':
        return isupper(c);
    case 'w':
        return isalnum(c);
    case 'x':
        return isxdigit(c);
    case 'z':
        return c == 0;
    default:
        return false;
    }
}

/* The sets of %a … %z and their complements, made at first use: the C locale never changes. */
static const struct pattern_set *class_set(unsigned char letter)
{
    static struct pattern_set sets[2][26];
    static bool is_made[2][26];
    int upper = isupper(letter) != 0, i = tolower(letter) - 'a';
    if (!is_made[upper][i]) {
        for (int c = 0; c < 256; c++)
            if (is_in_class('a' + i, c) != upper)
                add(&sets[upper][i], (unsigned char)c);
        is_made[upper][i] = true;
    }
    return &sets[upper][i];
}

static bool is_class(unsigned char letter)
{
    return letter < 128 && isalpha(letter) && strchr("acdglpsuwxz", tolower(letter));
}

struct compiler {
    struct pattern *p;
    const char *at, *end;
    const char *why;
    uint8_t open[PATTERN_CAPTURES]; /* captures not yet closed */
    int open_count;
    bool is_closed[PATTERN_CAPTURES];
};

static struct pattern_item *add_item(struct compiler *c, enum kind kind)
{
    if (c->p->count == PATTERN_ITEMS) {
        c->why = "pattern too complex";
        return NULL;
    }
    struct pattern_item *item = &c->p->items[c->p->count++];
    *item = (struct pattern_item){.kind = kind};
    return item;
}

/* After '[': fills the set and steps over ']'. A ']' that comes first is an ordinary character. */
static const struct pattern_set *read_set(struct compiler *c)
{
    if (c->p->set_count == PATTERN_SETS) {
        c->why = "pattern too complex";
        return NULL;
    }
    struct pattern_set *set = &c->p->sets[c->p->set_count++];
    *set = (struct pattern_set){{0}};
    bool is_inverse = c->at < c->end && *c->at == '^';
    c->at += is_inverse;
    const char *first = c->at;
    for (;; c->at++) {
        if (c->at >= c->end) {
            c->why = "malformed pattern (missing ']')";
            return NULL;
        }
        unsigned char ch = (unsigned char)*c->at;
        if (ch == ']' && c->at > first)
            break;
        if (ch == '%') {
            if (++c->at >= c->end) {
                c->why = "malformed pattern (missing ']')";
                return NULL;
            }
            unsigned char letter = (unsigned char)*c->at;
            if (!is_class(letter))
                add(set, letter);
            for (int i = 0; is_class(letter) && i < 4; i++)
                set->bits[i] |= class_set(letter)->bits[i];
        } else if (c->end - c->at > 2 && c->at[1] == '-' && c->at[2] != ']') {
            for (int x = ch; x <= (unsigned char)c->at[2]; x++)
                add(set, (unsigned char)x);
            c->at += 2;
        } else {
            add(set, ch);
        }
    }
    c->at++;
    for (int i = 0; is_inverse && i < 4; i++)
        set->bits[i] = ~set->bits[i];
    return set;
}

static void read_repeat(struct compiler *c, struct pattern_item *item)
{
    static const char SIGNS[] = "?*+-";
    const char *sign = c->at < c->end && *c->at ? strchr(SIGNS, *c->at) : NULL;
    if (sign == NULL)
        return;
    item->repeat = (uint8_t)(R_MAYBE + (sign - SIGNS));
    c->at++;
}

/* One plain character; joins the run before it, unless a repetition makes it an item of its own. */
static void read_plain(struct compiler *c, const char *ch)
{
    struct pattern *p = c->p;
    struct pattern_item *last = p->count > 0 ? &p->items[p->count - 1] : NULL;
    bool is_repeated = c->at < c->end && *c->at && strchr("?*+-", *c->at);
    if (last && last->kind == K_TEXT && last->repeat == R_ONE && !is_repeated &&
        (const char *)last->what + last->len == ch) {
        last->len++;
        return;
    }
    struct pattern_item *item = add_item(c, K_TEXT);
    if (item == NULL)
        return;
    item->what = ch;
    item->len = 1;
    read_repeat(c, item);
}

static void read_open(struct compiler *c)
{
    if (c->p->captures == PATTERN_CAPTURES) {
        c->why = "too many captures";
        return;
    }
    struct pattern_item *item = add_item(c, K_OPEN);
    if (item == NULL)
        return;
    item->a = (uint8_t)c->p->captures++;
    if (c->at < c->end && *c->at == ')') {
        item->b = 1;
        c->is_closed[item->a] = true;
        c->at++;
    } else {
        c->open[c->open_count++] = item->a;
    }
}

static void read_close(struct compiler *c)
{
    if (c->open_count == 0) {
        c->why = "invalid pattern capture";
        return;
    }
    struct pattern_item *item = add_item(c, K_CLOSE);
    if (item == NULL)
        return;
    item->a = c->open[--c->open_count];
    c->is_closed[item->a] = true;
}

static void read_back(struct compiler *c, int index)
{
    if (index < 0 || index >= c->p->captures || !c->is_closed[index]) {
        c->why = "invalid capture index";
        return;
    }
    struct pattern_item *item = add_item(c, K_BACK);
    if (item)
        item->a = (uint8_t)index;
}

static void read_balance(struct compiler *c)
{
    if (c->end - c->at < 2) {
        c->why = "unbalanced pattern";
        return;
    }
    struct pattern_item *item = add_item(c, K_BALANCE);
    if (item == NULL)
        return;
    item->a = (uint8_t)c->at[0];
    item->b = (uint8_t)c->at[1];
    c->at += 2;
}

static void read_frontier(struct compiler *c)
{
    if (c->at >= c->end || *c->at != '[') {
        c->why = "missing '[' after '%f' in pattern";
        return;
    }
    c->at++;
    struct pattern_item *item = add_item(c, K_FRONTIER);
    if (item)
        item->what = read_set(c);
}

static void read_set_item(struct compiler *c, const struct pattern_set *set)
{
    struct pattern_item *item = set ? add_item(c, K_SET) : NULL;
    if (item == NULL)
        return;
    item->what = set;
    read_repeat(c, item);
}

static void read_escape(struct compiler *c)
{
    if (c->at >= c->end) {
        c->why = "malformed pattern (ends with '%')";
        return;
    }
    const char *ch = c->at++;
    if (isdigit((unsigned char)*ch))
        read_back(c, *ch - '1');
    else if (*ch == 'b')
        read_balance(c);
    else if (*ch == 'f')
        read_frontier(c);
    else if (is_class((unsigned char)*ch))
        read_set_item(c, class_set((unsigned char)*ch));
    else
        read_plain(c, ch);
}

static void read_item(struct compiler *c)
{
    const char *ch = c->at++;
    struct pattern_item *item;
    switch (*ch) {
    case '(':
        read_open(c);
        break;
    case ')':
        read_close(c);
        break;
    case '%':
        read_escape(c);
        break;
    case '[':
        read_set_item(c, read_set(c));
        break;
    case '.':
        item = add_item(c, K_ANY);
        if (item)
            read_repeat(c, item);
        break;
    case '$':
        if (c->at == c->end)
            add_item(c, K_END);
        else
            read_plain(c, ch);
        break;
    default:
        read_plain(c, ch);
    }
}

int pattern_compile(struct pattern *p, struct str source, bool anchors, const char **why)
{
    p->count = p->set_count = p->captures = 0;
    p->is_anchored = anchors && source.len > 0 && source.p[0] == '^';
    struct compiler c = {.p = p, .at = source.p + p->is_anchored, .end = source.p + source.len};
    while (c.why == NULL && c.at < c.end)
        read_item(&c);
    if (c.why == NULL && c.open_count > 0)
        c.why = "unfinished capture";
    *why = c.why;
    return c.why ? -1 : 0;
}

struct matcher {
    const struct pattern *p;
    struct pattern_match *m;
    const char *begin, *end;
    uint64_t next_look; /* ask is_over when the budget is down to this */
    bool is_over;
};

/* Counts n steps; false ends the match. */
static bool spend(struct matcher *x, uint64_t n)
{
    if (x->m->budget < n) {
        x->is_over = true;
        return false;
    }
    x->m->budget -= n;
    if (x->m->budget < x->next_look) {
        x->next_look = x->m->budget > LOOK_UP ? x->m->budget - LOOK_UP : 0;
        x->is_over = x->m->is_over && x->m->is_over();
    }
    return !x->is_over;
}

static bool fits(const struct pattern_item *item, const char *s, const char *end)
{
    if (s >= end)
        return false;
    if (item->kind == K_TEXT)
        return *s == *(const char *)item->what;
    return item->kind == K_ANY || has(item->what, (unsigned char)*s);
}

/* s stands on the opening delimiter; the place after its partner, or NULL. */
static const char *balance(struct matcher *x, const struct pattern_item *item, const char *s)
{
    if (s >= x->end || (uint8_t)*s != item->a)
        return NULL;
    int depth = 1;
    while (++s < x->end && spend(x, 1)) {
        if ((uint8_t)*s == item->b) {
            if (--depth == 0)
                return s + 1;
        } else if ((uint8_t)*s == item->a) {
            depth++;
        }
    }
    return NULL;
}

static bool is_frontier(const struct matcher *x, const struct pattern_item *item, const char *s)
{
    unsigned char before = s == x->begin ? 0 : (unsigned char)s[-1];
    unsigned char after = s < x->end ? (unsigned char)*s : 0;
    return !has(item->what, before) && has(item->what, after);
}

static const char *back(struct matcher *x, const struct pattern_item *item, const char *s)
{
    ptrdiff_t len = x->m->captures[item->a].len;
    if (len < 0 || len > x->end - s || !spend(x, (uint64_t)len / 8))
        return NULL;
    return memcmp(x->m->captures[item->a].p, s, (size_t)len) == 0 ? s + len : NULL;
}

/* Matches one item that repeats nothing; NULL when it does not. */
static const char *once(struct matcher *x, const struct pattern_item *item, const char *s)
{
    switch (item->kind) {
    case K_TEXT:
        if (x->end - s < (ptrdiff_t)item->len || memcmp(s, item->what, item->len) != 0)
            return NULL;
        return s + item->len;
    case K_OPEN:
        x->m->captures[item->a].p = s;
        x->m->captures[item->a].len = item->b ? PATTERN_POSITION : 0;
        return s;
    case K_CLOSE:
        x->m->captures[item->a].len = s - x->m->captures[item->a].p;
        return s;
    case K_BACK:
        return back(x, item, s);
    case K_BALANCE:
        return balance(x, item, s);
    case K_FRONTIER:
        return is_frontier(x, item, s) ? s : NULL;
    case K_END:
        return s == x->end ? s : NULL;
    default:
        return fits(item, s, x->end) ? s + 1 : NULL;
    }
}

static const char *match(struct matcher *x, int i, const char *s);

/* As many as fit (at most `most`), then fewer, down to `least`. */
static const char *greedy(struct matcher *x, int i, const char *s, ptrdiff_t least, ptrdiff_t most)
{
    const struct pattern_item *item = &x->p->items[i];
    ptrdiff_t n = 0;
    while (n < most && fits(item, s + n, x->end))
        n++;
    if (!spend(x, (uint64_t)n))
        return NULL;
    for (; n >= least && !x->is_over; n--) {
        const char *end = match(x, i + 1, s + n);
        if (end)
            return end;
    }
    return NULL;
}

static const char *lazy(struct matcher *x, int i, const char *s)
{
    const struct pattern_item *item = &x->p->items[i];
    for (; spend(x, 1); s++) {
        const char *end = match(x, i + 1, s);
        if (end)
            return end;
        if (!fits(item, s, x->end))
            return NULL;
    }
    return NULL;
}

/*
 * The end of a match of items i… at s, or NULL. Recurses once for each repetition on the way, so at
 * most PATTERN_ITEMS deep. Captures need no undoing: a match passes each of them in order, last write wins.
 */
static const char *match(struct matcher *x, int i, const char *s)
{
    for (; i < x->p->count && spend(x, 1); i++) {
        switch (x->p->items[i].repeat) {
        case R_MAYBE:
            return greedy(x, i, s, 0, 1);
        case R_MANY:
            return greedy(x, i, s, 0, PTRDIFF_MAX);
        case R_SOME:
            return greedy(x, i, s, 1, PTRDIFF_MAX);
        case R_FEW:
            return lazy(x, i, s);
        default:
            s = once(x, &x->p->items[i], s);
            if (s == NULL)
                return NULL;
        }
    }
    return x->is_over ? NULL : s;
}

static enum pattern_result try(struct matcher *x, const char *s)
{
    const char *end = match(x, 0, s);
    if (end == NULL)
        return x->is_over ? PATTERN_OVER : PATTERN_NONE;
    x->m->start = (size_t)(s - x->begin);
    x->m->end = (size_t)(end - x->begin);
    return PATTERN_FOUND;
}

static struct matcher matcher(const struct pattern *p, struct pattern_match *m)
{
    return (struct matcher){.p = p,
                            .m = m,
                            .begin = m->subject.p,
                            .end = m->subject.p + m->subject.len,
                            .next_look = m->budget};
}

enum pattern_result pattern_at(const struct pattern *p, struct pattern_match *m, size_t from)
{
    struct matcher x = matcher(p, m);
    return try(&x, x.begin + from);
}

enum pattern_result pattern_find(const struct pattern *p, struct pattern_match *m, size_t from)
{
    struct matcher x = matcher(p, m);
    const struct pattern_item *first = p->count > 0 ? &p->items[0] : NULL;
    bool is_text = first && first->kind == K_TEXT && first->repeat == R_ONE && !p->is_anchored;
    for (const char *s = x.begin + from; s <= x.end; s++) {
        if (is_text && s < x.end)
            s = memchr(s, *(const char *)first->what, (size_t)(x.end - s));
        if (s == NULL)
            return PATTERN_NONE;
        enum pattern_result result = try(&x, s);
        if (result != PATTERN_NONE || p->is_anchored)
            return result;
    }
    return PATTERN_NONE;
}
