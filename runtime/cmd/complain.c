#include "cmd/complain.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/near.h"
#include "cmd/command.h"

enum { WORDS = 2048, OBJECT_MOST = 64 * 1024 };

/* FILE:LINE: or FILE:LINE:COLUMN: in front of the words. */
struct told {
    struct str file, message;
    long line, column; /* 0: not known */
};

/* ":12" at `at`; NULL when there is no such thing. */
static const char *read_number(const char *at, long *out)
{
    char *end;
    if (*at != ':' || !isdigit((unsigned char)at[1]))
        return NULL;
    *out = strtol(at + 1, &end, 10);
    return end;
}

/* A file has an extension that begins with a letter, unlike the host of an address. */
static struct told read_place(const char *words)
{
    struct told whole = {.message = str_of(words)}, t = whole;
    size_t len = strcspn(words, ": \t\n");
    const char *dot = memrchr(words, '.', len);
    const char *at = dot && isalpha((unsigned char)dot[1]) ? read_number(words + len, &t.line) : NULL;
    if (at == NULL)
        return whole;
    const char *after = read_number(at, &t.column);
    at = after ? after : at;
    if (strncmp(at, ": ", 2) != 0)
        return whole;
    t.file = str_n(words, len);
    t.message = str_of(at + 2);
    return t;
}

static void put_error(struct buf *out, const struct told *t)
{
    buf_puts(out, ",\"error\":{\"message\":");
    json_quote(out, t->message);
    if (t->file.len > 0) {
        buf_puts(out, ",\"file\":");
        json_quote(out, t->file);
        buf_printf(out, ",\"line\":%ld", t->line);
    }
    if (t->column > 0)
        buf_printf(out, ",\"column\":%ld", t->column);
    buf_putc(out, '}');
}

static void print_object(const struct told *t)
{
    struct buf out = BUF(OBJECT_MOST);
    buf_puts(&out, "{\"ok\":false");
    put_error(&out, t);
    buf_puts(&out, "}\n");
    fwrite(out.p, 1, out.len, stdout);
    buf_clear(&out);
}

void complain_member(struct buf *out, const char *words)
{
    struct told told = read_place(words);
    put_error(out, &told);
}

int complain(const struct options *o, int status, const char *format, ...)
{
    char words[WORDS];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    struct told told = read_place(words);
    if (told.file.len == 0)
        fprintf(stderr, "wye%s%s: ", o->verb ? " " : "", o->verb ? o->verb->name : "");
    fprintf(stderr, "%s\n", words);
    if (o->json)
        print_object(&told);
    return status;
}

int complain_of(const struct options *o, const struct err *err)
{
    return complain(o, err->kind == ERR_CONNECT ? EXIT_NO_SERVER : EXIT_REFUSED, "%s", err->message);
}

int complain_word(const struct options *o, const char *const *words, int count, const char *usage)
{
    const char *given = o->args[0], *near = near_name(given, words, count);
    for (int i = 0; i < count; i++)
        if (strcmp(given, words[i]) == 0)
            return complain(o, EXIT_USAGE, "say %s", usage);
    return complain(o, EXIT_USAGE, "unknown '%s'%s%s%s; say %s", given, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "", usage);
}
