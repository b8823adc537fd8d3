#include "vm/strings.h"

#include <ctype.h>

#include <lauxlib.h>

#include "vm/guard.h"
#include "vm/pattern.h"
#include "vm/state.h"

static struct str check_str(lua_State *L, int index)
{
    struct str s;
    s.p = luaL_checklstring(L, index, &s.len);
    return s;
}

static void compile(lua_State *L, struct pattern *p, struct str source, bool anchors)
{
    const char *why;
    if (pattern_compile(p, source, anchors, &why) < 0)
        luaL_error(L, "%s", why);
}

/* The captures stay unset until a match writes them. */
static void begin(struct pattern_match *m, struct str subject)
{
    m->subject = subject;
    m->budget = PATTERN_STEPS;
    m->is_over = guard_is_over;
}

/* Whether it was found; raises when the steps are spent. */
static bool check_result(lua_State *L, enum pattern_result result)
{
    if (result == PATTERN_OVER)
        luaL_error(L,
                   "the pattern takes too many steps on this text: make it simpler or anchor it");
    return result == PATTERN_FOUND;
}

static void push_capture(lua_State *L, const struct pattern_match *m, int i)
{
    if (m->captures[i].len == PATTERN_POSITION)
        lua_pushinteger(L, m->captures[i].p - m->subject.p + 1);
    else
        lua_pushlstring(L, m->captures[i].p, (size_t)m->captures[i].len);
}

static void push_whole(lua_State *L, const struct pattern_match *m)
{
    lua_pushlstring(L, m->subject.p + m->start, m->end - m->start);
}

/* All captures, or the whole match when there are none. */
static int push_captures(lua_State *L, const struct pattern *p, const struct pattern_match *m)
{
    luaL_checkstack(L, p->captures + 1, "too many captures");
    if (p->captures == 0)
        push_whole(L, m);
    for (int i = 0; i < p->captures; i++)
        push_capture(L, m, i);
    return p->captures ? p->captures : 1;
}

/* Argument `index` as an offset: from 1, negative from the end, past the end is the end. */
static size_t check_from(lua_State *L, int index, size_t len)
{
    lua_Integer from = luaL_optinteger(L, index, 1);
    if (from < 0)
        from += (lua_Integer)len + 1;
    if (from < 1)
        from = 1;
    return (size_t)from - 1 > len ? len : (size_t)from - 1;
}

static bool is_plain(struct str pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.p[i] && strchr("^$*+?.([%-", pattern.p[i]))
            return false;
    return true;
}

/* memmem, but at memchr's speed where the first byte is rare: glibc's takes six instructions a byte. Looks at most at
 * `tries` places that way, so that a first byte that is everywhere stays linear. */
static const char *search(struct str s, struct str wanted)
{
    const char *p = s.p, *last = s.p + s.len - wanted.len;
    for (int tries = 64; s.len >= wanted.len && p <= last; p++, tries--) {
        if (tries == 0)
            return memmem(p, (size_t)(s.p + s.len - p), wanted.p, wanted.len);
        p = memchr(p, wanted.p[0], (size_t)(last - p) + 1);
        if (p == NULL || memcmp(p, wanted.p, wanted.len) == 0)
            return p;
    }
    return NULL;
}

static int find_plain(lua_State *L, struct str s, struct str wanted, size_t from)
{
    const char *at = wanted.len == 0 ? s.p + from : search(str_n(s.p + from, s.len - from), wanted);
    if (at == NULL) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, at - s.p + 1);
    lua_pushinteger(L, at - s.p + (lua_Integer)wanted.len);
    return 2;
}

static int find(lua_State *L)
{
    struct str s = check_str(L, 1), source = check_str(L, 2);
    size_t from = check_from(L, 3, s.len);
    if (lua_toboolean(L, 4) || is_plain(source))
        return find_plain(L, s, source, from);
    struct pattern p;
    compile(L, &p, source, true);
    struct pattern_match m;
    begin(&m, s);
    if (!check_result(L, pattern_find(&p, &m, from))) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)m.start + 1);
    lua_pushinteger(L, (lua_Integer)m.end);
    return p.captures ? 2 + push_captures(L, &p, &m) : 2;
}

