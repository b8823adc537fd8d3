#include "vm/state.h"

#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <luajit.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/near.h"
#include "vm/guard.h"
#include "vm/lines.h"
#include "vm/manifest.h"
#include "vm/require.h"
#include "vm/sandbox.h"
#include "vm/task.h"

enum { DEEPEST_C = 192 * 1024 };

static bool is_refused(struct vm *vm, size_t more)
{
    if (vm->refuse_in > 0 && --vm->refuse_in == 0)
        return true;
    return vm->is_guarded && (more > vm->limits.memory || vm->used > vm->limits.memory - more);
}

/*
 * Arms the hook: over the cap it ends the script, over the soft line it collects. What allocates has
 * left its frames in order, since a refusal walks them too.
 */
static void arm(struct vm *vm)
{
    if (vm->L)
        guard_arm(vm, vm->running ? vm->running->co : vm->L);
}

/* LuaJIT's allocator. */
static void *allocate(void *ud, void *p, size_t old, size_t size)
{
    struct vm *vm = ud;
    if (size == 0) {
        free(p);
        vm->used -= old;
        return NULL;
    }
    if (size > old && is_refused(vm, size - old)) {
        vm->is_over = true;
        if (vm->is_guarded)
            arm(vm);
        return NULL;
    }
    void *q = realloc(p, size);
    if (q == NULL)
        return NULL;
    vm->used += size - old;
    if (vm->is_guarded && vm->used > vm->soft) {
        vm->soft = SIZE_MAX;
        arm(vm);
    }
    return q;
}

size_t vm_soft_line(const struct vm *vm)
{
    size_t usual = vm->limits.memory / 4 * 3;
    size_t half =
        vm->used < vm->limits.memory ? vm->used + (vm->limits.memory - vm->used) / 2 : SIZE_MAX;
    return half > usual ? half : usual;
}

struct vm *vm_of(lua_State *L)
{
    void *ud;
    lua_getallocf(L, &ud);
    return ud;
}

/* Reached only by the host's own unprotected calls, when the system itself has no memory left. */
static int on_panic(lua_State *L)
{
    const char *message = lua_tostring(L, -1);
    log_error("Lua: %s", message ? message : "an error outside any call");
    abort();
}

static bool is_placed(const struct vm *vm, const char *message)
{
    const char *label = manifest_label(vm->files);
    size_t len = strlen(label);
    return strncmp(message, label, len) == 0 && message[len] == '/';
}

/*
 * The nearest `count` Lua frames that belong to a file, as "file:line" strings. LuaJIT does not keep the
 * line of a frame that lack of memory ended: there the function's first line stands in.
 */
static int places(lua_State *L, char (*out)[96], int count)
{
    int found = 0;
    lua_Debug ar;
    for (int level = 0; found < count && level < 200 && lua_getstack(L, level, &ar); level++) {
        if (!lua_getinfo(L, "Sl", &ar) || !is_placed(vm_of(L), ar.short_src))
            continue;
        int line = ar.currentline > 0 ? ar.currentline : ar.linedefined;
        snprintf(out[found++], sizeof out[0], "%s:%d", ar.short_src, line > 0 ? line : 1);
    }
    return found;
}

static void describe(lua_State *L, char *out, size_t size)
{
    int type = lua_type(L, -1);
    if (type == LUA_TSTRING)
        snprintf(out, size, "%s", lua_tostring(L, -1));
    else if (type == LUA_TNUMBER)
        snprintf(out, size, "%.14g", lua_tonumber(L, -1));
    else
        snprintf(out, size, "error object is a %s", lua_typename(L, type));
}

/* coroutine.wrap puts its own place before that of the error inside: the innermost stays. */
static const char *innermost(const struct vm *vm, const char *message)
{
    for (;;) {
        const char *rest = is_placed(vm, message) ? strstr(message, ": ") : NULL;
        if (rest == NULL || !is_placed(vm, rest + 2))
            return message;
        message = rest + 2;
    }
}

