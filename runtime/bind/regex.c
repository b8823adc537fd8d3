#define PCRE2_CODE_UNIT_WIDTH 8
#include "bind/regex.h"

#include <lauxlib.h>
#include <pcre2.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "bind/ask.h"
#include "bind/field.h"
#include "bind/file.h"
#include "vm/guard.h"

enum {
    MAX_PATTERN = 16 << 10,
    MAX_GROUPS = 32,
    MAX_SET = 64,
    MATCH_STEPS = 1000000, /* for one start position */
    JIT_STACK = 512 << 10,
    HEAP_KIB = 4096,
    FIRST_RUN = 1,         /* start positions */
    LONGEST_RUN = 1 << 20,
    CHEAP_NS = 500000,     /* a run under this lets the next be four times as long */
    MOST_NS = 40000000     /* for one call */
};

#define REGEX_METATABLE "regex"
#define SET_METATABLE "regex set"

struct regex {
    pcre2_code *code;
    int groups;
};

/* One for the thread: what no two matches use at once. */
static pcre2_match_context *context;
static pcre2_match_data *found;
static pcre2_jit_stack *stack;

enum verdict { NOT_FOUND, FOUND, OVER_LIMIT };

static enum verdict search_run(const struct regex *r, struct str text, size_t at, size_t run)
{
    pcre2_set_offset_limit(context, run < text.len - at ? at + run : PCRE2_UNSET);
    int n = pcre2_match(r->code, (PCRE2_SPTR)text.p, text.len, at, 0, found, context);
    return n >= 0 ? FOUND : n == PCRE2_ERROR_NOMATCH ? NOT_FOUND : OVER_LIMIT;
}

static bool is_inside_character(struct str text, size_t at)
{
    return at < text.len && ((unsigned char)text.p[at] & 0xc0) == 0x80;
}

static enum verdict search(const struct regex *r, struct str text, size_t at)
{
    uint64_t began = clock_ns(), now = began;
    size_t run = FIRST_RUN;
    for (;;) {
        enum verdict verdict = search_run(r, text, at, run);
        if (verdict != NOT_FOUND || run >= text.len - at)
            return verdict;
        for (at += run + 1; is_inside_character(text, at);)
            at++;
        if (at > text.len)
            return NOT_FOUND;
        uint64_t before = now;
        now = clock_ns();
        if (now - began > MOST_NS || guard_is_over())
            return OVER_LIMIT;
        if (now - before < CHEAP_NS && run < LONGEST_RUN)
            run *= 4;
    }
}

static int over_limit(lua_State *L)
{
    struct err err = {0};
    err_set(&err, ERR_LIMIT, "the regex takes too many steps on this text");
    return ask_fail(L, &err, 0);
}

static const struct regex *regex_at(lua_State *L, const char *method)
{
    if (!lua_isuserdata(L, 1))
        luaL_error(L, "call it as re:%s(text), with a colon", method);
    return luaL_checkudata(L, 1, REGEX_METATABLE);
}

static struct str text_at(lua_State *L, int index)
{
    struct str text;
    text.p = luaL_checklstring(L, index, &text.len);
    return text;
}

/* Where the optional `init` at `index` begins; past the end when there is nothing to look at. */
static size_t start_at(lua_State *L, int index, struct str text)
{
    lua_Number init = luaL_optnumber(L, index, 1);
    if (init < 0)
        init = (lua_Number)text.len + init + 1;
    size_t at = init <= 1 ? 0 : init > (lua_Number)text.len + 1 ? text.len + 1 : (size_t)init - 1;
    while (is_inside_character(text, at))
        at++;
    return at;
}

/* re:test(text) → boolean. */
static int test(lua_State *L)
{
    const struct regex *r = regex_at(L, "test");
    enum verdict verdict = search(r, text_at(L, 2), 0);
    if (verdict == OVER_LIMIT)
        return over_limit(L);
    lua_pushboolean(L, verdict == FOUND);
    return 1;
}

static void push_group(lua_State *L, struct str text, int i)
{
    const size_t *at = pcre2_get_ovector_pointer(found) + 2 * i;
    if (at[0] == PCRE2_UNSET)
        lua_pushnil(L);
    else
        lua_pushlstring(L, text.p + at[0], at[1] > at[0] ? at[1] - at[0] : 0);
}

/* re:match(text, init) → the captures, or the whole match when the pattern has none; nil. */
static int match(lua_State *L)
{
    const struct regex *r = regex_at(L, "match");
    struct str text = text_at(L, 2);
    size_t at = start_at(L, 3, text);
    enum verdict verdict = at > text.len ? NOT_FOUND : search(r, text, at);
    if (verdict == OVER_LIMIT)
        return over_limit(L);
    if (verdict == NOT_FOUND) {
        lua_pushnil(L);
        return 1;
    }
    luaL_checkstack(L, MAX_GROUPS, "captures");
    if (r->groups == 0)
        push_group(L, text, 0);
    for (int i = 1; i <= r->groups; i++)
        push_group(L, text, i);
    return r->groups ? r->groups : 1;
}

/* re:find(text, init) → first and last byte, as string.find; nil. */
static int find(lua_State *L)
{
    const struct regex *r = regex_at(L, "find");
    struct str text = text_at(L, 2);
    size_t at = start_at(L, 3, text);
    enum verdict verdict = at > text.len ? NOT_FOUND : search(r, text, at);
    if (verdict == OVER_LIMIT)
        return over_limit(L);
    if (verdict == NOT_FOUND) {
        lua_pushnil(L);
        return 1;
    }
    const size_t *where = pcre2_get_ovector_pointer(found);
    lua_pushnumber(L, (lua_Number)where[0] + 1);
    lua_pushnumber(L, (lua_Number)where[1]);
    return 2;
}

