#include "bind/bind.h"

#include <lauxlib.h>

#include "bind/calibration.h"
#include "bind/chance.h"
#include "bind/classifier.h"
#include "bind/codec.h"
#include "bind/decision.h"
#include "bind/experiment.h"
#include "bind/field.h"
#include "bind/file.h"
#include "bind/first.h"
#include "bind/gather.h"
#include "bind/kv.h"
#include "bind/metric.h"
#include "bind/model.h"
#include "bind/note.h"
#include "bind/reply.h"
#include "bind/regex.h"
#include "bind/req.h"
#include "bind/score.h"
#include "bind/shadow.h"
#include "bind/similar.h"
#include "bind/tree.h"
#include "bind/validator.h"
#include "vm/generation.h"

static const luaL_Reg FUNCTIONS[] = {
    {"model", model_new},     {"gather", gather_models}, {"first", first_answer}, {"refuse", decision_refuse},
    {"prompt", file_prompt},  {"re", regex_new},         {"note", note_add},      {"now", chance_now},
    {"random", chance_random}, {"schema", validator_new}, {"experiment", experiment_new}, {"metric", metric_add},
    {"calibration", calibration_new}, {"classifier", classifier_new}, {"similar", similar_new}, {"shadow", shadow_add}};

static int open_tables(lua_State *L)
{
    struct vm *vm = lua_touserdata(L, 1);
    tree_register(L);
    req_register(L);
    reply_register(L);
    model_register(L);
    decision_register(L);
    regex_register(L);
    kv_register(L);
    validator_register(L);
    calibration_register(L);
    classifier_register(L);
    similar_register(L);
    lua_newtable(L);
    for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++)
        field_function(L, FUNCTIONS[i].name, FUNCTIONS[i].func);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    kv_push(L);
    lua_setfield(L, -2, "kv");
    score_open(L);
    lua_setfield(L, -2, "score");
    codec_open(L);
    lua_setfield(L, -2, "json");
    vm_lock(L, "wye");
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
