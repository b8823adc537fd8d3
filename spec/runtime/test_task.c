/* One request's coroutine: outcomes, waits, cancelling, memory and time. test_bombs has the runaway scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "project.h"
#include "vm/guard.h"
#include "vm/lines.h"
#include "vm/task.h"

enum { QUEUE = 64 };

static struct project *project;

/* A ready queue such as the loop's. */
static struct task *posted[QUEUE];
static int posted_count;

static void post(void *arg, struct task *task)
{
    (void)arg;
    posted[posted_count++] = task;
}

static void unpost(void *arg, struct task *task)
{
    (void)arg;
    for (int i = 0; i < posted_count; i++)
        if (posted[i] == task)
            posted[i] = NULL;
}

static const struct task_host host = {post, unpost, NULL};

static void run_posted(void)
{
    struct task *now[QUEUE];
    int count = posted_count;
    memcpy(now, posted, sizeof now);
    posted_count = 0;
    for (int i = 0; i < count; i++)
        if (now[i])
            task_continue(now[i]);
}

/* What `done` saw. */
static struct {
    int calls;
    enum task_outcome outcome;
    int count, place;
    char text[256];
    char message[480];
    uint64_t script_us;
} seen;

static void on_done(void *ctx, struct task_result *result)
{
    (void)ctx;
    seen.calls++;
    seen.outcome = result->outcome;
    seen.count = result->count;
    seen.place = result->place;
    seen.script_us = result->script_us;
    seen.text[0] = seen.message[0] = '\0';
    if (result->outcome == TASK_RETURNED && lua_isstring(result->L, 1))
        snprintf(seen.text, sizeof seen.text, "%s", lua_tostring(result->L, 1));
    if (result->outcome != TASK_RETURNED)
        strcpy(seen.message, result->err.message);
}

/* The functions that wait, for the tests' scripts. */
static struct op ops[8];
static int cancelled;

static void on_cancel(struct op *op)
{
    (void)op;
    cancelled++;
}

static int push_done(lua_State *L, struct task *task)
{
    (void)task;
    int done = 0;
    for (int i = 0; i < 8; i++)
        done += ops[i].is_done;
    lua_pushinteger(L, done);
    lua_pushstring(L, "waited");
    return 2;
}

/* wait(count, wake) */
static int script_wait(lua_State *L)
{
    int count = (int)luaL_optinteger(L, 1, 1), wake = (int)luaL_optinteger(L, 2, count);
    struct op *waits[8];
    for (int i = 0; i < count; i++) {
        ops[i] = (struct op){.cancel = on_cancel};
        waits[i] = &ops[i];
    }
    return task_wait(L, waits, count, wake, push_done);
}

static int wait_once_more(lua_State *L, struct task *task)
{
    (void)task;
    struct op *waits[1] = {&ops[7]};
    ops[7] = (struct op){.cancel = on_cancel};
    return task_wait(L, waits, 1, 1, push_done);
}

static int script_wait_twice(lua_State *L)
{
    struct op *waits[6];
    for (int i = 0; i < 6; i++) {
        ops[i] = (struct op){.cancel = on_cancel};
        waits[i] = &ops[i];
    }
    return task_wait(L, waits, 6, 6, wait_once_more);
}

static int script_wait_for_nothing(lua_State *L)
{
    struct op *waits[1] = {&ops[0]};
    ops[0] = (struct op){.cancel = on_cancel, .is_done = true};
    return task_wait(L, waits, 1, 1, push_done);
}

static int raise_late(lua_State *L, struct task *task)
{
    (void)task;
    return luaL_error(L, "the reply made no sense");
}

static int script_wait_badly(lua_State *L)
{
    struct op *waits[1] = {&ops[0]};
    ops[0] = (struct op){.cancel = on_cancel};
    return task_wait(L, waits, 1, 1, raise_late);
}

static int add_functions(lua_State *L)
{
    struct vm *vm = lua_touserdata(L, 1);
    static const luaL_Reg functions[] = {{"wait", script_wait},
                                         {"wait_twice", script_wait_twice},
                                         {"wait_for_nothing", script_wait_for_nothing},
                                         {"wait_badly", script_wait_badly}};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        lua_pushcfunction(vm->L, functions[i].func);
        vm_set_global(vm, functions[i].name);
    }
    return 0;
}

