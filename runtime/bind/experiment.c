#include "bind/experiment.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/near.h"
#include "bind/field.h"
#include "bind/model.h"
#include "bind/req.h"
#include "bind/scope.h"
#include "bind/source.h"
#include "bind/tape.h"
#include "policy/assign.h"
#include "vm/generation.h"

enum { MAX_HEADER = 64, MAX_METRIC = 64, MAX_GUARDS = 8, MOST_PERIOD = 30 * 86400 };

static const char *const OPTIONS[] = {"unit", "metric", "guard", "salt", "better", "bandit"};
enum { UNIT, METRIC, GUARD, SALT, BETTER, BANDIT, OPTION_COUNT };

/* Not in the VM's files, so that no line of the project is blamed for it. `leave` sees what the arm's rule returned. */
static const char CALL[] = "local enter, leave, arms = ...\n"
                           "return function(req) return leave(arms[enter(req)](req)) end";

struct reading {
    struct experiment_binding *b;
    struct arena *arena;
    struct buf *design;
    int table; /* index of the options */
};

/* ---- while a request is served ---- */

static struct str text_of(const char *z)
{
    return z ? str_of(z) : str_n(NULL, 0);
}

static struct str unit_of(struct scope *scope, const struct experiment_binding *b)
{
    switch (b->unit) {
    case UNIT_USER: return view_user(&scope->view);
    case UNIT_CONVERSATION: return view_conversation(&scope->view);
    case UNIT_KEY: return text_of(scope->host->key ? scope->host->key(scope) : NULL);
    case UNIT_HEADER: return http_field(scope->view.head, b->header);
    default: return str_of(scope->view.id);
    }
}

/* As the trace has them: written anew only when they changed. */
static void write_weights(struct experiment_binding *b, const struct split *split)
{
    int len = 0;
    for (int i = 0; i < b->source.count; i++)
        len += snprintf(b->weights + len, sizeof b->weights - (size_t)len, "%s%.8g", i ? "," : "", split->weights[i]);
    b->said = 0;
}

static int take_arm(struct scope *scope, struct experiment_binding *b, struct str unit)
{
    struct experiment *x = b->shared;
    struct split split = {.origin = SPLIT_SOURCE};
    unsigned number = x ? atomic_load_explicit(&x->split, memory_order_acquire) : 0;
    if (x)
        split = experiment_split(x);
    else
        memcpy(split.weights, b->source.weights, sizeof split.weights);
    if (b->weights[0] == '\0' || b->split != number) {
        b->split = number;
        write_weights(b, &split);
    }
    struct exposure e = {.binding = b, .unit = assign_hash(str_of(b->source.salt), unit)};
    e.arm = assign_arm(split.weights, b->source.count, assign_share(e.unit));
    e.p = split.weights[e.arm];
    scope->is_exposed = split.origin != SPLIT_STOP;
    tape_put(scope, scope->is_exposed ? TAPE_ARM : TAPE_HELD, str_of(b->source.name), str_of(b->source.arms[e.arm]));
    if (x && scope->host->expose && scope->is_exposed)
        atomic_fetch_add_explicit(&x->exposures[e.arm], 1, memory_order_relaxed);
    if (scope->host->expose && scope->is_exposed)
        scope->host->expose(scope, &e);
    return e.arm;
}

/* A replay takes the arm that was taken then, whatever the weights are now: dealt, or held since the experiment was stopped. */
static bool recall_arm(struct scope *scope, const struct experiment_binding *b, int *arm)
{
    struct str name;
    scope->is_exposed = tape_take(scope, TAPE_ARM, str_of(b->source.name), &name) == TAPE_GIVEN;
    if (!scope->is_exposed && tape_take(scope, TAPE_HELD, str_of(b->source.name), &name) != TAPE_GIVEN)
        return false;
    for (*arm = 0; *arm < b->source.count; ++*arm)
        if (str_eq(name, b->source.arms[*arm]))
            return true;
    scope->is_exposed = false;
    return false;
}

static int enter(lua_State *L)
{
    struct experiment_binding *b = lua_touserdata(L, lua_upvalueindex(1));
    struct scope *scope = req_check(L, 1);
    int arm = 0;
    scope->is_exposed = false;
    if (recall_arm(scope, b, &arm)) {
        lua_pushinteger(L, arm + 1);
        return 1;
    }
    arm = 0;
    struct str unit = unit_of(scope, b);
    if (unit.len > 0)
        arm = take_arm(scope, b, unit);
    else if (b->shared && scope->host->expose)
        atomic_fetch_add_explicit(&b->shared->unitless, 1, memory_order_relaxed);
    lua_pushinteger(L, arm + 1);
    return 1;
}

static int leave(lua_State *L)
{
    struct scope *scope = scope_of(L, "an experiment");
    const void *choice = scope->is_exposed ? lua_topointer(L, 1) : NULL;
    if (choice == NULL || choice != scope->arms_choice) /* else an experiment within the arm has chosen */
        scope->arms_place = vm_of(L)->last_return;
    scope->arms_choice = choice;
    return lua_gettop(L);
}

