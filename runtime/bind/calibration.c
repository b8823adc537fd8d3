#include "bind/calibration.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "bind/chance.h"
#include "bind/field.h"
#include "bind/file.h"
#include "bind/logprob.h"
#include "bind/scope.h"
#include "classify/calibration.h"

enum { NOTE_MOST = 1024 };

#define CALIBRATION_METATABLE "calibration"

struct sure {
    struct calibration c;
    int measure; /* of logprob_names; -1: something else, which the route measures itself */
    char name[FILE_MAX_NAME + 1];
};

int calibration_new(lua_State *L)
{
    struct err err;
    char path[FILE_MAX_PATH];
    struct str text = file_named(L, "wye.calibration", "calibrations", "json", path);
    struct sure *s = lua_newuserdata(L, sizeof *s);
    luaL_getmetatable(L, CALIBRATION_METATABLE);
    lua_setmetatable(L, -2);
    if (calibration_parse(&s->c, text, &err) < 0)
        return luaL_error(L, "wye.calibration: %s: %s", path, err.message);
    s->measure = -1;
    snprintf(s->name, sizeof s->name, "%s", lua_tostring(L, 1));
    for (int i = 0; i < LOGPROB_MEASURES; i++)
        if (strcmp(s->c.score, logprob_names[i]) == 0)
            s->measure = i;
    return 1;
}

/* The score of what lies at 2: a number as it is, a reply by the calibration's measure. False: the reply does not carry it. */
static bool read_score(lua_State *L, const struct sure *s, double *score)
{
    if (lua_type(L, 2) == LUA_TNUMBER) {
        *score = lua_tonumber(L, 2);
        return true;
    }
    struct reply *reply = scope_check(L, 2, METATABLE_REPLY);
    if (s->measure < 0)
        return luaL_error(L, "this calibration is of '%s': call it on that number", s->c.score);
    return logprob_measure(s->measure, reply, score);
}

/* For `wye why`, and for `wye drift`. */
static void note(lua_State *L, const struct sure *s, double score, double p)
{
    static struct buf data = BUF(NOTE_MOST);
    struct task *task = task_of(L);
    struct scope *scope = task ? task->owner : NULL;
    if (scope == NULL || scope->host->note == NULL)
        return;
    buf_reset(&data);
    buf_puts(&data, "{\"calibration\":");
    json_quote(&data, str_of(s->name));
    buf_printf(&data, ",\"score\":%.9g,\"p\":%.4f}", score, p);
    scope->host->note(scope, str_of("calibrated"), buf_str(&data), scope_where(L));
    lua_pop(L, 1);
}

/* sure(reply) → p, score. */
static int call(lua_State *L)
{
    const struct sure *s = luaL_checkudata(L, 1, CALIBRATION_METATABLE);
    double score;
    if (!read_score(L, s, &score)) {
        lua_pushnumber(L, 0);
        lua_pushnil(L);
        return 2;
    }
    double p = calibration_p(&s->c, score);
    note(L, s, score, p);
    lua_pushnumber(L, p);
    lua_pushnumber(L, score);
    return 2;
}

/* sure:keeps(reply) → whether it lies above the threshold, p. Those at it by chance, so that the share comes out. */
static int keeps(lua_State *L)
{
    if (!lua_isuserdata(L, 1))
        return luaL_error(L, "call it as sure:keeps(reply), with a colon");
    const struct sure *s = luaL_checkudata(L, 1, CALIBRATION_METATABLE);
    double score;
    if (!s->c.has_threshold)
        return luaL_error(L, "the calibration has no threshold: give `wye calibrate` --share, --cost or --quality");
    bool has_score = read_score(L, s, &score);
    double p = has_score ? calibration_p(&s->c, score) : 0;
    bool is_kept = has_score && p >= s->c.threshold;
    if (has_score)
        note(L, s, score, p);
    if (is_kept && p == s->c.threshold && s->c.tie > 0)
        is_kept = chance_next(scope_of(L, "sure:keeps")) >= s->c.tie;
    lua_pushboolean(L, is_kept);
    lua_pushnumber(L, p);
    return 2;
}

static int read_field(lua_State *L)
{
    static const char *const NAMES[] = {"keeps", "threshold", "score", "accuracy"};
    const struct sure *s = luaL_checkudata(L, 1, CALIBRATION_METATABLE);
    switch (field_check(L, 2, CALIBRATION_METATABLE, NAMES, 4)) {
    case 0: lua_pushcfunction(L, keeps); break;
    case 1: s->c.has_threshold ? lua_pushnumber(L, s->c.threshold) : lua_pushnil(L); break;
    case 2: lua_pushstring(L, s->c.score); break;
    case 3: lua_pushnumber(L, s->c.accuracy); break;
    }
    return 1;
}

void calibration_register(lua_State *L)
{
    field_metatable(L, CALIBRATION_METATABLE, read_field, NULL);
    field_function(L, "__call", call);
    lua_pop(L, 1);
}