/* Loads `text` as route.lua, which returns the function; gives its reference. */
static int load(const char *text, unsigned ms, size_t mebibytes)
{
    struct err err;
    project_write(project, "route.lua", text);
    struct vm *vm = project_vm(project, ms, mebibytes);
    assert_int_equal(vm_protect(vm, add_functions, vm, &err), 0);
    if (vm_run_file(vm, "route.lua", &err) < 0)
        fail_msg("%s\n  %s", text, err.message);
    memset(&seen, 0, sizeof seen);
    memset(ops, 0, sizeof ops);
    cancelled = posted_count = 0;
    return luaL_ref(vm->L, LUA_REGISTRYINDEX);
}

static int push_two(lua_State *L, void *arg)
{
    lua_pushstring(L, arg);
    lua_pushinteger(L, 7);
    return 2;
}

static struct task task;

static void start(const char *text)
{
    int ref = load(text, 2000, 32);
    task_start(&task, project->vm, &host, ref, push_two, (void *)"hello", on_done, NULL);
}

static void test_a_task_returns(void **state)
{
    (void)state;
    start("return function(a, b)\n return a .. b, nil, 3\nend");
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.outcome, TASK_RETURNED);
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.text, "hello7");
    assert_int_equal(lines_line(seen.place), 2);
    task_cancel(&task);
    start("local function f() return 1 end\nreturn function() local x = f() end");
    assert_int_equal(seen.count, 0);
    assert_int_equal(seen.place, 0);
}

static void test_a_task_raises(void **state)
{
    (void)state;
    start("return function(a)\n local x = a.b.c\nend");
    assert_int_equal(seen.outcome, TASK_RAISED);
    assert_string_equal(seen.message, "routes/route.lua:2: attempt to index field 'b' (a nil value)");
    start("local function f()\n error({})\nend\nreturn function()\n f()\nend");
    assert_string_equal(seen.message, "routes/route.lua:2: error object is a table (called from routes/route.lua:5)");
    start("return function()\n error('plain', 0)\nend");
    assert_string_equal(seen.message, "routes/route.lua:2: plain");
    start("return function()\n require 'x'\nend");
    assert_non_null(strstr(seen.message, "routes/route.lua:2: require works only while a file is loaded"));
    assert_int_equal(seen.calls, 1);
}

static void test_a_task_waits_for_all(void **state)
{
    (void)state;
    start("return function()\n local n, w = wait(3)\n return n .. w\nend");
    assert_int_equal(seen.calls, 0);
    op_done(&ops[0]);
    op_done(&ops[1]);
    assert_int_equal(posted_count, 0);
    op_done(&ops[2]);
    assert_int_equal(posted_count, 1);
    assert_int_equal(seen.calls, 0);
    run_posted();
    assert_int_equal(seen.calls, 1);
    assert_string_equal(seen.text, "3waited");
    assert_int_equal(lines_line(seen.place), 3);
    assert_int_equal(cancelled, 0);
}

static void test_a_task_waits_for_any(void **state)
{
    (void)state;
    start("return function() local n = wait(6, 1) return n end");
    op_done(&ops[4]);
    op_done(&ops[5]);
    assert_int_equal(posted_count, 1);
    run_posted();
    assert_string_equal(seen.text, "2");
}

static void test_a_wait_inside_pcall(void **state)
{
    (void)state;
    start("return function() local ok, n = pcall(wait, 1) local o, m = xpcall(wait, print) return n .. m end");
    op_done(&ops[0]);
    run_posted();
    assert_int_equal(seen.calls, 0);
    op_done(&ops[0]);
    run_posted();
    assert_string_equal(seen.text, "11");
}

static void test_resume_may_wait_again(void **state)
{
    (void)state;
    start("return function() local n = wait_twice() return n end");
    for (int i = 0; i < 6; i++)
        op_done(&ops[i]);
    run_posted();
    assert_int_equal(seen.calls, 0);
    op_done(&ops[7]);
    run_posted();
    assert_string_equal(seen.text, "7");
}

static void test_what_is_done_already_does_not_yield(void **state)
{
    (void)state;
    start("return function() local n = wait_for_nothing() return n end");
    assert_string_equal(seen.text, "1");
    assert_int_equal(posted_count, 0);
}

static void test_an_error_in_resume_ends_the_task(void **state)
{
    (void)state;
    start("return function()\n\n wait_badly()\nend");
    op_done(&ops[0]);
    run_posted();
    assert_int_equal(seen.outcome, TASK_RAISED);
    assert_string_equal(seen.message, "routes/route.lua:3: the reply made no sense");
}

