#include "trace/listing.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { AROUND = 4, SHORT_FILE = 40 };

bool listing_place(struct str place, struct str *file, int *line, struct str *rest)
{
    for (size_t i = 1; i + 1 < place.len; i++) {
        if (place.p[i] != ':' || !isdigit((unsigned char)place.p[i + 1]))
            continue;
        size_t at = i + 1;
        long n = 0;
        for (; at < place.len && isdigit((unsigned char)place.p[at]) && n < 1 << 20; at++)
            n = n * 10 + (place.p[at] - '0');
        if (at < place.len && place.p[at] != ':')
            continue;
        *file = str_n(place.p, i);
        *line = (int)n;
        while (at < place.len && (place.p[at] == ':' || place.p[at] == ' '))
            at++;
        if (rest)
            *rest = str_n(place.p + at, place.len - at);
        return true;
    }
    return false;
}

void listing_mark(struct marks *m, struct str place, enum text_colour colour, const char *format, ...)
{
    struct mark mark = {.colour = colour};
    if (place.p == NULL || !listing_place(place, &mark.file, &mark.line, NULL))
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(mark.words, sizeof mark.words, format, args);
    va_end(args);
    if (m->count == m->room) {
        m->room = m->room ? m->room * 2 : 8;
        m->at = xrealloc(m->at, sizeof *m->at * (size_t)m->room);
    }
    m->at[m->count++] = mark;
}

static bool is_of(const struct mark *mark, const struct story_source *source)
{
    return str_eq(mark->file, source->name);
}

static bool is_near_mark(const struct marks *m, const struct story_source *source, int line, int reach)
{
    for (int i = 0; i < m->count; i++)
        if (is_of(&m->at[i], source) && abs(m->at[i].line - line) <= reach)
            return true;
    return false;
}

static int count_lines(struct str text)
{
    int count = text.len > 0 && text.p[text.len - 1] != '\n';
    for (size_t i = 0; i < text.len; i++)
        count += text.p[i] == '\n';
    return count;
}

static int blanks_before(struct str line)
{
    int count = 0;
    while ((size_t)count < line.len && (line.p[count] == ' ' || line.p[count] == '\t'))
        count++;
    return count;
}

static void tell_line(struct text *t, const struct story_source *source, const struct marks *m, struct str line, int number)
{
    bool is_marked = is_near_mark(m, source, number, 0);
    text_colour(t, is_marked ? TEXT_BOLD : TEXT_DIM);
    text_printf(t, "%s%5d | ", is_marked ? ">" : " ", number);
    text_put(t, line);
    text_colour(t, TEXT_PLAIN);
    text_end(t);
    for (int i = 0; i < m->count; i++) {
        const struct mark *mark = &m->at[i];
        if (!is_of(mark, source) || mark->line != number)
            continue;
        text_printf(t, "      | %*s", blanks_before(line), "");
        text_colour(t, mark->colour);
        text_printf(t, "^ %s", mark->words);
        text_colour(t, TEXT_PLAIN);
        text_end(t);
    }
}

void listing_tell(struct text *t, const struct story_source *source, const struct marks *m)
{
    bool is_short = count_lines(source->text) <= SHORT_FILE, is_gap = false;
    text_colour(t, TEXT_BOLD);
    text_z(t, source->name);
    text_colour(t, TEXT_PLAIN);
    text_end(t);
    struct str left = source->text;
    for (int number = 1; left.len > 0; number++) {
        const char *end = memchr(left.p, '\n', left.len);
        struct str line = str_n(left.p, end ? (size_t)(end - left.p) : left.len);
        size_t skip = line.len + (end != NULL);
        left = str_n(left.p + skip, left.len - skip);
        bool is_shown = is_short || is_near_mark(m, source, number, AROUND);
        if (is_shown) {
            tell_line(t, source, m, line, number);
        } else if (!is_gap) {
            text_z(t, "   ...");
            text_end(t);
        }
        is_gap = !is_shown;
    }
}