static int match(lua_State *L)
{
    struct str s = check_str(L, 1), source = check_str(L, 2);
    size_t from = check_from(L, 3, s.len);
    struct pattern p;
    compile(L, &p, source, true);
    struct pattern_match m;
    begin(&m, s);
    if (check_result(L, pattern_find(&p, &m, from)))
        return push_captures(L, &p, &m);
    lua_pushnil(L);
    return 1;
}

/* Upvalues: text, pattern, where to go on. An empty match steps on by one. */
static int gmatch_next(lua_State *L)
{
    struct str s = check_str(L, lua_upvalueindex(1)), source = check_str(L, lua_upvalueindex(2));
    size_t from = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    struct pattern p;
    compile(L, &p, source, false);
    struct pattern_match m;
    begin(&m, s);
    if (from > s.len || !check_result(L, pattern_find(&p, &m, from)))
        return 0;
    lua_pushinteger(L, (lua_Integer)(m.end > m.start ? m.end : m.end + 1));
    lua_replace(L, lua_upvalueindex(3));
    return push_captures(L, &p, &m);
}

static int gmatch(lua_State *L)
{
    struct pattern p;
    check_str(L, 1);
    compile(L, &p, check_str(L, 2), false);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, gmatch_next, 3);
    return 1;
}

struct gsub {
    luaL_Buffer out;
    struct pattern p;
    struct pattern_match m;
};

static void add_text(lua_State *L, struct gsub *g, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] != '%' || i + 1 == text.len) {
            luaL_addchar(&g->out, text.p[i]);
            continue;
        }
        char c = text.p[++i];
        if (!isdigit((unsigned char)c)) {
            luaL_addchar(&g->out, c);
        } else if (c == '0' || (c == '1' && g->p.captures == 0)) {
            luaL_addlstring(&g->out, g->m.subject.p + g->m.start, g->m.end - g->m.start);
        } else if (c - '1' >= g->p.captures) {
            luaL_error(L, "invalid capture index");
        } else {
            push_capture(L, &g->m, c - '1');
            luaL_addvalue(&g->out);
        }
    }
}

/* What a table or a function (argument 3) gives instead of the match; false and nil keep it. */
static void add_value(lua_State *L, struct gsub *g)
{
    if (lua_isfunction(L, 3)) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(L, &g->p, &g->m), 1);
    } else {
        if (g->p.captures)
            push_capture(L, &g->m, 0);
        else
            push_whole(L, &g->m);
        lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        push_whole(L, &g->m);
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(&g->out);
}

/* Replaces up to `most` matches from the start on; returns how many. */
static lua_Integer replace(lua_State *L, struct gsub *g, lua_Integer most)
{
    bool is_text = lua_isstring(L, 3);
    size_t at = 0;
    lua_Integer count = 0;
    while (count < most) {
        bool is_found = check_result(L, pattern_at(&g->p, &g->m, at));
        if (is_found) {
            count++;
            if (is_text)
                add_text(L, g, check_str(L, 3));
            else
                add_value(L, g);
        }
        if (is_found && g->m.end > at)
            at = g->m.end;
        else if (at < g->m.subject.len)
            luaL_addchar(&g->out, g->m.subject.p[at++]);
        else
            return count;
        if (g->p.is_anchored)
            break;
    }
    luaL_addlstring(&g->out, g->m.subject.p + at, g->m.subject.len - at);
    return count;
}

static int gsub(lua_State *L)
{
    vm_check_depth(L);
    struct gsub g;
    struct str s = check_str(L, 1), source = check_str(L, 2);
    int type = lua_type(L, 3);
    luaL_argcheck(L,
                  type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TFUNCTION ||
                      type == LUA_TTABLE,
                  3, "string/function/table expected");
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)s.len + 1);
    lua_settop(L, 3);
    compile(L, &g.p, source, true);
    begin(&g.m, s);
    luaL_buffinit(L, &g.out);
    lua_Integer count = replace(L, &g, most);
    luaL_pushresult(&g.out);
    lua_pushinteger(L, count);
    return 2;
}

void strings_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"find", find}, {"match", match}, {"gmatch", gmatch}, {"gsub", gsub}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
