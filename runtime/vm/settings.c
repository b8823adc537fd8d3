#include "vm/settings.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/near.h"

enum { MOST_ROWS = 16 };

static bool is_identifier(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    while (isalnum((unsigned char)*name) || *name == '_')
        name++;
    return *name == '\0';
}

/* providers.openai, models["openai/mini"].price, capture.mask[2] */
static void format_path(const struct settings *s, char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (int i = 0; i < s->depth && used < size; i++) {
        const struct where_step *step = &s->path[i];
        int len;
        if (step->name == NULL)
            len = snprintf(out + used, size - used, "[%d]", step->index);
        else if (is_identifier(step->name))
            len = snprintf(out + used, size - used, "%s%s", i ? "." : "", step->name);
        else
            len = snprintf(out + used, size - used, "[\"%.80s\"]", step->name);
        used += (size_t)len;
    }
}

static int complain(struct settings *s, int line, const char *words)
{
    char path[256];
    format_path(s, path, sizeof path);
    return err_set(s->err, ERR_BAD_REQUEST, "%s:%d: %s%s%s", s->label, line, path,
                   *path ? ": " : "", words);
}

int settings_fail(struct settings *s, const char *format, ...)
{
    char words[sizeof s->err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    return complain(s, where_line(s->source, s->path, s->depth), words);
}

static void push_step(struct settings *s, const char *name, int index)
{
    s->path[s->depth++] = (struct where_step){name, index};
}

bool settings_enter(struct settings *s, const char *name)
{
    for (lua_pushnil(s->L); lua_next(s->L, -2); lua_pop(s->L, 1)) {
        if (lua_type(s->L, -2) == LUA_TSTRING && strcmp(lua_tostring(s->L, -2), name) == 0) {
            lua_remove(s->L, -2);
            push_step(s, name, 0);
            return true;
        }
    }
    return false;
}

void settings_leave(struct settings *s)
{
    lua_pop(s->L, 1);
    s->depth--;
}

int settings_expect(struct settings *s, int type, const char *what)
{
    int got = lua_type(s->L, -1);
    if (got == type)
        return 0;
    return settings_fail(s, "expected %s, got %s", what, lua_typename(s->L, got));
}

char *settings_suggest(const char *wrong, const char *const *names, int count, bool list, char *out,
                       size_t size)
{
    *out = '\0';
    const char *near = near_name(wrong, names, count);
    if (near) {
        snprintf(out, size, " (did you mean '%s'?)", near);
        return out;
    }
    size_t used = 0;
    for (int i = 0; list && i < count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s%s",
                                 i ? ", " : " (known: ", names[i], i == count - 1 ? ")" : "");
    return out;
}

/* The key at -2 must be a word. */
static int check_key(struct settings *s)
{
    if (lua_type(s->L, -2) == LUA_TNUMBER)
        return settings_fail(s, "an item without a name; entries are written name = value");
    if (lua_type(s->L, -2) != LUA_TSTRING)
        return settings_fail(s, "a key is a %s; names are strings",
                             lua_typename(s->L, lua_type(s->L, -2)));
    size_t len;
    const char *name = lua_tolstring(s->L, -2, &len);
    if (len == 0 || len != strlen(name) || len > 256)
        return settings_fail(s, "a name is empty, longer than 256 bytes or has a NUL byte");
    return 0;
}

/* The line is the key's, the path its table's. */
static int refuse_key(struct settings *s, const char *key, const char *const *names, int count)
{
    char hint[200], words[sizeof s->err->message];
    settings_suggest(key, names, count, true, hint, sizeof hint);
    snprintf(words, sizeof words, "unknown key '%s'%s", key, hint);
    push_step(s, key, 0);
    int line = where_line(s->source, s->path, s->depth);
    s->depth--;
    return complain(s, line, words);
}

static bool has_name(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

int settings_check(struct settings *s, const struct setting *rows, int count)
{
    const char *names[MOST_ROWS];
    for (int i = 0; i < count; i++)
        names[i] = rows[i].name;
    for (lua_pushnil(s->L); lua_next(s->L, -2); lua_pop(s->L, 1)) {
        if (check_key(s) < 0)
            return -1;
        const char *key = lua_tostring(s->L, -2);
        if (!has_name(names, count, key))
            return refuse_key(s, key, names, count);
    }
    return 0;
}

int settings_read(struct settings *s, const struct setting *rows, int count, void *target)
{
    if (settings_expect(s, LUA_TTABLE, "a table") < 0 || settings_check(s, rows, count) < 0)
        return -1;
    for (int i = 0; i < count; i++) {
        if (!settings_enter(s, rows[i].name))
            continue;
        if (rows[i].read(s, (char *)target + rows[i].offset, &rows[i]) < 0)
            return -1;
        settings_leave(s);
    }
    return 0;
}

int settings_each(struct settings *s, int (*entry)(struct settings *s, const char *name, void *arg),
                  void *arg)
{
    if (settings_expect(s, LUA_TTABLE, "a table") < 0)
        return -1;
    for (lua_pushnil(s->L); lua_next(s->L, -2); lua_pop(s->L, 1)) {
        if (check_key(s) < 0)
            return -1;
        push_step(s, lua_tostring(s->L, -2), 0);
        if (entry(s, lua_tostring(s->L, -2), arg) < 0)
            return -1;
        s->depth--;
    }
    return 0;
}

int settings_each_item(struct settings *s, int most,
                       int (*entry)(struct settings *s, int index, void *arg), void *arg)
{
    if (settings_expect(s, LUA_TTABLE, "a list") < 0)
        return -1;
    int count = (int)lua_objlen(s->L, -1), keys = 0;
    for (lua_pushnil(s->L); lua_next(s->L, -2); lua_pop(s->L, 1))
        keys++;
    if (keys != count)
        return settings_fail(s, "expected a list, got a table with names or gaps");
    if (count > most)
        return settings_fail(s, "more than %d items", most);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(s->L, -1, i);
        push_step(s, NULL, i);
        if (entry(s, i, arg) < 0)
            return -1;
        settings_leave(s);
    }
    return 0;
}

int settings_bool(struct settings *s, void *field, const struct setting *row)
{
    (void)row;
    if (settings_expect(s, LUA_TBOOLEAN, "true or false") < 0)
        return -1;
    *(bool *)field = lua_toboolean(s->L, -1);
    return 0;
}

int settings_yes_no(struct settings *s, void *field, const struct setting *row)
{
    bool value;
    if (settings_bool(s, &value, row) < 0)
        return -1;
    *(int8_t *)field = value;
    return 0;
}

static int check_range(struct settings *s, double value, const struct setting *row)
{
    if (value >= row->least && value <= row->most)
        return 0;
    if (isnan(value))
        return settings_fail(s, "is not a number");
    return settings_fail(s, "%.14g is not from %.14g to %.14g%s%s", value, row->least, row->most,
                         row->unit ? " " : "", row->unit ? row->unit : "");
}

int settings_number(struct settings *s, void *field, const struct setting *row)
{
    if (settings_expect(s, LUA_TNUMBER, "a number") < 0)
        return -1;
    double value = lua_tonumber(s->L, -1);
    *(double *)field = value;
    return check_range(s, value, row);
}

static int read_whole(struct settings *s, double *value, const struct setting *row)
{
    if (settings_number(s, value, row) < 0)
        return -1;
    if (*value != floor(*value))
        return settings_fail(s, "%.14g is not a whole number", *value);
    return 0;
}

int settings_unsigned(struct settings *s, void *field, const struct setting *row)
{
    double value;
    if (read_whole(s, &value, row) < 0)
        return -1;
    *(unsigned *)field = (unsigned)value;
    return 0;
}

static double unit_bytes(const char *unit)
{
    if (strcasecmp(unit, "KB") == 0)
        return 1024.0;
    if (strcasecmp(unit, "MB") == 0)
        return 1024.0 * 1024;
    return strcasecmp(unit, "GB") == 0 ? 1024.0 * 1024 * 1024 : 0;
}

int settings_size(struct settings *s, void *field, const struct setting *row)
{
    double value;
    if (lua_type(s->L, -1) == LUA_TSTRING) {
        const char *text = lua_tostring(s->L, -1);
        char *unit;
        value = isdigit((unsigned char)*text) ? strtod(text, &unit) : 0;
        double bytes = isdigit((unsigned char)*text) ? unit_bytes(unit) : 0;
        if (bytes == 0)
            return settings_fail(
                s, "'%.40s' is no size; write a number of bytes, or \"512KB\", \"32MB\", \"1GB\"",
                text);
        value *= bytes;
        if (check_range(s, value, row) < 0)
            return -1;
    } else if (settings_expect(s, LUA_TNUMBER, "a size (\"32MB\" or a number of bytes)") < 0 ||
               read_whole(s, &value, row) < 0) {
        return -1;
    }
    *(size_t *)field = (size_t)value;
    return 0;
}

int settings_text(struct settings *s, void *field, const struct setting *row)
{
    (void)row;
    if (settings_expect(s, LUA_TSTRING, "a string") < 0)
        return -1;
    size_t len;
    const char *text = lua_tolstring(s->L, -1, &len);
    if (len == 0)
        return settings_fail(s, "is empty");
    if (len > SETTINGS_LONGEST)
        return settings_fail(s, "is longer than %d bytes", SETTINGS_LONGEST);
    for (size_t i = 0; i < len; i++)
        if (iscntrl((unsigned char)text[i]))
            return settings_fail(s, "has a control character");
    *(const char **)field = arena_strndup(s->arena, text, len);
    return *(const char **)field ? 0 : settings_fail(s, "the configuration is too large");
}
