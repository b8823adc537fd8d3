#include "bind/gather.h"

#include <lauxlib.h>

#include "base/list.h"
#include "bind/ask.h"
#include "bind/option.h"

struct gathering {
    struct asking *asked[ASK_MAX_MODELS];
    struct op *ops[ASK_MAX_MODELS];
    int count, wanted;
    lua_State *until;  /* holds the function on its stack; NULL: none. The waiting coroutine's frame keeps it alive */
    uint32_t is_shown; /* bit for each reply that `until` has seen */
    struct task *task;
};

static bool has_answered(const struct asking *a)
{
    return a->op.is_done && a->reply.err.kind == ERR_NONE;
}

static bool is_enough(lua_State *L, struct gathering *g, struct asking *a)
{
    lua_pushvalue(g->until, 1);
    lua_xmove(g->until, L, 1);
    ask_push_reply(L, a);
    task_call(L, g->task, 1, 1);
    bool enough = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return enough;
}

/* Shows `until` the replies that it has not seen. */
static bool has_enough(lua_State *L, struct gathering *g)
{
    int answered = 0;
    for (int i = 0; i < g->count; i++) {
        if (!has_answered(g->asked[i]))
            continue;
        answered++;
        if (g->until == NULL || g->is_shown & (1u << i))
            continue;
        g->is_shown |= 1u << i;
        if (is_enough(L, g, g->asked[i]))
            return true;
    }
    return answered >= g->wanted;
}

static void push_replies(lua_State *L, struct gathering *g)
{
    int n = 0;
    lua_createtable(L, g->count, 0);
    for (int i = 0; i < g->count && n < g->wanted; i++) {
        if (!has_answered(g->asked[i]))
            continue;
        ask_push_reply(L, g->asked[i]);
        lua_rawseti(L, -2, ++n);
    }
}

static void push_errors(lua_State *L, struct gathering *g)
{
    int n = 0;
    lua_newtable(L);
    for (int i = 0; i < g->count; i++) {
        const struct asking *a = g->asked[i];
        if (!a->op.is_done || a->reply.err.kind == ERR_NONE || a->reply.err.kind == ERR_CANCELLED)
            continue;
        ask_push_error(L, &a->reply.err, a->reply.status);
        lua_pushstring(L, a->model->id);
        lua_setfield(L, -2, "model");
        lua_rawseti(L, -2, ++n);
    }
}

static int done_count(const struct gathering *g)
{
    int done = 0;
    for (int i = 0; i < g->count; i++)
        done += g->asked[i]->op.is_done;
    return done;
}

static int resume(lua_State *L, struct task *task);

static int await(lua_State *L, struct gathering *g)
{
    bool waits_for_all = g->wanted == g->count && g->until == NULL;
    int wake = waits_for_all ? g->count : done_count(g) + 1;
    return task_wait(L, g->ops, g->count, wake, resume);
}

static int resume(lua_State *L, struct task *task)
{
    struct gathering *g = LIST_ENTRY(task->ops[0], struct asking, op)->group;
    if (!has_enough(L, g) && done_count(g) < g->count)
        return await(L, g);
    for (int i = 0; i < g->count; i++)
        ask_stop(g->asked[i]);
    push_replies(L, g);
    push_errors(L, g);
    return 2;
}

static void read_until(lua_State *L, struct gathering *g)
{
    int type = option_push(L, 3, "until");
    if (type == LUA_TNIL)
        return;
    if (type != LUA_TFUNCTION)
        luaL_error(L, "wye.gather: until must be a function, not a %s", lua_typename(L, type));
    g->until = lua_newthread(L);
    lua_insert(L, -2);
    lua_xmove(L, g->until, 1);
}

int gather_models(lua_State *L)
{
    static const char *const OPTIONS[] = {ASK_OPTIONS, "n", "until"};
    const struct model *models[ASK_MAX_MODELS];
    lua_settop(L, 3);
    int count = ask_models(L, 1, "wye.gather", models);
    struct scope *scope = ask_scope(L, 2, "wye.gather");
    task_check_wait(L);
    option_check(L, 3, "wye.gather's options", OPTIONS, ASK_OPTION_COUNT + 2);
    struct ask_options *o = ask_options_new(L, scope);
    struct gathering *g = arena_need(scope->view.arena, sizeof *g);
    ask_read(L, 3, "wye.gather", o);
    g->task = task_of(L);
    g->count = g->wanted = count;
    option_integer(L, 3, "wye.gather", "n", 1, ASK_MAX_MODELS, &g->wanted);
    if (g->wanted > count)
        g->wanted = count;
    read_until(L, g);
    for (int i = 0; i < count; i++) {
        g->asked[i] = ask_start(g->task, models[i], o);
        g->asked[i]->group = g;
        g->ops[i] = &g->asked[i]->op;
    }
    return await(L, g);
}