void vm_words(lua_State *L, struct err *err)
{
    char all[400], place[3][96];
    describe(L, all, sizeof all);
    const char *message = innermost(vm_of(L), all);
    int count = places(L, place, 3);
    if (is_placed(vm_of(L), message) || count == 0)
        err_set(err, ERR_SCRIPT, "%s", message);
    else
        err_set(err, ERR_SCRIPT, "%s: %s", place[0], message);
    if (err == NULL || count < 2)
        return;
    size_t len = strlen(err->message);
    snprintf(err->message + len, sizeof err->message - len, " (called from %s%s%s)", place[1],
             count > 2 ? ", " : "", count > 2 ? place[2] : "");
}

bool vm_place(lua_State *L, char *out, size_t size)
{
    char place[1][96];
    if (places(L, place, 1) == 0)
        return false;
    snprintf(out, size, "%s", place[0]);
    return true;
}

bool vm_function_place(struct vm *vm, int ref, char *out, size_t size)
{
    lua_Debug ar;
    lua_rawgeti(vm->L, LUA_REGISTRYINDEX, ref);
    if (!lua_isfunction(vm->L, -1)) {
        lua_pop(vm->L, 1);
        return false;
    }
    bool is_found = lua_getinfo(vm->L, ">S", &ar) && ar.linedefined > 0 && is_placed(vm, ar.short_src);
    if (is_found)
        snprintf(out, size, "%s:%d", ar.short_src, ar.linedefined);
    return is_found;
}

void vm_add_place(lua_State *L, struct err *err)
{
    char place[96], message[sizeof err->message];
    if (is_placed(vm_of(L), err->message) || !vm_place(L, place, sizeof place))
        return;
    memcpy(message, err->message, sizeof message);
    err_set(err, ERR_SCRIPT, "%s: %s", place, message);
}

void vm_words_over(lua_State *L, bool is_late, struct err *err)
{
    const struct vm_limits *limits = &vm_of(L)->limits;
    char message[80];
    if (is_late)
        snprintf(message, sizeof message, "ran longer than %u ms", limits->script_ms);
    else
        snprintf(message, sizeof message, "outgrew its memory of %zu MiB", limits->memory >> 20);
    if (*guard_place())
        err_set(err, ERR_SCRIPT, "%s: %s", guard_place(), message);
    else
        err_set(err, ERR_SCRIPT, "%s", message);
    vm_add_place(L, err);
}

/* As lua_pcall's handler: runs while the frames still stand. Allocates nothing. */
static int on_error(lua_State *L)
{
    vm_words(L, vm_of(L)->err);
    return 1;
}

void vm_load(lua_State *L, const char *path)
{
    struct vm *vm = vm_of(L);
    struct err err;
    struct str text = manifest_read(vm->files, path, &err);
    if (text.p == NULL)
        luaL_error(L, "%s", err.message);
    if (text.len > 0 && text.p[0] == LUA_SIGNATURE[0])
        luaL_error(L, "%s/%s:1: compiled Lua is refused: a route is text",
                   manifest_label(vm->files), path);
    const char *name = lua_pushfstring(L, "@%s/%s", manifest_label(vm->files), path);
    if (luaL_loadbufferx(L, text.p, text.len, name, "t") != 0)
        lua_error(L);
    struct buf lines = BUF(2 * text.len + 64 * 1024);
    int status = lines_instrument(text, manifest_index(vm->files, path), &lines);
    if (status == 0)
        status = luaL_loadbufferx(L, lines.p ? lines.p : "", lines.len, name, "t");
    buf_clear(&lines);
    if (status == 0)
        lua_replace(L, -2);
    else if (status > 0)
        lua_pop(L,
                1); /* too many registers with the call around: as it was, the place is unknown */
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->env);
    lua_setfenv(L, -2);
    lua_remove(L, -2);
}

/* Runs the file that vm->loading names. In the registry, so that calling it allocates nothing. */
static int run_loading(lua_State *L)
{
    vm_load(L, vm_of(L)->loading->path);
    lua_call(L, 0, 1);
    return 1;
}

/* What vm_protect runs. In the registry, so that calling it allocates nothing. */
static int run_protected(lua_State *L)
{
    struct vm *vm = vm_of(L);
    lua_pushlightuserdata(L, vm->work_arg);
    return vm->work(L);
}

