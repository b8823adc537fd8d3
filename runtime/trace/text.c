#include "trace/text.h"

#include <math.h>
#include <stdio.h>

static void raw(struct text *t, const char *p, size_t len)
{
    if (buf_append(t->out, p, len) < 0)
        t->is_full = true;
}

/* Bytes of the character at p: whole UTF-8 sequences take one column. */
static size_t character(const char *p, const char *end)
{
    size_t len = 1;
    while (p + len < end && ((unsigned char)p[len] & 0xc0) == 0x80)
        len++;
    return len;
}

void text_put(struct text *t, struct str s)
{
    int width = t->style->width;
    const char *end = s.p + s.len;
    for (const char *p = s.p; p < end;) {
        size_t len = character(p, end);
        if (width > 0 && t->column >= width)
            return;
        unsigned char c = (unsigned char)*p;
        bool is_control = c < 0x20 || c == 0x7f || (c == 0xc2 && len == 2 && (unsigned char)p[1] < 0xa0);
        bool is_last = width > 0 && t->column == width - 1 && p + len < end;
        if (is_last)
            raw(t, "…", strlen("…"));
        else
            raw(t, is_control ? (c == '\n' || c == '\t' ? " " : "?") : p, is_control ? 1 : len);
        t->column++;
        p += len;
    }
}

void text_z(struct text *t, const char *z)
{
    text_put(t, str_of(z));
}

void text_printf(struct text *t, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    text_z(t, line);
}

void text_colour(struct text *t, enum text_colour colour)
{
    static const char *const codes[] = {"\033[0m",  "\033[1m",  "\033[2m", "\033[31m",
                                        "\033[32m", "\033[33m", "\033[36m"};
    if (t->style->has_colour)
        raw(t, codes[colour], strlen(codes[colour]));
}

void text_end(struct text *t)
{
    while (t->out->len > 0 && t->out->p[t->out->len - 1] == ' ')
        t->out->p[--t->out->len] = '\0';
    raw(t, "\n", 1);
    t->column = 0;
}

void text_tab(struct text *t, int column)
{
    if (t->column > 0)
        text_z(t, " ");
    while (t->column < column && !(t->style->width > 0 && t->column >= t->style->width))
        text_z(t, " ");
}

char *text_number(const struct record *r, enum field f, char *out, size_t size)
{
    double n;
    if (!record_number(r, f, &n))
        snprintf(out, size, "-");
    else if (field_types[f] == FIELD_MS)
        snprintf(out, size, "%.*f", n < 1000 ? 1 : 0, n);
    else
        snprintf(out, size, "%.10g", n);
    return out;
}

/* "0.0120" → "0.012", "0.0000" → "0" */
static void trim_zeros(char *number, int len)
{
    while (len > 1 && number[len - 1] == '0')
        number[--len] = '\0';
    if (number[len - 1] == '.')
        number[len - 1] = '\0';
}

char *text_dollars(const struct record *r, char *out, size_t size)
{
    return text_dollars_of(r, F_USD, out, size);
}

char *text_dollars_of(const struct record *r, enum field f, char *out, size_t size)
{
    double n;
    if (!record_number(r, f, &n))
        snprintf(out, size, "-");
    else if (!(fabs(n) < 1e9))
        snprintf(out, size, "%g", n); /* no sum of dollars, but a damaged file may hold it */
    else
        trim_zeros(out, snprintf(out, size, "%.*f", fabs(n) < 0.01 ? 7 : 4, n));
    return out;
}

struct str text_of(const struct record *r, enum field f)
{
    struct str s = record_text(r, f);
    return s.p && s.len > 0 ? s : str_of("-");
}