/* ---- while its file loads ---- */

static void check_name(lua_State *L, const char *name, const char *what, size_t most)
{
    static const char BYTES[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(name);
    if (len == 0 || len >= most || strspn(name, BYTES) != len)
        luaL_error(L, "'%s' is no name of %s: 1 to %d letters, digits and . _ -", name, what, (int)most - 1);
}

static const char *keep(struct reading *r, const char *text)
{
    return arena_strdup(r->arena, text);
}

/* The text at the top of the stack. */
static const char *check_text(lua_State *L, const char *name, const char *option)
{
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "experiment '%s': %s is a %s, not a string", name, option, luaL_typename(L, -1));
    return lua_tostring(L, -1);
}

static void read_unit(lua_State *L, struct reading *r)
{
    static const char *const UNITS[] = {"user", "conversation", "key", "request"};
    const char *unit = check_text(L, r->b->source.name, "unit");
    if (strncmp(unit, "header:", 7) == 0 && unit[7] && strlen(unit + 7) < MAX_HEADER) {
        r->b->unit = UNIT_HEADER;
        r->b->header = keep(r, unit + 7);
        return;
    }
    for (int i = 0; i < 4; i++)
        if (strcmp(unit, UNITS[i]) == 0) {
            r->b->unit = UNIT_USER + (enum experiment_unit)i;
            return;
        }
    const char *near = near_name(unit, UNITS, 4);
    luaL_error(L, "experiment '%s': unit cannot be '%s'%s%s%s: user, conversation, key, request or header:NAME", r->b->source.name, unit,
               near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static void write_text(struct reading *r, const char *key, const char *text)
{
    buf_printf(r->design, ",\"%s\":", key);
    json_quote(r->design, str_of(text));
}

static void read_guard(lua_State *L, struct reading *r)
{
    int count = lua_istable(L, -1) ? (int)lua_objlen(L, -1) : 0;
    if (count < 1 || count > MAX_GUARDS)
        luaL_error(L, "experiment '%s': guard is a list of 1 to %d metrics", r->b->source.name, MAX_GUARDS);
    buf_puts(r->design, ",\"guard\":[");
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        const char *name = check_text(L, r->b->source.name, "a guard");
        check_name(L, name, "a metric", MAX_METRIC);
        buf_printf(r->design, "%s\"%s\"", i > 1 ? "," : "", name);
        lua_pop(L, 1);
    }
    buf_putc(r->design, ']');
}

static void read_option(lua_State *L, struct reading *r, int option)
{
    const char *name = r->b->source.name, *text;
    switch (option) {
    case UNIT: read_unit(L, r); break;
    case GUARD: read_guard(L, r); break;
    case SALT:
        text = check_text(L, name, "salt");
        check_name(L, text, "a salt", EXPERIMENT_NAME);
        r->b->source.salt = keep(r, text);
        break;
    case METRIC:
        text = check_text(L, name, "metric");
        check_name(L, text, "a metric", MAX_METRIC);
        write_text(r, "metric", text);
        break;
    case BETTER:
        text = check_text(L, name, "better");
        if (strcmp(text, "higher") != 0 && strcmp(text, "lower") != 0)
            luaL_error(L, "experiment '%s': better is \"higher\" or \"lower\", not '%s'", name, text);
        write_text(r, "better", text);
        break;
    default:
        if (!(lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) >= 1 && lua_tonumber(L, -1) <= MOST_PERIOD))
            luaL_error(L, "experiment '%s': bandit is the seconds of a period, 1 to %d", name, MOST_PERIOD);
        buf_printf(r->design, ",\"bandit\":%.17g", lua_tonumber(L, -1));
    }
}

static void read_options(lua_State *L, struct reading *r)
{
    for (lua_pushnil(L); lua_next(L, r->table); lua_pop(L, 1))
        if (lua_type(L, -2) != LUA_TNUMBER)
            read_option(L, r, field_check(L, -2, "an experiment's options", OPTIONS, OPTION_COUNT));
}

/* { name, weight, rule } at the top of the stack. The rule is stored as the item of `rules` (index). */
static void read_arm(lua_State *L, struct reading *r, int rules)
{
    struct experiment_source *s = &r->b->source;
    int i = s->count;
    if (!lua_istable(L, -1))
        luaL_error(L, "experiment '%s': arm %d is a %s, not { name, weight, rule }", s->name, i + 1, luaL_typename(L, -1));
    for (int k = 1; k <= 3; k++)
        lua_rawgeti(L, -k, k);
    if (lua_type(L, -3) != LUA_TSTRING)
        luaL_error(L, "experiment '%s': the name of arm %d is a %s, not a string", s->name, i + 1, luaL_typename(L, -3));
    const char *name = lua_tostring(L, -3);
    check_name(L, name, "an arm", EXPERIMENT_ARM_NAME);
    for (int k = 0; k < i; k++)
        if (strcmp(s->arms[k], name) == 0)
            luaL_error(L, "experiment '%s' has two arms '%s'", s->name, name);
    s->weights[i] = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : -1;
    if (!(s->weights[i] >= 0 && s->weights[i] <= 100))
        luaL_error(L, "experiment '%s': the weight of arm '%s' must be a number from 0 to 100", s->name, name);
    if (!lua_isfunction(L, -1))
        luaL_error(L, "experiment '%s': the rule of arm '%s' is a %s, not a function", s->name, name, luaL_typename(L, -1));
    s->arms[i] = keep(r, name);
    snprintf(r->b->checksums[i], sizeof r->b->checksums[i], "%016" PRIx64, source_checksum(L, -1));
    s->count++;
    lua_rawseti(L, rules, i + 1);
    lua_pop(L, 2);
}