static int set_up(lua_State *L)
{
    struct vm *vm = lua_touserdata(L, 1);
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    sandbox_open(L, vm);
    lua_newtable(L);
    vm->modules = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushcfunction(L, on_error);
    vm->handler = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushcfunction(L, run_loading);
    vm->runner = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushcfunction(L, run_protected);
    vm->protector = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushboolean(L, 1); /* makes the slot that luaL_unref needs, so that it never allocates */
    luaL_unref(L, LUA_REGISTRYINDEX, luaL_ref(L, LUA_REGISTRYINDEX));
    return 0;
}

struct vm *vm_new(const struct vm_limits *limits, struct manifest *files, struct err *err)
{
    struct vm *vm = xcalloc(1, sizeof *vm);
    vm->limits = *limits;
    vm->files = files;
    vm->soft = SIZE_MAX;
    lua_State *L = lua_newstate(
        allocate, vm); /* never refused: LuaJIT does not clean up after a half made state */
    if (L == NULL) {
        log_error("out of memory while making a script's state");
        abort();
    }
    lua_atpanic(L, on_panic);
    vm->is_guarded = true;
    int status = lua_cpcall(L, set_up, vm);
    vm->is_guarded = false;
    if (status != 0) {
        err_set(err, ERR_LIMIT, "script_mb = %zu is too little to start a script",
                limits->memory >> 20);
        lua_close(L);
        free(vm);
        return NULL;
    }
    vm->L = L;
    vm->is_over = false;
    return vm;
}

void vm_free(struct vm *vm)
{
    if (vm == NULL)
        return;
    vm->is_doomed = true;
    if (vm->holds > 0)
        return;
    lua_close(vm->L);
    free(vm);
}

void vm_set_global(struct vm *vm, const char *name)
{
    lua_rawgeti(vm->L, LUA_REGISTRYINDEX, vm->globals);
    lua_insert(vm->L, -2);
    lua_pushstring(vm->L, name);
    lua_insert(vm->L, -2);
    lua_rawset(vm->L, -3);
    lua_pop(vm->L, 1);
}

void vm_collect(struct vm *vm)
{
    lua_gc(vm->L, LUA_GCCOLLECT, 0);
}

int vm_call(struct vm *vm, int nargs, int nresults, struct err *err)
{
    lua_State *L = vm->L;
    struct err ignored = {0}, *words = err ? err : &ignored;
    words->message[0] = '\0';
    vm->err = words;
    int at = lua_gettop(L) - nargs;
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->handler);
    lua_insert(L, at);
    bool is_late;
    guard_enter(vm, vm->limits.script_ms);
    int status = lua_pcall(L, nargs, nresults, at);
    guard_leave(vm, &is_late);
    vm->err = NULL;
    lua_remove(L, at);
    if (status == 0)
        return 0;
    if (is_late || vm->is_over)
        vm_words_over(L, is_late, words);
    else if (words->message[0] == '\0')
        vm_words(L, words);
    lua_pop(L, 1);
    if (vm->is_over)
        vm_collect(vm);
    return -1;
}

int vm_run_file(struct vm *vm, const char *path, struct err *err)
{
    struct require self = {.path = path};
    vm->loading = &self;
    lua_rawgeti(vm->L, LUA_REGISTRYINDEX, vm->runner);
    int status = vm_call(vm, 0, 1, err);
    vm->loading = NULL;
    return status;
}

int vm_protect(struct vm *vm, lua_CFunction f, void *arg, struct err *err)
{
    vm->work = f;
    vm->work_arg = arg;
    lua_rawgeti(vm->L, LUA_REGISTRYINDEX, vm->protector);
    if (lua_pcall(vm->L, 0, 0, 0) == 0)
        return 0;
    vm_words(vm->L, err);
    lua_pop(vm->L, 1);
    return -1;
}

void vm_check_depth(lua_State *L)
{
    const char *here = __builtin_frame_address(0);
    if (vm_of(L)->stack_base - here > DEEPEST_C)
        luaL_error(L, "coroutines and callbacks nest too deep");
}

const char *vm_near(const char *wrong, const char *const *names, int count)
{
    return near_name(wrong, names, count);
}
