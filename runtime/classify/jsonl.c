#include "classify/jsonl.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/near.h"

enum { MOST_COLUMNS = 64, COLUMN_MAX = 64 };

struct jsonl {
    FILE *file;
    const char *path;
    char *text; /* JSONL_LINE bytes, a line end and a NUL */
    int line;
};

struct jsonl *jsonl_open(const char *path, struct err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    struct stat st;
    if (file == NULL || fstat(fileno(file), &st) < 0) {
        err_set(err, ERR_SYSTEM, "%s: %s", path, strerror(errno));
        return NULL;
    }
    if (S_ISDIR(st.st_mode)) {
        err_set(err, ERR_SYSTEM, "%s: is a folder; name a file of one JSON object a line", path);
        fclose(file);
        return NULL;
    }
    struct jsonl *j = xcalloc(1, sizeof *j);
    j->file = file;
    j->path = is_stdin ? "standard input" : path;
    j->text = xmalloc(JSONL_LINE + 2);
    return j;
}

void jsonl_close(struct jsonl *j)
{
    if (j == NULL)
        return;
    if (j->file != stdin)
        fclose(j->file);
    free(j->text);
    free(j);
}

int jsonl_fail(const struct jsonl *j, struct err *err, const char *format, ...)
{
    char words[400];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    return err_set(err, ERR_MALFORMED, "%s:%d: %s", j->path, j->line, words);
}

int jsonl_line(const struct jsonl *j)
{
    return j->line;
}

/* The next line without its end, and the first one without the mark that some editors of Windows put before UTF-8: 1, 0 at the end of the file, -1 when it is too long. NULs inside are kept. */
static int read_line(struct jsonl *j, size_t *len, struct err *err)
{
    int c = 0;
    *len = 0;
    j->line++;
    while (*len <= JSONL_LINE && (c = getc_unlocked(j->file)) != EOF && c != '\n')
        j->text[(*len)++] = (char)c;
    j->text[*len] = '\0';
    if (*len > JSONL_LINE)
        return jsonl_fail(j, err, "the line is longer than %d KiB", JSONL_LINE >> 10);
    if (c == EOF && ferror(j->file))
        return jsonl_fail(j, err, "%s", strerror(errno));
    if (j->line == 1 && *len >= 3 && memcmp(j->text, "\xef\xbb\xbf", 3) == 0)
        memmove(j->text, j->text + 3, (*len -= 3) + 1);
    return *len > 0 || c != EOF;
}

int jsonl_next(struct jsonl *j, struct str *row, struct err *err)
{
    size_t len;
    struct err why;
    int got;
    do
        got = read_line(j, &len, err);
    while (got > 0 && strspn(j->text, " \t\r") >= len);
    if (got <= 0)
        return got;
    if (json_validate(str_n(j->text, len), &why) < 0)
        return jsonl_fail(j, err, "no valid JSON: %s", why.message);
    *row = json_pointer(str_n(j->text, len), "");
    if (json_type(*row) != JSON_OBJECT)
        return jsonl_fail(j, err, "the line holds no JSON object");
    return 1;
}

/* There is no such column: which are there, and which was meant. */
static int fail_column(const struct jsonl *j, struct str row, const char *column, struct err *err)
{
    static char names[MOST_COLUMNS][COLUMN_MAX];
    const char *pointers[MOST_COLUMNS];
    char list[240] = "";
    int count = 0;
    for (struct json_walk w = json_walk(row); count < MOST_COLUMNS && json_next(&w); count++) {
        snprintf(names[count], COLUMN_MAX, STR_FMT, STR_ARG(w.key));
        pointers[count] = names[count];
        size_t used = strlen(list);
        if (used + strlen(names[count]) + 3 < sizeof list)
            snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", names[count]);
    }
    const char *near = near_name(column, pointers, count);
    return jsonl_fail(j, err, "no column '%s'%s%s%s; the line has: %s", column, near ? " (did you mean '" : "", near ? near : "",
                      near ? "'?)" : "", list);
}

int jsonl_number(const struct jsonl *j, struct str row, const char *column, double *out, struct err *err)
{
    struct str value = json_get(row, column);
    char *end;
    if (value.p == NULL)
        return fail_column(j, row, column, err);
    enum json_type type = json_type(value);
    *out = type == JSON_TRUE;
    if (type == JSON_TRUE || type == JSON_FALSE)
        return 0;
    /* A view into a NUL-terminated line: strtod stops at the quote. */
    const char *start = value.p + (type == JSON_STRING);
    *out = type == JSON_NUMBER || type == JSON_STRING ? strtod(start, &end) : NAN;
    if ((type == JSON_NUMBER || (type == JSON_STRING && end > start && *end == '"')) && isfinite(*out))
        return 0;
    return jsonl_fail(j, err, "column '%s' is " STR_FMT ", not a number", column, value.len > 60 ? 60 : (int)value.len, value.p);
}

int jsonl_bit(const struct jsonl *j, struct str row, const char *column, bool *out, struct err *err)
{
    double value = 0;
    if (jsonl_number(j, row, column, &value, err) < 0)
        return -1;
    if (value != 0 && value != 1)
        return jsonl_fail(j, err, "column '%s' is %g; it must be 0 or 1", column, value);
    *out = value == 1;
    return 0;
}

int jsonl_text(const struct jsonl *j, struct str row, const char *column, struct arena *arena, struct str *out, struct err *err)
{
    struct str value = json_get(row, column);
    if (value.p == NULL)
        return fail_column(j, row, column, err);
    if (json_type(value) != JSON_STRING)
        return jsonl_fail(j, err, "column '%s' is " STR_FMT ", not text", column, value.len > 60 ? 60 : (int)value.len, value.p);
    *out = json_text(value, arena);
    return out->p ? 0 : jsonl_fail(j, err, "the texts are larger than %zu MiB together", arena->limit >> 20);
}