static void test_cancel(void **state)
{
    (void)state;
    start("return function() wait(2) error('never') end");
    op_done(&ops[0]);
    task_cancel(&task);
    assert_int_equal(cancelled, 1);
    task_cancel(&task);
    assert_int_equal(cancelled, 1);
    start("return function() wait(1) error('never') end");
    op_done(&ops[0]);
    task_cancel(&task);
    run_posted();
    assert_int_equal(seen.calls, 0);
    op_done(&ops[0]);
    assert_int_equal(cancelled, 0);
}

static void test_no_wait_where_none_is_possible(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"coroutine.wrap(function() wait() end)()", "cannot wait inside coroutine.wrap or coroutine.resume"},
        {"local ok, e = coroutine.resume(coroutine.create(function() wait() end)) error(e, 0)", "cannot wait inside coroutine"},
        {"table.sort({1, 2}, function() wait() end)", "cannot wait inside table.sort, string.gsub"},
        {"string.gsub('x', 'x', function() wait() end)", "cannot wait inside table.sort, string.gsub"},
        {"coroutine.yield(1)", "coroutine.yield outside a coroutine"},
        {"pcall(coroutine.yield, 1) coroutine.yield(2)", "coroutine.yield outside a coroutine"},
        {"coroutine.wrap(function() table.sort({1, 2}, coroutine.yield) end)()", "cannot yield inside table.sort"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256], wanted[256];
        snprintf(text, sizeof text, "return function()\n %s\nend", cases[i][0]);
        snprintf(wanted, sizeof wanted, "routes/route.lua:2: %s", cases[i][1]);
        start(text);
        assert_int_equal(seen.outcome, TASK_RAISED);
        if (strncmp(seen.message, wanted, strlen(wanted)) != 0)
            fail_msg("%s\n  raised: %s\n  not: %s", text, seen.message, wanted);
        assert_int_equal(cancelled, strstr(cases[i][0], "wait") != NULL);
    }
    project_write(project, "lib.lua", "wait()\nreturn 1");
    project_write(project, "route.lua", "return require 'lib'");
    struct err err;
    struct vm *vm = project_vm(project, 2000, 32);
    vm_protect(vm, add_functions, vm, &err);
    assert_int_equal(vm_run_file(vm, "route.lua", &err), -1);
    assert_non_null(strstr(err.message, "routes/lib.lua:1: cannot wait while a file is loaded"));
}

static void test_another_requests_coroutine_is_out_of_reach(void **state)
{
    (void)state;
    start("local mine\nreturn function()\n mine = mine or coroutine.running()\n wait(1) return tostring(mine)\nend");
    op_done(&ops[0]);
    run_posted();
    assert_string_equal(seen.text, "nil");
}

static int filled(lua_State *L, struct task *t)
{
    (void)t;
    lua_pushnil(L);
    return 1;
}

static int script_fill(lua_State *L)
{
    struct op *waits[1] = {&ops[0]};
    ops[0] = (struct op){.cancel = on_cancel};
    return task_wait(L, waits, 1, 1, filled);
}

static void test_any_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const text =
        "return function(a)\n"
        " local t = {} for i = 1, 20 do t[i] = a .. i end\n"
        " local ok, e = pcall(function() return (a:gsub('l', { l = 'L' })) .. #table.concat(t) end)\n"
        " fill()\n"
        " local c = coroutine.wrap(function() coroutine.yield(1) end)\n"
        " c()\n"
        " return e\n"
        "end";
    bool passed = false;
    int outcomes[4] = {0};
    for (long n = 1; !passed; n++) {
        int ref = load(text, 2000, 32);
        struct vm *vm = project->vm;
        lua_pushcfunction(vm->L, script_fill);
        vm_set_global(vm, "fill");
        vm->refuse_in = n;
        task_start(&task, vm, &host, ref, push_two, (void *)"hello", on_done, NULL);
        if (seen.calls == 0) {
            op_done(&ops[0]);
            run_posted();
        }
        assert_int_equal(seen.calls, 1);
        outcomes[seen.outcome]++;
        passed = vm->refuse_in > 0;
        vm->refuse_in = 0;
        memset(&seen, 0, sizeof seen);
        task_start(&task, vm, &host, ref, push_two, (void *)"hello", on_done, NULL);
        op_done(&ops[0]);
        run_posted();
        assert_string_equal(seen.text, "heLLo131");
        assert_true(n < 10000);
    }
    print_message("  refused in turn: %d returned, %d raised, %d over memory\n", outcomes[0], outcomes[1],
                  outcomes[3]);
    assert_true(outcomes[TASK_OVER_MEMORY] > 10);
}

