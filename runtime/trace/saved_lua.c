#include "trace/saved_lua.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

enum { DEEPEST = 32 };

void saved_string(struct buf *out, struct str s)
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
void saved_number(struct buf *out, struct str text)
{
    char digits[40];
    snprintf(digits, sizeof digits, STR_FMT, STR_ARG(text));
    double number = strtod(digits, NULL);
    if (isfinite(number))
        buf_printf(out, "%.17g", number);
    else
        buf_puts(out, isnan(number) ? "0 / 0" : number > 0 ? "1 / 0" : "-1 / 0");
}

static void write_table(struct buf *out, struct arena *arena, struct str json)
{
    const char *comma = "";
    buf_puts(out, "{");
    for (struct json_walk w = json_walk(json); json_next(&w);) {
        if (w.is_object && json_type(w.value) == JSON_NULL)
            continue;
        buf_puts(out, comma);
        buf_putc(out, ' ');
        if (w.is_object && is_name(w.key)) {
            buf_printf(out, STR_FMT " = ", STR_ARG(w.key));
        } else if (w.is_object) {
            buf_putc(out, '[');
            saved_value(out, arena, str_n(w.key.p - 1, w.key.len + 2));
            buf_puts(out, "] = ");
        }
        saved_value(out, arena, w.value);
        comma = ",";
    }
    buf_puts(out, *comma ? " }" : "}");
}

void saved_value(struct buf *out, struct arena *arena, struct str json)
{
    switch (json_type(json)) {
    case JSON_STRING: saved_string(out, json_text(json, arena)); break;
    case JSON_ARRAY:
    case JSON_OBJECT: write_table(out, arena, json); break;
    case JSON_NULL: buf_puts(out, "nil"); break;
    default: buf_append(out, json.p, json.len);
    }
}

static bool is_plain_number(struct str json)
{
    for (size_t i = 0; i < json.len; i++)
        if (json.len > 15 || !((json.p[i] >= '0' && json.p[i] <= '9') || json.p[i] == '-' || json.p[i] == '.'))
            return false;
    return true;
}

static bool is_plain(struct str json, int depth)
{
    enum json_type type = json_type(json);
    if (type == JSON_NUMBER)
        return is_plain_number(json);
    if (type == JSON_STRING)
        return memmem(json.p, json.len, "\\u", 2) == NULL;
    if (type != JSON_ARRAY && type != JSON_OBJECT)
        return type != JSON_NULL;
    bool is_empty = true;
    for (struct json_walk w = json_walk(json); json_next(&w); is_empty = false)
        if (depth > DEEPEST || !is_plain(w.value, depth + 1) || memchr(w.key.p, '\\', w.key.len))
            return false;
    return !is_empty;
}

bool saved_is_plain(struct str json)
{
    return is_plain(json, 0);
}

void saved_json(struct buf *out, struct str json)
{
    char level[16] = "";
    for (size_t n = 0; n < sizeof level - 3; n++) {
        char close[20];
        memset(level, '=', n);
        level[n] = '\0';
        snprintf(close, sizeof close, "]%s]", level);
        if (memmem(json.p, json.len, close, n + 2) == NULL)
            break;
    }
    buf_printf(out, "kit.json [%s[" STR_FMT "]%s]", level, STR_ARG(json), level);
}
