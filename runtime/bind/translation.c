#include "bind/translation.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "bind/adapters.h"

struct translator {
    lua_State *L;
    int open, reply, stream; /* translate.lua's functions */
};

/* ---- the host VM ---- */

static int take(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

static int start(lua_State *L)
{
    struct translator *t = lua_touserdata(L, 1);
    luaL_openlibs(L);
    adapters_register(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "translate");
    lua_call(L, 1, 1);
    t->open = take(L, "open");
    t->reply = take(L, "reply");
    t->stream = take(L, "stream");
    return 0;
}

static const char *words_on_top(lua_State *L)
{
    const char *words = lua_tostring(L, -1);
    return words ? words : "something that is no text was raised";
}

struct translator *translator_new(struct err *err)
{
    struct translator *t = xcalloc(1, sizeof *t);
    t->L = luaL_newstate();
    if (t->L && lua_cpcall(t->L, start, t) == 0)
        return t;
    err_set(err, ERR_SYSTEM, "the protocols' adapters do not start: %s", t->L ? words_on_top(t->L) : "no memory");
    translator_free(t);
    return NULL;
}

void translator_free(struct translator *t)
{
    if (t && t->L)
        lua_close(t->L);
    free(t);
}

/* Runs f(call) protected. Whatever it leaves on the stack is gone. */
static int protect(struct translator *host, lua_CFunction f, void *call, struct err *err)
{
    lua_State *L = host->L;
    int failed = lua_cpcall(L, f, call);
    if (failed)
        err_set(err, ERR_SYSTEM, "an adapter failed: %s", words_on_top(L));
    lua_settop(L, 0);
    return failed ? -1 : 0;
}

/* ---- opening ---- */

/* As far as the worker, which does nothing else meanwhile, can do in a fraction of a second. */
enum { MOST_VALUES = 200 * 1000, ESCAPES_A_VALUE = 20 };

/* A unit for each value of the valid JSON, and for so many escapes. */
static size_t weight_of(struct str text)
{
    size_t values = 0, escapes = 0;
    bool is_inside = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (is_inside && c == '\\') {
            escapes++;
            i++;
        } else if (c == '"') {
            is_inside = !is_inside;
        } else if (!is_inside) {
            values += c == ',' || c == '{' || c == '[';
        }
    }
    return values + escapes / ESCAPES_A_VALUE;
}

struct opening {
    struct translator *host;
    const struct translation_from *from;
    struct arena *arena;
    struct translation *t; /* NULL: refused */
    const char *param;
    struct err *err;
};

static struct str kept(lua_State *L, int index, struct arena *arena)
{
    size_t len;
    const char *text = luaL_checklstring(L, index, &len);
    struct str copy = arena_str(arena, str_n(text, len));
    if (copy.p == NULL)
        luaL_error(L, "the request's memory is used up");
    return copy;
}