/* set:match(text) → the name of the first regex, in the order of their names, that matches; nil. The members are in its environment. */
static int match_set(lua_State *L)
{
    if (!lua_isuserdata(L, 1))
        return luaL_error(L, "call it as set:match(text), with a colon");
    int count = *(int *)luaL_checkudata(L, 1, SET_METATABLE);
    struct str text = text_at(L, 2);
    lua_getfenv(L, 1);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, 2 * i);
        enum verdict verdict = search(lua_touserdata(L, -1), text, 0);
        if (verdict == OVER_LIMIT)
            return over_limit(L);
        lua_pop(L, 1);
        if (verdict == FOUND) {
            lua_rawgeti(L, -1, 2 * i - 1);
            return 1;
        }
    }
    lua_pushnil(L);
    return 1;
}

static void raise(lua_State *L, int code, size_t offset)
{
    PCRE2_UCHAR words[128];
    pcre2_get_error_message(code, words, sizeof words);
    luaL_error(L, "wye.re: %s at offset %d", (const char *)words, (int)offset);
}

/* Compiles the pattern at `index` and leaves the regex on the stack. */
static void compile(lua_State *L, int index)
{
    struct str pattern = text_at(L, index);
    int code;
    size_t offset;
    uint32_t groups;
    if (pattern.len > MAX_PATTERN)
        luaL_error(L, "wye.re: the pattern is over %d KiB", MAX_PATTERN >> 10);
    struct regex *r = lua_newuserdata(L, sizeof *r);
    *r = (struct regex){NULL, 0};
    luaL_getmetatable(L, REGEX_METATABLE);
    lua_setmetatable(L, -2);
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_USE_OFFSET_LIMIT | PCRE2_NEVER_BACKSLASH_C;
    r->code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.len, options, &code, &offset, NULL);
    if (r->code == NULL)
        raise(L, code, offset);
    pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (groups > MAX_GROUPS)
        luaL_error(L, "wye.re: the pattern has %d captures; %d are the limit (write (?:…) where none is needed)", (int)groups,
                   MAX_GROUPS);
    r->groups = (int)groups;
    pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* without it PCRE2 interprets, which is only slower */
}

/* The names among the keys of the table at 1, sorted, as the odd items of a new table on top. */
static int push_names(lua_State *L)
{
    const char *names[MAX_SET];
    int count = 0;
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "wye.re: a set is a table of patterns by name, as { code = \"```\" }");
        if (count == MAX_SET)
            luaL_error(L, "wye.re: a set has at most %d patterns", MAX_SET);
        const char *name = lua_tostring(L, -2);
        int i = count++;
        for (; i > 0 && strcmp(name, names[i - 1]) < 0; i--)
            names[i] = names[i - 1];
        names[i] = name;
    }
    lua_createtable(L, 2 * count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, 2 * i + 1);
    }
    return count;
}

static int new_set(lua_State *L)
{
    int count = push_names(L);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, 2, 2 * i - 1);
        lua_rawget(L, 1);
        compile(L, 3);
        lua_rawseti(L, 2, 2 * i);
        lua_settop(L, 2);
    }
    *(int *)lua_newuserdata(L, sizeof(int)) = count;
    lua_insert(L, 2);
    lua_setfenv(L, 2);
    luaL_getmetatable(L, SET_METATABLE);
    lua_setmetatable(L, -2);
    return 1;
}

int regex_new(lua_State *L)
{
    file_loading(L, "wye.re");
    lua_settop(L, 1);
    if (lua_istable(L, 1))
        return new_set(L);
    compile(L, 1);
    return 1;
}

static int collect(lua_State *L)
{
    struct regex *r = luaL_checkudata(L, 1, REGEX_METATABLE);
    pcre2_code_free(r->code);
    r->code = NULL;
    return 0;
}

static int read_field(lua_State *L)
{
    static const char *const NAMES[] = {"match", "test", "find"};
    static const lua_CFunction METHODS[] = {match, test, find};
    lua_pushcfunction(L, METHODS[field_check(L, 2, REGEX_METATABLE, NAMES, 3)]);
    return 1;
}

static int read_set_field(lua_State *L)
{
    static const char *const NAMES[] = {"match"};
    field_check(L, 2, SET_METATABLE, NAMES, 1);
    lua_pushcfunction(L, match_set);
    return 1;
}

static void open_context(void)
{
    context = pcre2_match_context_create(NULL);
    found = pcre2_match_data_create(MAX_GROUPS + 1, NULL);
    stack = pcre2_jit_stack_create(32 << 10, JIT_STACK, NULL);
    if (context == NULL || found == NULL || stack == NULL)
        abort();
    pcre2_jit_stack_assign(context, NULL, stack);
    pcre2_set_match_limit(context, MATCH_STEPS);
    pcre2_set_heap_limit(context, HEAP_KIB);
}

void regex_register(lua_State *L)
{
    if (context == NULL)
        open_context();
    field_metatable(L, REGEX_METATABLE, read_field, NULL);
    field_function(L, "__gc", collect);
    lua_pop(L, 1);
    field_metatable(L, SET_METATABLE, read_set_field, NULL);
    lua_pop(L, 1);
}
