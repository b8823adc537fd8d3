#include "bind/kit.h"

#include <lauxlib.h>
#include <lualib.h>

#include "bind/adapters.h"
#include "bind/tree.h"

enum { KIT_ARENA = 64 << 20, KIT_TEXT = 16 << 20 };

static const unsigned char TESTKIT[] = {
#include "scripts/testkit.lua.inc"
};
static const unsigned char SPECS[] = {
#include "scripts/specs.lua.inc"
};

struct kit {
    lua_State *L;
    kit_decide *decide;
    void *arg;
    bool is_deciding;
};

/* What the functions below own, freed when the Lua that called them cannot be trusted to return. */
struct values {
    struct arena arena;
    struct buf in, out;
};

static int drop_values(lua_State *L)
{
    struct values *v = lua_touserdata(L, 1);
    arena_clear(&v->arena);
    buf_clear(&v->in);
    buf_clear(&v->out);
    return 0;
}

/* Pushes it: the collector frees what it holds, whatever raises. */
static struct values *push_values(lua_State *L)
{
    struct values *v = lua_newuserdata(L, sizeof *v);
    *v = (struct values){ARENA(KIT_ARENA), BUF(KIT_TEXT), BUF(KIT_TEXT)};
    if (luaL_newmetatable(L, "wye.kit.values")) {
        lua_pushcfunction(L, drop_values);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return v;
}

/* decide(call, answer) → decision; `answer(ask)` is called for each ask. */
static int decide(lua_State *L)
{
    struct kit *kit = lua_touserdata(L, lua_upvalueindex(1));
    struct err err;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    if (kit->is_deciding)
        return luaL_error(L, "a fake cannot drive a route: decide works outside of it");
    struct values *v = push_values(L);
    if (tree_write(L, 1, &v->in) < 0)
        return luaL_error(L, "the request is larger than %d MiB or nested too deeply", KIT_TEXT >> 20);
    lua_pushvalue(L, 2); /* on top, where kit_answer finds it */
    kit->is_deciding = true;
    lua_State *outer = kit->L;
    kit->L = L;
    int failed = kit->decide(kit->arg, kit, buf_str(&v->in), &v->arena, &v->out, &err);
    kit->L = outer;
    kit->is_deciding = false;
    if (failed) {
        lua_pushstring(L, err.message);
        return lua_error(L);
    }
    tree_push(L, buf_str(&v->out), &v->arena);
    return 1;
}

/* encode(value) → its JSON. */
static int encode(lua_State *L)
{
    struct values *v = push_values(L);
    if (tree_write(L, 1, &v->out) < 0)
        return luaL_error(L, "the value is larger than %d MiB as JSON or nested too deeply", KIT_TEXT >> 20);
    lua_pushlstring(L, v->out.p, v->out.len);
    return 1;
}

struct asked {
    struct str ask;
    struct arena *arena;
    struct str answer;
};

/* With the fake below it: calls the fake, keeps what it gave as JSON. */
static int answer(lua_State *L)
{
    struct asked *a = lua_touserdata(L, 2);
    struct values *v = push_values(L);
    lua_pushvalue(L, 1);
    tree_push(L, a->ask, &v->arena);
    lua_call(L, 1, 1);
    if (tree_write(L, -1, &v->out) < 0)
        return luaL_error(L, "a fake's answer is larger than %d MiB or nested too deeply", KIT_TEXT >> 20);
    a->answer = arena_str(a->arena, buf_str(&v->out));
    return 0;
}

int kit_answer(struct kit *kit, struct str ask, struct arena *arena, struct str *out, struct err *err)
{
    lua_State *L = kit->L;
    struct asked a = {.ask = ask, .arena = arena};
    int fake = lua_gettop(L);
    lua_pushcfunction(L, answer);
    lua_pushvalue(L, fake);
    lua_pushlightuserdata(L, &a);
    int status = lua_pcall(L, 2, 0, 0);
    if (status != 0)
        err_set(err, ERR_SCRIPT, "%s", lua_tostring(L, -1) ? lua_tostring(L, -1) : "a fake raised");
    lua_settop(L, fake);
    *out = a.answer;
    return status == 0 ? 0 : -1;
}

static void load(lua_State *L, const unsigned char *text, size_t len, const char *name)
{
    if (luaL_loadbuffer(L, (const char *)text, len, name) != 0)
        lua_error(L);
}

struct start {
    struct kit *kit;
    const char *const *args;
    int count;
    int status;
};

static int start(lua_State *L)
{
    struct start *s = lua_touserdata(L, 1);
    luaL_openlibs(L);
    tree_register(L);
    if (s->kit->decide == NULL)
        adapters_register(L);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    load(L, TESTKIT, sizeof TESTKIT, "@wye/testkit.lua");
    lua_setfield(L, -2, "wye.testkit");
    lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
    lua_pushlightuserdata(L, s->kit);
    lua_pushcclosure(L, decide, 1);
    lua_setfield(L, -2, "wye.decide");
    lua_pushcfunction(L, encode);
    lua_setfield(L, -2, "wye.encode");
    load(L, SPECS, sizeof SPECS, "@wye/specs.lua");
    for (int i = 0; i < s->count; i++)
        lua_pushstring(L, s->args[i]);
    lua_call(L, s->count, 1);
    s->status = (int)lua_tointeger(L, -1);
    return 0;
}

int kit_run(const char *const *args, int count, kit_decide *decide_in_route, void *arg, struct err *err)
{
    struct kit kit = {.L = luaL_newstate(), .decide = decide_in_route, .arg = arg};
    struct start s = {&kit, args, count, KIT_BROKEN};
    if (kit.L == NULL) {
        err_set(err, ERR_SYSTEM, "no memory for the specs");
        return KIT_BROKEN;
    }
    if (lua_cpcall(kit.L, start, &s) != 0) {
        err_set(err, ERR_SYSTEM, "%s", lua_tostring(kit.L, -1) ? lua_tostring(kit.L, -1) : "the specs could not be run");
        s.status = KIT_BROKEN;
    }
    lua_close(kit.L);
    return s.status;
}

int kit_run_adapters(const char *const *args, int count, struct err *err)
{
    return kit_run(args, count, NULL, NULL, err);
}