static void set_text(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void push_target(lua_State *L, const struct translation_from *from)
{
    lua_createtable(L, 0, 5);
    set_text(L, "name", from->model);
    set_text(L, "kind", from->provider);
    if (from->base_url)
        set_text(L, "base_url", from->base_url);
    if (from->api_version)
        set_text(L, "api_version", from->api_version);
    lua_pushboolean(L, from->stream);
    lua_setfield(L, -2, "stream");
}

static void read_dropped(lua_State *L, struct translation *t, struct arena *arena)
{
    lua_getfield(L, -1, "dropped");
    t->dropped_count = (int)lua_objlen(L, -1);
    t->dropped = arena_need(arena, (size_t)(t->dropped_count + 1) * sizeof *t->dropped);
    for (int i = 0; i < t->dropped_count; i++) {
        lua_rawgeti(L, -1, i + 1);
        t->dropped[i] = kept(L, -1, arena).p;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static int open(lua_State *L)
{
    struct opening *o = lua_touserdata(L, 1);
    const struct translation_from *from = o->from;
    lua_rawgeti(L, LUA_REGISTRYINDEX, o->host->open);
    lua_pushstring(L, from->client);
    lua_pushstring(L, from->provider);
    lua_pushlstring(L, from->text.p, from->text.len);
    push_target(L, from);
    lua_pushstring(L, from->shape);
    lua_call(L, 5, 3);
    if (lua_isnil(L, 2)) {
        const char *words = luaL_optstring(L, 3, "the request is not of its protocol");
        err_set(o->err, ERR_BAD_REQUEST, "%s", words);
        o->param = lua_isstring(L, 4) ? kept(L, 4, o->arena).p : NULL;
        return 0;
    }
    lua_settop(L, 2);
    struct translation *t = arena_need(o->arena, sizeof *t);
    *t = (struct translation){.host = o->host, .ref = LUA_NOREF, .filter = LUA_NOREF};
    lua_getfield(L, 2, "path");
    t->path = kept(L, -1, o->arena);
    lua_getfield(L, 2, "body");
    t->body = kept(L, -1, o->arena);
    lua_settop(L, 2);
    read_dropped(L, t, o->arena);
    t->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    o->t = t;
    return 0;
}

struct translation *translation_open(struct translator *host, const struct translation_from *from, struct arena *arena,
                                     const char **param, struct err *err)
{
    struct opening o = {host, from, arena, NULL, NULL, err};
    *param = NULL;
    if (from->text.len > MOST_VALUES && weight_of(from->text) > MOST_VALUES) { /* a value takes a byte at least */
        err_set(err, ERR_BAD_REQUEST, "the request has more than %d values, too many to be translated for another protocol", MOST_VALUES);
        return NULL;
    }
    if (protect(host, open, &o, err) < 0)
        return NULL;
    *param = o.param;
    return o.t;
}

void translation_close(struct translation *t)
{
    if (t == NULL)
        return;
    luaL_unref(t->host->L, LUA_REGISTRYINDEX, t->ref);
    luaL_unref(t->host->L, LUA_REGISTRYINDEX, t->filter);
    t->ref = t->filter = LUA_NOREF;
}

/* ---- answers ---- */

struct turning {
    struct translation *t;
    struct str name, data;
    bool is_end;
    struct buf *out;
    int result;
    struct err *err;
};

static int overflow(struct turning *w)
{
    return err_set(w->err, ERR_MALFORMED, "the translated reply is over %zu KiB", w->out->limit >> 10);
}

/* Takes the text on top, or nil and why below it. */
static void take_text(lua_State *L, struct turning *w)
{
    size_t len;
    const char *text = lua_tolstring(L, 2, &len);
    if (text == NULL)
        w->result = err_set(w->err, ERR_MALFORMED, "the provider's answer is not its protocol: %s", luaL_optstring(L, 3, "?"));
    else if (buf_append(w->out, text, len) < 0)
        w->result = overflow(w);
}

static int turn_reply(lua_State *L)
{
    struct turning *w = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, w->t->host->reply);
    lua_rawgeti(L, LUA_REGISTRYINDEX, w->t->ref);
    lua_pushlstring(L, w->data.p, w->data.len);
    lua_call(L, 2, 2);
    take_text(L, w);
    return 0;
}

static void push_filter(lua_State *L, struct translation *t)
{
    if (t->filter == LUA_NOREF) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, t->host->stream);
        lua_rawgeti(L, LUA_REGISTRYINDEX, t->ref);
        lua_call(L, 1, 1);
        t->filter = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->filter);
}

static int turn_event(lua_State *L)
{
    struct turning *w = lua_touserdata(L, 1);
    push_filter(L, w->t);
    if (w->name.p)
        lua_pushlstring(L, w->name.p, w->name.len);
    else
        lua_pushnil(L);
    if (w->is_end)
        lua_pushnil(L);
    else
        lua_pushlstring(L, w->data.p, w->data.len);
    lua_call(L, 2, 2);
    take_text(L, w);
    return 0;
}

static int turn(struct translation *t, lua_CFunction f, struct turning *w, struct err *err)
{
    w->t = t;
    w->err = err;
    if (protect(t->host, f, w, err) == 0)
        return w->result;
    err->kind = ERR_MALFORMED; /* the request was read before: it is the answer that the adapter is not made for */
    return -1;
}

int translation_reply(struct translation *t, struct str body, struct buf *out, struct err *err)
{
    return turn(t, turn_reply, &(struct turning){.data = body, .out = out}, err);
}

int translation_event(struct translation *t, struct str name, struct str data, struct buf *out, struct err *err)
{
    return turn(t, turn_event, &(struct turning){.name = name, .data = data, .out = out}, err);
}

int translation_end(struct translation *t, struct buf *out, struct err *err)
{
    return turn(t, turn_event, &(struct turning){.is_end = true, .out = out}, err);
}
