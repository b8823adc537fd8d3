/* Runaway scripts: each is ended within its budget, with its line, and the VM serves on. WYE_TEST_BOMBS=1 shows each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <lauxlib.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "base/log.h"
#include "project.h"
#include "vm/guard.h"
#include "vm/task.h"

enum { BUDGET = 50 };

static struct project *project;
static struct task task;
static int ends[4]; /* by outcome */

/* What `done` saw. */
static struct {
    int calls;
    enum task_outcome outcome;
    char text[16];
    char message[480];
} seen;

static void on_done(void *ctx, struct task_result *result)
{
    (void)ctx;
    seen.calls++;
    seen.outcome = result->outcome;
    seen.text[0] = seen.message[0] = '\0';
    if (result->outcome == TASK_RETURNED && lua_isstring(result->L, 1))
        snprintf(seen.text, sizeof seen.text, "%s", lua_tostring(result->L, 1));
    if (result->outcome != TASK_RETURNED)
        strcpy(seen.message, result->err.message);
}

/* Loads `text` as route.lua into a fresh VM; gives the function's reference. */
static int load(const char *text)
{
    struct err err;
    project_write(project, "route.lua", text);
    struct vm *vm = project_vm(project, BUDGET, 32);
    if (vm_run_file(vm, "route.lua", &err) < 0)
        fail_msg("%s\n  %s", text, err.message);
    memset(&seen, 0, sizeof seen);
    return luaL_ref(vm->L, LUA_REGISTRYINDEX);
}

static int push_true(lua_State *L, void *arg)
{
    (void)arg;
    lua_pushboolean(L, 1);
    return 1;
}

static const char *const BOMBS[] = {
    "while true do end",
    "repeat until false",
    "for i = 1, math.huge do end",
    "::top:: goto top",
    "while true do pcall(function() while true do end end) end",
    "pcall(pcall, pcall, function() while true do end end) while true do end",
    "local function f() pcall(f) end while true do pcall(f) end",
    "local function f() while true do pcall(f) end end f()",
    "while true do xpcall(function() while true do end end, function() while true do end end) end",
    "xpcall(function() error('x') end, function() while true do end end)",
    "xpcall(function() while true do end end, function(m) return m end) while true do end",
    "local function h() xpcall(error, h) end while true do xpcall(error, h) end",
    "coroutine.wrap(function() while true do end end)()",
    "local c = coroutine.wrap(function() while true do coroutine.yield() end end) while true do c() end",
    "while true do coroutine.wrap(function() pcall(function() while true do end end) end)() end",
    "while true do local c = coroutine.create(function() while true do end end) coroutine.resume(c) end",
    "local function f() coroutine.wrap(f)() end f()",
    "local function f() return pcall(coroutine.wrap(f)) end while true do f() end",
    "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end local x = t.a",
    "local t = setmetatable({}, {__index = function(t, k) return t[k .. 'x'] end}) while true do pcall(function() return t.a end) end",
    "local t = setmetatable({}, {__newindex = function(t, k, v) while true do end end}) t.a = 1",
    "local t = setmetatable({}, {__call = function(self) while true do pcall(self) end end}) t()",
    "local t = setmetatable({}, {__eq = function() while true do end end}) return t == setmetatable({}, getmetatable(t))",
    "local t = setmetatable({}, {__concat = function() while true do end end}) return t .. 'x'",
    "local t = setmetatable({}, {__tostring = function(t) return tostring(t) end}) return tostring(t)",
    "local t = setmetatable({}, {}) getmetatable(t).__tostring = function(t) return ('%s'):format(t) end return ('%s'):format(t)",
    "local t = setmetatable({}, {__tostring = function() while true do end end}) print(t)",
    "return ('x'):rep(1e9)",
    "local s = 'x' while true do s = s .. s end",
    "local s = 'x' while true do pcall(function() s = s .. s end) end",
    "local t = {} while true do t[#t + 1] = {} end",
    "local t = {} while true do pcall(function() for i = 1, 1e9 do t[#t + 1] = ('x'):rep(1000) .. i end end) end",
    "local t = {} for i = 1, 1e9 do t[i] = i end",
    "local t = {} for i = 1, 1e6 do t[i] = ('x'):rep(1000) end return table.concat(t)",
    "local function f(n) return 1 + f(n + 1) end return f(1)",
    "local function f() return f() end return f()",
    "local function f(...) return f(1, ...) end return f()",
    "return ('a'):rep(30):find(('a?'):rep(30) .. ('a'):rep(30))",
    "return ('a'):rep(100000):find(('.-'):rep(20) .. 'b')",
    "while true do pcall(string.find, ('a'):rep(5000), ('a*'):rep(50) .. 'b') end",
    "return ('x'):rep(1000000):gsub('x', function() while true do end end)",
    "while true do ('x'):rep(1000):gsub('.', '%0%0') end",
    "local function f(s) return s:gsub('.', f) end return f('x')",
    "for a in ('x'):rep(1e6):gmatch('()') do for b in ('x'):rep(1000):gmatch('.-b') do end end while true do end",
    "return ('('):rep(1e6):match('%b()')",
    "while true do ('('):rep(20000):find('%b()') end",
    "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.sort(t, function() return true end) end",
    "table.sort({1, 2, 3}, function() while true do end end)",
    "local t = {} for i = 1, 2e5 do t[i] = -i end while true do table.sort(t) end",
    "local function f() table.sort({1, 2}, f) end f()",
    "local t = {} while true do table.insert(t, 1, 1) end",
    "while true do table.concat({'a', 'b'}) tostring(1) end",
    "while true do select('#', unpack({1, 2, 3})) end",
    "local f f = function() local ok, e = pcall(error, f) return f() end f()",
    "table.move({1}, 1, 1e9, 2)",
    "for k in function() return 1 end do end",
    "local t = setmetatable({}, {__mode = 'k'}) while true do t[{}] = {} end",
    "local s = ('x'):rep(1e6) while true do s:upper() s:reverse() end",
    "return string.format(('%99d'):rep(90), unpack({})) or ('%s'):rep(1e7)",
    "while true do print(('x'):rep(10)) end",
};