static void scale_weights(lua_State *L, struct experiment_source *s)
{
    double sum = 0;
    for (int i = 0; i < s->count; i++)
        sum += s->weights[i];
    char words[32];
    snprintf(words, sizeof words, "%.10g", sum);
    if (fabs(sum - 100) > 1e-6)
        luaL_error(L, "experiment '%s': the weights of its arms add up to %s; they must add up to 100", s->name, words);
    for (int i = 0; i < s->count; i++)
        s->weights[i] /= sum;
}

/* Closes the design, which has the options so far. */
static void write_design(lua_State *L, struct reading *r)
{
    static const char *const UNIT_NAMES[] = {"user", "conversation", "key", "request", "header"};
    const struct experiment_source *s = &r->b->source;
    write_text(r, "salt", s->salt);
    buf_printf(r->design, ",\"unit\":\"%s%s%s\",\"arms\":[", UNIT_NAMES[r->b->unit], r->b->header ? ":" : "",
               r->b->header ? r->b->header : "");
    for (int i = 0; i < s->count; i++)
        buf_printf(r->design, "%s\"%s\"", i ? "," : "", s->arms[i]);
    if (buf_puts(r->design, "]}") < 0 || r->design->len >= EXPERIMENT_DESIGN)
        luaL_error(L, "experiment '%s': its options are over %d bytes", s->name, EXPERIMENT_DESIGN);
    r->design->p[0] = '{';
    r->b->source.design = keep(r, r->design->p);
}

/* Leaves the table of rules on the stack. */
static void read_arms(lua_State *L, struct reading *r)
{
    struct experiment_source *s = &r->b->source;
    int count = (int)lua_objlen(L, r->table);
    if (count < 2 || count > EXPERIMENT_ARMS)
        luaL_error(L, "experiment '%s' has %d arm%s; 2 to %d are possible", s->name, count, count == 1 ? "" : "s", EXPERIMENT_ARMS);
    lua_createtable(L, count, 0);
    int rules = lua_gettop(L);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, r->table, i);
        read_arm(L, r, rules);
        lua_pop(L, 1);
    }
    scale_weights(L, s);
}

const struct experiment_binding *experiment_named(const struct experiment_binding *first, struct str name)
{
    const struct experiment_binding *b = first;
    while (b && !str_eq(name, b->source.name))
        b = b->next;
    return b;
}

/* Makes it known to the generation, and compares it with what this machine knows. */
static void bind(lua_State *L, struct generation *g, struct experiment_binding *b)
{
    struct err err;
    if (experiment_named(g->experiments, str_of(b->source.name)))
        luaL_error(L, "there are two experiments '%s' in this project", b->source.name);
    if (g->options->experiments && experiments_check(g->options->experiments, &b->source, &err) < 0)
        luaL_error(L, "%s", err.message);
    b->next = g->experiments;
    g->experiments = b;
}

static void push_call(lua_State *L, struct experiment_binding *b, int rules)
{
    if (luaL_loadbuffer(L, CALL, sizeof CALL - 1, "=wye.experiment") != 0)
        lua_error(L);
    lua_pushlightuserdata(L, b);
    lua_pushcclosure(L, enter, 1);
    lua_pushcfunction(L, leave);
    lua_pushvalue(L, rules);
    lua_call(L, 3, 1);
}

int experiment_new(lua_State *L)
{
    static struct buf design = BUF(EXPERIMENT_DESIGN * 2); /* kept: a Lua error must not leak it */
    struct vm *vm = vm_of(L);
    struct generation *g = vm->host;
    if (g->config == NULL || vm->running)
        return luaL_error(L, "wye.experiment works at the top of a route file, before a request comes, and not in wye.lua");
    const char *name = luaL_checkstring(L, 1);
    check_name(L, name, "an experiment", EXPERIMENT_NAME);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    buf_reset(&design);
    struct arena *arena = &g->config->arena;
    struct experiment_binding *b = arena_need(arena, sizeof *b);
    *b = (struct experiment_binding){.source = {.name = arena_strdup(arena, name)}};
    b->source.salt = b->source.name;
    struct reading r = {.b = b, .arena = arena, .design = &design, .table = 2};
    read_options(L, &r);
    read_arms(L, &r);
    write_design(L, &r);
    bind(L, g, b);
    push_call(L, b, lua_gettop(L));
    return 1;
}
