#include "bind/decision.h"

#include <lauxlib.h>
#include <string.h>

#include "base/near.h"
#include "bind/field.h"
#include "bind/model.h"
#include "bind/scope.h"

#define REFUSAL_METATABLE "refusal"

enum { MAX_REASON = 512, MAX_MESSAGE = 2048, MAX_SECONDS = 3600, MAX_WEIGHT = 1000000,
       MAX_CACHE_SECONDS = 30 * 86400 };

#define KIND_BIT(kind) (1u << (kind))
const uint32_t NEXT_ON_DEFAULT = KIND_BIT(ERR_RATE_LIMIT) | KIND_BIT(ERR_OVERLOADED) | KIND_BIT(ERR_SERVER_ERROR) |
                                 KIND_BIT(ERR_AUTH) | KIND_BIT(ERR_CONNECT) | KIND_BIT(ERR_CUT) |
                                 KIND_BIT(ERR_MALFORMED) | KIND_BIT(ERR_TIMEOUT);

static const char *const OPTIONS[] = {"connect", "first_token", "idle", "attempt", "total",
                                      "next_on", "weights",     "order", "sticky", "cache", "continue"};
enum { CONNECT, FIRST_TOKEN, IDLE, ATTEMPT, TOTAL, NEXT_ON, WEIGHTS, ORDER, STICKY, CACHE, CONTINUE, OPTION_COUNT };

struct reading {
    struct decision *d;
    struct arena *arena;
};

struct refusal {
    int status;
    char message[];
};

int decision_refuse(lua_State *L)
{
    int status = luaL_checkint(L, 1);
    size_t len = 0;
    const char *message = luaL_optlstring(L, 2, "refused", &len);
    if (status < 400 || status > 599)
        return luaL_error(L, "wye.refuse: status must be 400 to 599, not %d", status);
    if (len > MAX_MESSAGE)
        return luaL_error(L, "wye.refuse: message is over %d bytes", MAX_MESSAGE);
    struct refusal *r = lua_newuserdata(L, sizeof *r + len + 1);
    r->status = status;
    memcpy(r->message, message, len + 1);
    luaL_getmetatable(L, REFUSAL_METATABLE);
    lua_setmetatable(L, -2);
    return 1;
}

static int no_fields(lua_State *L)
{
    return luaL_error(L, "a refusal has no fields: return it");
}

void decision_register(lua_State *L)
{
    field_metatable(L, REFUSAL_METATABLE, no_fields, NULL);
    lua_pop(L, 1);
}

static uint32_t read_next_on(lua_State *L)
{
    luaL_checktype(L, -1, LUA_TTABLE);
    uint32_t bits = 0;
    for (int i = 1; i <= (int)lua_objlen(L, -1); i++) {
        lua_rawgeti(L, -1, i);
        const char *name = lua_tostring(L, -1);
        enum err_kind kind = name ? err_kind_of(name) : ERR_NONE;
        if (kind == ERR_NONE || kind > ERR_CANCELLED)
            luaL_error(L, "next_on: '%s' is no error kind", name ? name : luaL_typename(L, -1));
        bits |= KIND_BIT(kind);
        lua_pop(L, 1);
    }
    return bits;
}