static void test_only_the_offender_ends(void **state)
{
    (void)state;
    int ref = load("return function(kind)\n if kind == 'hello' then local n = wait(1) return n end\n"
                   " local t = {} while true do t[#t + 1] = ('x'):rep(1e5) .. #t end\nend", 2000, 8);
    struct task waiting = {0};
    task_start(&waiting, project->vm, &host, ref, push_two, (void *)"hello", on_done, NULL);
    struct op kept = ops[0];
    task_start(&task, project->vm, &host, ref, push_two, (void *)"bomb", on_done, NULL);
    assert_int_equal(seen.outcome, TASK_OVER_MEMORY);
    assert_string_equal(seen.message, "routes/route.lua:3: outgrew its memory of 8 MiB");
    assert_true(project->vm->used < 1u << 20);
    assert_ptr_equal(kept.task, &waiting);
    op_done(&ops[0]);
    run_posted();
    assert_string_equal(seen.text, "1");
}

static void test_garbage_is_no_offence(void **state)
{
    (void)state;
    int ref = load("local kept = {} for i = 1, 50 do kept[i] = ('x'):rep(1e5) .. i end\n"
                   "return function() for i = 1, 2000 do local s = ('y'):rep(50000) .. i end return #kept end", 5000, 8);
    for (int i = 0; i < 5; i++)
        task_start(&task, project->vm, &host, ref, NULL, NULL, on_done, NULL);
    assert_int_equal(seen.calls, 5);
    assert_string_equal(seen.text, "50");
}

static void test_time_adds_up_over_slices(void **state)
{
    (void)state;
    int ref = load("return function() while true do for i = 1, 2e5 do end wait(1) end end", 50, 32);
    task_start(&task, project->vm, &host, ref, NULL, NULL, on_done, NULL);
    int slices = 1;
    for (; seen.calls == 0 && slices < 100000; slices++) {
        op_done(&ops[0]);
        run_posted();
    }
    assert_int_equal(seen.outcome, TASK_OVER_TIME);
    assert_non_null(strstr(seen.message, "ran longer than 50 ms"));
    assert_true(slices > 2);
}

static void free_the_vm(void *ctx, struct task_result *result)
{
    on_done(ctx, result);
    vm_free(project->vm);
    project->vm = NULL;
}

static void test_done_may_free_the_vm(void **state)
{
    (void)state;
    int ref = load("return function() return 'last' end", 50, 32);
    task_start(&task, project->vm, &host, ref, NULL, NULL, free_the_vm, NULL);
    assert_string_equal(seen.text, "last");
    ref = load("return function() error('x') end", 50, 32);
    task_start(&task, project->vm, &host, ref, NULL, NULL, free_the_vm, NULL);
    assert_int_equal(seen.outcome, TASK_RAISED);
}

static int push_nil(lua_State *L, void *arg)
{
    (void)arg;
    lua_pushnil(L);
    return 1;
}

static void test_a_task_is_cheap(void **state)
{
    (void)state;
    enum { ROUNDS = 20000 };
    int ref = load("return function(req) return req, 'because' end", 50, 32);
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < 10; round++) {
        uint64_t began = clock_ns();
        for (int i = 0; i < ROUNDS; i++)
            task_start(&task, project->vm, &host, ref, push_nil, NULL, on_done, NULL);
        uint64_t ns = (clock_ns() - began) / ROUNDS;
        best = ns < best ? ns : best;
    }
    print_message("  a trivial route, start to finish: %lu ns\n", (unsigned long)best);
    assert_int_equal(seen.calls, 10 * ROUNDS);
    assert_true(best < 1000000);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_task_returns),
        cmocka_unit_test(test_a_task_raises),
        cmocka_unit_test(test_a_task_waits_for_all),
        cmocka_unit_test(test_a_task_waits_for_any),
        cmocka_unit_test(test_a_wait_inside_pcall),
        cmocka_unit_test(test_resume_may_wait_again),
        cmocka_unit_test(test_what_is_done_already_does_not_yield),
        cmocka_unit_test(test_an_error_in_resume_ends_the_task),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_no_wait_where_none_is_possible),
        cmocka_unit_test(test_another_requests_coroutine_is_out_of_reach),
        cmocka_unit_test(test_any_allocation_may_fail),
        cmocka_unit_test(test_only_the_offender_ends),
        cmocka_unit_test(test_garbage_is_no_offence),
        cmocka_unit_test(test_time_adds_up_over_slices),
        cmocka_unit_test(test_done_may_free_the_vm),
        cmocka_unit_test(test_a_task_is_cheap),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
