/* Where in a source a finding points, and how a person is shown it. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trial/check.h"
#include "vm/entries.h"
#include "vm/lexer.h"

/* The file as the manifest names it: the label and its slash go. */
static struct str source_of(struct manifest *files, const char *file)
{
    size_t n = files ? strlen(manifest_label(files)) : 0;
    if (!files || strncmp(file, manifest_label(files), n) != 0 || file[n] != '/')
        return str_n(NULL, 0);
    return manifest_read(files, file + n + 1, NULL);
}

static struct str line_of(struct str source, int line)
{
    for (; source.p && line > 1; line--) {
        const char *end = memchr(source.p, '\n', source.len);
        if (!end)
            return str_n(NULL, 0);
        source = str_n(end + 1, source.len - (size_t)(end + 1 - source.p));
    }
    const char *end = source.len ? memchr(source.p, '\n', source.len) : NULL;
    return end ? str_n(source.p, (size_t)(end - source.p)) : source;
}

static struct str quoted(const char *at)
{
    const char *open = strchr(at, '\''), *close = open ? strchr(open + 1, '\'') : NULL;
    return close && close > open + 1 ? str_n(open + 1, (size_t)(close - open) - 1) : str_n(NULL, 0);
}

/* What the message is about: Lua says "near 'x'", everything else quotes the culprit first. */
static struct str token_of(const char *message)
{
    const char *near = strstr(message, "near '");
    return quoted(near ? near : message);
}

static bool is_word(const char *p, struct str line)
{
    return p >= line.p && p < line.p + line.len && (isalnum((unsigned char)*p) || *p == '_');
}

/* The token in the line, not as a part of a longer word, before one of `next` (NULL: anything). */
static const char *find(struct str line, struct str token, const char *next)
{
    const char *end = line.p + line.len;
    for (const char *at = line.p; (at = memmem(at, (size_t)(end - at), token.p, token.len)); at++) {
        const char *last = at + token.len - 1;
        bool is_whole = !(is_word(at, line) && is_word(at - 1, line)) && !(is_word(last, line) && is_word(last + 1, line));
        if (is_whole && (next == NULL || (last + 1 < end && strchr(next, last[1]))))
            return at;
    }
    return NULL;
}

/* Of a name that stands there twice, the one that is used as the message says. */
static const char *find_used(struct str line, struct str token, const char *message)
{
    const char *next = strstr(message, "attempt to index") ? ".:[" : strstr(message, "attempt to call") ? "({\"'" : NULL;
    const char *at = next ? find(line, token, next) : NULL;
    return at ? at : find(line, token, NULL);
}

/* What the line says, without blanks and a comment around it. {NULL, 0}: nothing. */
static struct str statement_of(struct str line)
{
    struct lexer x = lexer_open(line);
    enum token t = lexer_next(&x);
    const char *start = x.start, *end = start;
    for (; t == T_WORD || t == T_OTHER; t = lexer_next(&x))
        end = x.at;
    for (end = t == T_BROKEN ? line.p + line.len : end; end > start && isspace((unsigned char)end[-1]);)
        end--;
    return end > start ? str_n(start, (size_t)(end - start)) : str_n(NULL, 0);
}

/* At the token that the message names, else, where only the line is known, at all that it says. */
static void point(struct finding *f, struct manifest *files)
{
    struct str line = line_of(source_of(files, f->file), f->line), token = token_of(f->message);
    const char *at = token.p && line.p ? find_used(line, token, f->message) : NULL;
    struct str place = at ? str_n(at, token.len) : line.p ? statement_of(line) : str_n(NULL, 0);
    f->column = place.p ? (int)(place.p - line.p) + 1 : 0;
    f->width = place.p ? (int)place.len : 1;
}

void check_place(struct finding *f, const char *words, struct manifest *files)
{
    const char *colon = strchr(words, ':');
    char *after = NULL;
    long line = colon ? strtol(colon + 1, &after, 10) : 0;
    bool has_place = line > 0 && after[0] == ':' && (size_t)(colon - words) < sizeof f->file;
    if (!has_place) {
        snprintf(f->message, sizeof f->message, "%s", words);
        return;
    }
    snprintf(f->file, sizeof f->file, "%.*s", (int)(colon - words), words);
    snprintf(f->message, sizeof f->message, "%s", after + 1 + strspn(after + 1, " "));
    f->line = (int)line;
    point(f, files);
}

/* A line that holds a secret: nothing of its texts is shown but how long they are; ["names"] of a table are. */
static void write_masked(struct buf *out, struct str line)
{
    char close = '\0';
    for (size_t i = 0; i < line.len; i++) {
        char c = line.p[i], before = i ? line.p[i - 1] : '\0';
        if (close && c != close) {
            buf_putc(out, '*');
            if (c == '\\' && i + 1 < line.len) {
                buf_putc(out, '*');
                i++;
            }
            continue;
        }
        buf_putc(out, c);
        if (close)
            close = '\0';
        else if (c == '"' || c == '\'')
            close = before == '[' ? '\0' : c;
        else if (c == '[' && (before == '[' || before == '='))
            close = ']';
    }
}

static void write_underline(struct buf *out, struct str line, const struct finding *f)
{
    buf_puts(out, "      | ");
    for (int i = 0; i + 1 < f->column && (size_t)i < line.len; i++)
        buf_putc(out, line.p[i] == '\t' ? '\t' : ' ');
    buf_putc(out, '^');
    for (int i = 1; i < f->width; i++)
        buf_putc(out, '~');
    buf_putc(out, '\n');
}

void check_explain(const struct finding *f, struct manifest *files, struct buf *out)
{
    if (f->line)
        buf_printf(out, "%s:%d:%d: ", f->file, f->line, f->column);
    buf_printf(out, "%s%s\n", f->is_warning ? "warning: " : "error: ", f->message);
    struct str line = f->line ? line_of(source_of(files, f->file), f->line) : str_n(NULL, 0);
    if (line.p) {
        buf_printf(out, "%5d | ", f->line);
        if (strstr(f->message, ENTRIES_SECRET_WRITTEN_OUT))
            write_masked(out, line);
        else
            buf_append(out, line.p, line.len);
        buf_putc(out, '\n');
        write_underline(out, line, f);
    }
    if (f->request[0])
        buf_printf(out, "      = in route %s, for the %s request '%s'%s%s\n", f->route,
                   f->is_recorded ? "recorded" : "built-in", f->request,
                   f->seen[0] ? ", " : "", f->seen);
}
