#include "admin/diff.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { CONTEXT = 3 };

struct lines {
    struct str *at;
    int count;
};

/* One line of the result: ' ' in both, '-' before, '+' after. */
struct step {
    char sign;
    struct str text;
};

struct script {
    struct step *steps;
    int count;
};

static struct lines split(struct str text)
{
    struct lines l = {0};
    for (size_t i = 0; i < text.len; i++)
        l.count += text.p[i] == '\n' || i + 1 == text.len;
    l.at = xcalloc((size_t)l.count + 1, sizeof *l.at);
    int n = 0;
    while (text.len) {
        const char *end = memchr(text.p, '\n', text.len);
        size_t len = end ? (size_t)(end - text.p) : text.len;
        l.at[n++] = str_n(text.p, len);
        len += end != NULL;
        text = str_n(text.p + len, text.len - len);
    }
    return l;
}

static void add(struct script *s, char sign, struct str text)
{
    s->steps[s->count++] = (struct step){sign, text};
}

static void replace_all(struct script *s, const struct str *a, int n, const struct str *b, int m)
{
    for (int i = 0; i < n; i++)
        add(s, '-', a[i]);
    for (int j = 0; j < m; j++)
        add(s, '+', b[j]);
}

/* The longest common subsequence by dynamic programming from the end, so that walking forward reads it off. */
static void align(struct script *s, const struct str *a, int n, const struct str *b, int m)
{
    size_t width = (size_t)m + 1;
    uint16_t *longest = xcalloc(((size_t)n + 1) * width, sizeof *longest);
#define AT(i, j) longest[(size_t)(i) * width + (size_t)(j)]
    for (int i = n - 1; i >= 0; i--)
        for (int j = m - 1; j >= 0; j--)
            AT(i, j) = str_same(a[i], b[j]) ? (uint16_t)(AT(i + 1, j + 1) + 1)
                                            : (AT(i + 1, j) > AT(i, j + 1) ? AT(i + 1, j) : AT(i, j + 1));
    int i = 0, j = 0;
    while (i < n && j < m) {
        if (str_same(a[i], b[j])) {
            add(s, ' ', a[i]);
            i++, j++;
        } else if (AT(i + 1, j) >= AT(i, j + 1)) {
            add(s, '-', a[i++]);
        } else {
            add(s, '+', b[j++]);
        }
    }
#undef AT
    free(longest);
    replace_all(s, a + i, n - i, b + j, m - j);
}

static struct script compare(struct lines a, struct lines b)
{
    struct script s = {.steps = xcalloc((size_t)(a.count + b.count) + 1, sizeof *s.steps)};
    int head = 0, tail = 0;
    while (head < a.count && head < b.count && str_same(a.at[head], b.at[head]))
        add(&s, ' ', a.at[head++]);
    while (tail < a.count - head && tail < b.count - head &&
           str_same(a.at[a.count - 1 - tail], b.at[b.count - 1 - tail]))
        tail++;
    int n = a.count - head - tail, m = b.count - head - tail;
    if (n <= DIFF_LINES && m <= DIFF_LINES)
        align(&s, a.at + head, n, b.at + head, m);
    else
        replace_all(&s, a.at + head, n, b.at + head, m);
    for (int i = a.count - tail; i < a.count; i++)
        add(&s, ' ', a.at[i]);
    return s;
}

/* The end of the hunk that begins at `from`: changes nearer than two contexts belong together. */
static int hunk_end(const struct script *s, int from)
{
    int end = from, quiet = 0;
    for (int i = from; i < s->count && quiet <= 2 * CONTEXT; i++) {
        quiet = s->steps[i].sign == ' ' ? quiet + 1 : 0;
        if (s->steps[i].sign != ' ')
            end = i + 1;
    }
    return end + CONTEXT < s->count ? end + CONTEXT : s->count;
}

static int write_hunk(struct buf *out, const struct script *s, int from, int to, int line_a, int line_b)
{
    int n = 0, m = 0;
    for (int i = from; i < to; i++) {
        n += s->steps[i].sign != '+';
        m += s->steps[i].sign != '-';
    }
    int failed = buf_printf(out, "@@ -%d,%d +%d,%d @@\n", n ? line_a : line_a - 1, n, m ? line_b : line_b - 1, m);
    for (int i = from; i < to && !failed; i++)
        failed = buf_putc(out, s->steps[i].sign) || buf_append(out, s->steps[i].text.p, s->steps[i].text.len) ||
                 buf_putc(out, '\n');
    return failed ? -1 : 0;
}

int diff_write(struct buf *out, struct str before, struct str after)
{
    struct lines a = split(before), b = split(after);
    struct script s = compare(a, b);
    int result = 0, line_a = 1, line_b = 1, written = 0;
    for (int i = 0; i < s.count && result == 0; i++) {
        if (s.steps[i].sign != ' ' && i >= written) {
            int from = i - CONTEXT > written ? i - CONTEXT : written;
            written = hunk_end(&s, i);
            result = write_hunk(out, &s, from, written, line_a - (i - from), line_b - (i - from));
        }
        line_a += s.steps[i].sign != '+';
        line_b += s.steps[i].sign != '-';
    }
    free(s.steps);
    free(a.at);
    free(b.at);
    return result;
}
