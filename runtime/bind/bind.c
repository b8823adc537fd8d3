#include "bind/bind.h"

#include <lauxlib.h>

#include "bind/decision.h"
#include "bind/field.h"
#include "bind/first.h"
#include "bind/gather.h"
#include "bind/model.h"
#include "bind/note.h"
#include "bind/reply.h"
#include "bind/req.h"
#include "bind/tree.h"
#include "vm/generation.h"

static const char *const NAMES[] = {"model", "note", "refuse", "null", "gather", "first"};

static int unknown(lua_State *L)
{
    field_check(L, 2, "wye", NAMES, sizeof NAMES / sizeof *NAMES);
    return 0;
}

static int open_tables(lua_State *L)
{
    struct vm *vm = lua_touserdata(L, 1);
    tree_register(L);
    req_register(L);
    reply_register(L);
    model_register(L);
    decision_register(L);
    lua_settop(L, 0);
    lua_newuserdata(L, 0); /* `wye` itself: nothing can be stored in it */
    field_metatable(L, "wye", unknown, NULL);
    lua_newtable(L);
    field_function(L, "model", model_new);
    field_function(L, "note", note_add);
    field_function(L, "gather", gather_models);
    field_function(L, "first", first_answer);
    field_function(L, "refuse", decision_refuse);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_newtable(L);
    field_function(L, "__index", unknown);
    lua_setmetatable(L, -2);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    vm_set_global(vm, "wye");
    return 0;
}

int bind_open(struct vm *vm, struct generation *g, struct err *err)
{
    vm->host = g;
    lua_pushcfunction(vm->L, open_tables);
    lua_pushlightuserdata(vm->L, vm);
    return vm_call(vm, 1, 0, err);
}