#ifdef __SANITIZE_ADDRESS__
enum { SLOWER = 5 };
#else
enum { SLOWER = 1 };
#endif

static double cpu_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void run_bomb(const char *bomb, double *slowest)
{
    char text[512];
    snprintf(text, sizeof text, "return function(bomb)\n if bomb then\n  do %s end\n end\n return 'alive'\nend", bomb);
    int ref = load(text);
    double began = cpu_ms();
    task_start(&task, project->vm, NULL, ref, push_true, NULL, on_done, NULL);
    double ms = cpu_ms() - began;
    *slowest = ms > *slowest ? ms : *slowest;
    ends[seen.outcome]++;
    if (getenv("WYE_TEST_BOMBS"))
        print_message("  %6.1f ms %s: %s\n", ms, bomb, seen.message);
    if (seen.calls != 1 || seen.outcome == TASK_RETURNED)
        fail_msg("not stopped: %s", bomb);
    if (ms > (BUDGET + 100) * SLOWER && !RUNNING_ON_VALGRIND)
        fail_msg("%.0f ms: %s", ms, bomb);
    if (strncmp(seen.message, "routes/route.lua:3: ", 20) != 0)
        fail_msg("%s\n  where? %s", bomb, seen.message);
    task_start(&task, project->vm, NULL, ref, NULL, NULL, on_done, NULL);
    if (seen.outcome != TASK_RETURNED || strcmp(seen.text, "alive") != 0)
        fail_msg("the VM is unusable after: %s: %s", bomb, seen.message);
    for (int n = 0; n < 8; n++) /* LuaJIT halves its own buffers with each collection */
        vm_collect(project->vm);
    if (project->vm->used > (1u << 20))
        fail_msg("%zu bytes stay after: %s", project->vm->used, bomb);
}

static void test_no_bomb_outlives_its_budget(void **state)
{
    (void)state;
    int count = sizeof BOMBS / sizeof *BOMBS;
    double slowest = 0;
    for (int i = 0; i < count; i++)
        run_bomb(BOMBS[i], &slowest);
    print_message("  %d bombs: %d over time, %d over memory, %d raised; slowest %.0f ms of CPU\n", count,
                  ends[TASK_OVER_TIME], ends[TASK_OVER_MEMORY], ends[TASK_RAISED], slowest);
    assert_true(count >= 40);
}

static int set_up(void **state)
{
    (void)state;
    log_init(NULL, LOG_WARN);
    project = project_new();
    return guard_open(NULL);
}

static int tear_down(void **state)
{
    (void)state;
    guard_close();
    project_free(project);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_bomb_outlives_its_budget)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