/* One of `names` at the top of the stack: its position. */
static int read_word(lua_State *L, const char *option, const char *const *names, int count)
{
    const char *word = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    for (int i = 0; word && i < count; i++)
        if (strcmp(word, names[i]) == 0)
            return i;
    const char *near = word ? near_name(word, names, count) : NULL;
    return luaL_error(L, "%s cannot be '%s'%s%s%s", option, word ? word : luaL_typename(L, -1),
                      near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static void read_weights(lua_State *L, struct decision *d, struct arena *arena)
{
    luaL_checktype(L, -1, LUA_TTABLE);
    if ((int)lua_objlen(L, -1) != d->count)
        luaL_error(L, "weights has %d numbers for %d models", (int)lua_objlen(L, -1), d->count);
    double *weights = arena_need(arena, (size_t)d->count * sizeof *weights), sum = 0;
    for (int i = 0; i < d->count; i++) {
        lua_rawgeti(L, -1, i + 1);
        weights[i] = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
        if (!(weights[i] >= 0 && weights[i] <= MAX_WEIGHT))
            luaL_error(L, "weight %d must be a number from 0 to %d", i + 1, MAX_WEIGHT);
        sum += weights[i];
        lua_pop(L, 1);
    }
    if (sum <= 0)
        luaL_error(L, "weights are all 0: no model of the list may serve");
    d->weights = weights;
}

/* True when it was one of the options that say which model comes first. */
static bool read_choice(lua_State *L, int option, struct reading *r)
{
    static const char *const ORDERS[] = {"cost", "latency", "least_busy"};
    static const char *const UNITS[] = {"user", "conversation"};
    if (option == WEIGHTS)
        read_weights(L, r->d, r->arena);
    else if (option == ORDER)
        r->d->order = BY_COST + (enum list_order)read_word(L, "order", ORDERS, 3);
    else if (option == STICKY)
        r->d->sticky = STICKY_USER + (enum list_sticky)read_word(L, "sticky", UNITS, 2);
    else
        return false;
    return true;
}

static void read_option(lua_State *L, struct reading *r)
{
    struct decision *d = r->d;
    unsigned *const fields[] = {&d->deadlines.connect, &d->deadlines.first_token, &d->deadlines.idle,
                                &d->deadlines.attempt, &d->deadlines.total};
    int option = field_check(L, -2, "the list's options", OPTIONS, OPTION_COUNT);
    if (read_choice(L, option, r))
        return;
    if (option == NEXT_ON) {
        d->next_on = read_next_on(L);
        return;
    }
    if (option == CONTINUE) {
        if (!lua_isboolean(L, -1))
            luaL_error(L, "continue must be true or false, not a %s", luaL_typename(L, -1));
        d->continues = lua_toboolean(L, -1);
        return;
    }
    int most = option == CACHE ? MAX_CACHE_SECONDS : MAX_SECONDS;
    lua_Number seconds = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
    if (!(seconds > 0 && seconds <= most))
        luaL_error(L, "%s must be seconds above 0 and up to %d", OPTIONS[option], most);
    if (option == CACHE) {
        d->cache_s = (unsigned)(seconds + 0.999);
        return;
    }
    *fields[option] = (unsigned)(seconds * 1000 + 0.999);
}

static void read_list(lua_State *L, struct reading *r)
{
    struct decision *d = r->d;
    int count = (int)lua_objlen(L, 1);
    if (count == 0)
        luaL_error(L, "the list that the route returned has no model");
    if (count > DECISION_MAX_MODELS)
        luaL_error(L, "the list that the route returned has %d models; %d are the limit", count, DECISION_MAX_MODELS);
    d->kind = DECIDE_MODELS;
    for (d->count = 0; d->count < count; d->count++) {
        lua_rawgeti(L, 1, d->count + 1);
        d->models[d->count] = model_at(L, -1);
        if (d->models[d->count] == NULL)
            luaL_error(L, "item %d of the list that the route returned is a %s, not a model", d->count + 1,
                       luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        if (lua_type(L, -2) != LUA_TNUMBER)
            read_option(L, r);
        lua_pop(L, 1);
    }
    if (d->order != BY_LIST && (d->weights || d->sticky))
        luaL_error(L, "order goes with neither weights nor sticky: each says which model comes first");
}

static bool has_metatable(lua_State *L, int index, const char *name)
{
    if (!lua_isuserdata(L, index) || !lua_getmetatable(L, index))
        return false;
    luaL_getmetatable(L, name);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

static void read_act(lua_State *L, struct reading *r)
{
    struct decision *d = r->d;
    if ((d->models[0] = model_at(L, 1)) != NULL) {
        d->kind = DECIDE_MODELS;
        d->count = 1;
    } else if (lua_istable(L, 1)) {
        read_list(L, r);
    } else if (field_tested(L, 1, METATABLE_REPLY)) {
        d->kind = DECIDE_REPLY;
        d->reply = scope_check(L, 1, METATABLE_REPLY);
    } else if (has_metatable(L, 1, REFUSAL_METATABLE)) {
        const struct refusal *refusal = lua_touserdata(L, 1);
        d->kind = DECIDE_REFUSAL;
        d->status = refusal->status;
        d->message = arena_str(r->arena, str_of(refusal->message));
    } else {
        luaL_error(L, "the route returned %s; expected a model, a list of models, a reply or wye.refuse(...)",
                   lua_isnone(L, 1) || lua_isnil(L, 1) ? "nothing" : luaL_typename(L, 1));
    }
}

static void read_reason(lua_State *L, struct reading *r)
{
    if (lua_isnoneornil(L, 2))
        return;
    if (!lua_isstring(L, 2))
        luaL_error(L, "the reason that the route returned is a %s, not a string", luaL_typename(L, 2));
    struct str reason;
    reason.p = lua_tolstring(L, 2, &reason.len);
    reason.len = reason.len > MAX_REASON ? MAX_REASON : reason.len;
    r->d->reason = arena_str(r->arena, reason);
}

static int read_protected(lua_State *L)
{
    struct reading *r = lua_touserdata(L, 1);
    lua_remove(L, 1);
    read_act(L, r);
    read_reason(L, r);
    return 0;
}

/* What most routes return, a model that lasts and its reason: read here nothing can raise, so nothing is protected. */
static bool read_plain(lua_State *L, struct reading *r)
{
    struct decision *d = r->d;
    int reason = lua_type(L, 2);
    bool is_readable = reason == LUA_TSTRING || reason == LUA_TNIL || reason == LUA_TNONE;
    if (!is_readable || (d->models[0] = model_lasting(L, 1)) == NULL)
        return false;
    d->kind = DECIDE_MODELS;
    d->count = 1;
    read_reason(L, r);
    return true;
}

int decision_read(lua_State *L, int count, struct arena *arena, struct decision *d, struct err *err)
{
    *d = (struct decision){.next_on = NEXT_ON_DEFAULT, .reason = str_of("")};
    struct reading reading = {d, arena};
    lua_settop(L, count > 2 ? 2 : count);
    if (read_plain(L, &reading))
        return 0;
    lua_pushcfunction(L, read_protected);
    lua_insert(L, 1);
    lua_pushlightuserdata(L, &reading);
    lua_insert(L, 2);
    if (lua_pcall(L, lua_gettop(L) - 1, 0, 0) == 0)
        return 0;
    const char *words = lua_tostring(L, -1);
    return err_set(err, ERR_SCRIPT, "%s", words ? words : "the route's result could not be read");
}
