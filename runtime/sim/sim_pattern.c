#include "sim/sim_pattern.h"

#include "sim/sim_model.h"

enum { MOST_REPEATS = 64 };

/* What one atom may be: characters listed, ranges spelt out. */
struct atom {
    char signs[256];
    int count;
};

static void add_range(struct atom *a, unsigned char from, unsigned char to)
{
    for (int c = from; c <= to && a->count < (int)sizeof a->signs; c++)
        a->signs[a->count++] = (char)c;
}

static void add_escape(struct atom *a, char c)
{
    if (c == 'd' || c == 'w')
        add_range(a, '0', '9');
    if (c == 'w')
        add_range(a, 'a', 'z');
    else if (c == 's')
        add_range(a, ' ', ' ');
    else if (c != 'd')
        add_range(a, (unsigned char)c, (unsigned char)c);
}

/* Behind the class, or NULL. */
static const char *read_class(struct atom *a, const char *p, const char *end)
{
    if (p < end && *p == '^')
        return NULL;
    for (; p < end && *p != ']'; p++) {
        if (*p == '\\' && p + 1 < end) {
            add_escape(a, *++p);
        } else if (p + 2 < end && p[1] == '-' && p[2] != ']') {
            add_range(a, (unsigned char)p[0], (unsigned char)p[2]);
            p += 2;
        } else {
            add_range(a, (unsigned char)*p, (unsigned char)*p);
        }
    }
    return p < end ? p + 1 : NULL;
}

static const char *read_atom(struct atom *a, const char *p, const char *end)
{
    a->count = 0;
    if (*p == '[')
        return read_class(a, p + 1, end);
    if (*p == '\\') {
        if (p + 1 == end || strchr("bBDWSpPk123456789", p[1]))
            return NULL;
        add_escape(a, p[1]);
        return p + 2;
    }
    if (strchr("()|?*+{}^$", *p))
        return NULL;
    add_range(a, *p == '.' ? 'a' : (unsigned char)*p, *p == '.' ? 'z' : (unsigned char)*p);
    return p + 1;
}

/* {n}, {n,} or {n,m} at p; NULL when it is none. The fewest times will do. */
static const char *read_count(int *times, const char *p, const char *end)
{
    int n = 0;
    for (p++; p < end && *p >= '0' && *p <= '9'; p++)
        n = n < MOST_REPEATS ? n * 10 + (*p - '0') : n;
    *times = n;
    while (p < end && (*p == ',' || (*p >= '0' && *p <= '9')))
        p++;
    return n <= MOST_REPEATS && p < end && *p == '}' ? p + 1 : NULL;
}

static const char *read_times(int *times, const char *p, const char *end)
{
    *times = 1;
    if (p == end || strchr("?*+{", *p) == NULL)
        return p;
    if (*p == '{')
        return read_count(times, p, end);
    *times = *p == '+';
    return p + 1;
}

static int make(struct buf *out, const char *p, const char *end, uint64_t *dice)
{
    while (p < end) {
        struct atom a;
        int times;
        if ((p = read_atom(&a, p, end)) == NULL || (p = read_times(&times, p, end)) == NULL || a.count == 0)
            return -1;
        while (times-- > 0)
            buf_putc(out, a.signs[(int)(sim_model_dice(dice) * a.count)]);
    }
    return 0;
}

int sim_pattern_make(struct buf *out, struct str pattern, uint64_t *dice)
{
    const char *p = pattern.p, *end = pattern.p + pattern.len;
    size_t before = out->len;
    p += p < end && *p == '^';
    end -= p < end && end[-1] == '$';
    if (make(out, p, end, dice) == 0)
        return 0;
    out->len = before;
    return -1;
}
