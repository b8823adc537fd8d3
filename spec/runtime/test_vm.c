/* The sandbox, loading, errors and limits of one VM, without tasks. */
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

static struct project *project;

/* Runs `text` as route.lua in a fresh VM; 0 with one result on the stack, or -1 and the message. */
static int run(const char *text, struct err *err)
{
    err->message[0] = '\0';
    project_write(project, "route.lua", text);
    return vm_run_file(project_vm(project, 2000, 32), "route.lua", err);
}

static void assert_result(const char *text, const char *wanted)
{
    struct err err;
    if (run(text, &err) < 0)
        fail_msg("%s\n  raised: %s", text, err.message);
    const char *got = lua_tostring(project->vm->L, -1);
    if (got == NULL || strcmp(got, wanted) != 0)
        fail_msg("%s\n  gave %s, not %s", text, got ? got : lua_typename(project->vm->L, lua_type(project->vm->L, -1)), wanted);
}

static void assert_raises(const char *text, const char *wanted)
{
    struct err err;
    if (run(text, &err) == 0)
        fail_msg("%s\n  did not raise", text);
    if (strstr(err.message, wanted) == NULL)
        fail_msg("%s\n  raised: %s\n  not: %s", text, err.message, wanted);
    assert_int_equal(lua_gettop(project->vm->L), 0);
}

static void test_a_file_gives_its_result(void **state)
{
    (void)state;
    assert_result("return 'ok'", "ok");
    assert_result("local t = {} t.a = 1 return t.a + 1", "2");
    assert_int_equal(lines_line(project->vm->last_return), 1);
    assert_result("local x = 1\n\nreturn x", "1");
    assert_int_equal(lines_line(project->vm->last_return), 3);
    assert_string_equal(manifest_path(project->files, lines_file(project->vm->last_return)), "route.lua");
}

static void test_errors_name_file_and_line(void **state)
{
    (void)state;
    assert_raises("\nerror('no')", "routes/route.lua:2: no");
    assert_raises("local x = nil\nlocal y = x.z", "routes/route.lua:2: attempt to index local 'x'");
    assert_raises("return function(\n", "routes/route.lua:2: ");
    assert_raises("x = = 1", "routes/route.lua:1: unexpected symbol near '='");
    assert_raises("\n\nerror({})", "routes/route.lua:3: error object is a table");
    assert_raises("error('bare', 0)", "routes/route.lua:1: bare");
    assert_raises("error()", "error object is a nil");
    assert_raises("\x1bLJ\x02", "routes/route.lua");
    assert_raises("local function f()\n error('deep')\nend\nf()\n", "routes/route.lua:2: deep (called from routes/route.lua:4)");
}

static void test_globals_are_read_only(void **state)
{
    (void)state;
    assert_raises("answer = 42", "routes/route.lua:1: globals are read-only: use local");
    assert_raises("print = 42", "globals are read-only");
    assert_raises("return pirnt", "unknown global 'pirnt' (did you mean 'print'?)");
    assert_raises("function helper() end", "globals are read-only: use local (local helper = …)");
    assert_raises("return os.time()", "'os' does not exist here: for the time use wye.now");
    assert_raises("return math.random()", "use wye.random");
    assert_raises("return zzzzzzzz", "unknown global 'zzzzzzzz'");
}

static void test_require(void **state)
{
    (void)state;
    project_write(project, "rules/v1.lua", "return { name = 'v1' }");
    project_write(project, "a.lua", "return require 'b'");
    project_write(project, "b.lua", "\nreturn require 'a'");
    project_write(project, "bad.lua", "local x\nreturn x.y");
    project_write(project, "nothing.lua", "local x = 1");
    assert_result("return require('rules.v1').name", "v1");
    assert_result("return tostring(require 'rules.v1' == require 'rules.v1')", "true");
    assert_result("return tostring(require 'nothing')", "true");
    assert_raises("return require 'a'", "files require each other in a circle: a.lua → b.lua → a.lua");
    assert_raises("return require 'bad'", "routes/bad.lua:2: attempt to index local 'x'");
    assert_raises("return require 'none'", "routes/route.lua:1: cannot read routes/none.lua: No such file");
    assert_raises("return require '../x'", "is no module name");
    assert_raises("return require '.x'", "is no module name");
    assert_raises("return require 'x..y'", "is no module name");
    assert_raises("return require '/etc/passwd'", "is no module name");
    assert_raises("return require 'route'", "in a circle: route.lua → route.lua");
}

static void test_the_library_works(void **state)
{
    (void)state;
    assert_result("return ('x'):rep(3) .. string.upper('y')", "xxxY");
    assert_result("local t = {3,1,2} table.sort(t) return table.concat(t, ',')", "1,2,3");
    assert_result("local t = {3,1,2} table.sort(t, function(a, b) return a > b end) return table.concat(t)", "321");
    assert_result("local t = {} table.insert(t, 'a') table.insert(t, 1, 'b') return table.concat(t)", "ba");
    assert_result("local t = {1,2,3} return table.remove(t) .. table.remove(t, 1) .. #t", "311");
    assert_result("return math.floor(2.5) .. bit.band(7, 2)", "22");
    assert_result("local c = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) return c(1) .. c(4)", "28");
    assert_result("return select('#', unpack({1,2,3}))", "3");
    assert_result("return tostring(rawequal(1, 1)) .. type(next({}))", "truenil");
    assert_result("local t = setmetatable({}, {__index = function(_, k) return k end}) return t.x .. tostring(rawget(t, 'x'))", "xnil");
    assert_result("local t = rawset({}, 'a', 'b') return t.a", "b");
    assert_result("local ok, e = pcall(error, 'x', 0) return tostring(ok) .. e", "falsex");
    assert_result("local ok, e = xpcall(function(a) error(a, 0) end, function(m) return m .. '!' end, 'x') return e", "x!");
    assert_result("return ('a,b'):gsub(',', ';')", "a;b");
    assert_result("return tostring(table.unpack)", "nil");
    assert_result("print('hello', 1, nil, {}, true) return 'printed'", "printed");
}

/* Each must raise, or give nil where it asks for something: nothing here may work. */
static const char *const ESCAPES[] = {
    "return io.open('/etc/passwd')", "return os.execute('true')", "return os.getenv('HOME')",
    "return load('return 1')()", "return loadstring('return 1')()", "return loadfile('/etc/passwd')",
    "return dofile('/etc/passwd')", "return debug.getregistry()", "return package.loaded",
    "return package.loadlib", "return require('ffi').C", "return require 'jit'", "return ffi.C",
    "return jit.on()", "return newproxy(true)", "return getfenv(1)", "return setfenv(1, {})",
    "return _G.print", "return collectgarbage('count')", "return gcinfo()", "return module('x')",
    "return string.dump(function() end)", "return ('').dump(function() end)",
    "string.format = nil", "string.evil = 1", "rawset(string, 'format', 1)", "rawset(math, 'pi', 3)",
    "rawset(coroutine, 'yield', 1)", "rawset(table, 'sort', 1)", "rawset(bit, 'band', 1)",
    "setmetatable(string, {})", "setmetatable(math, nil)", "setmetatable('', {})",
    "getmetatable('').__index = {}", "getmetatable('').x = 1", "return getmetatable('').__index.rep",
    "getmetatable(string).__newindex = nil", "return getmetatable(math).__index",
    "table.insert(string, 1)", "table.insert(math, 1, 2)", "table.remove(string)",
    "table.move({1}, 1, 1, 1, string)", "return math.random(1)", "math.randomseed(1)",
    "return require '/etc/hostname'", "return require '..route'", "return require '...secret'",
    "return require 'routes/../../x'", "print = nil", "_G = {}", "__at = nil", "local function f() x = 1 end f()",
    "return coroutine.yield(1)", "return coroutine.resume(coroutine.running())",
    "return coroutine.wrap(coroutine.running())", "('x').y = 1", "return string.gsub.x",
    "return unpack({}, 1, 1e8)", "return ('x'):rep(1e9)", "return getmetatable(print).x",
    "return tostring(nil, load)()", "return xpcall(load, print, 'x') and load", "return pcall(load)",
    "for k in pairs(getmetatable(string)) do end", "for k in pairs(string) do return k end error('empty')",
    "return (next(math)) .. ''", "return setmetatable(getmetatable(''), {})", "local e <const> = 1",
    "return ('%s'):format(setmetatable({}, {__tostring = load}))", "return (table.concat(string)) .. nil",
    "return next(string) .. ''", "return select(1, require) .. ''", "return #string .. load",
    "table.sort(string, load)", "return string.rep.x", "return bit.ffi.C", "return coroutine.debug.x",
    "return table.load('x')", "return math.ffi.x", "return error.x", "return ('').load()",
    "return rawget(string, 'format')()", "return rawget(getmetatable(''), 'x')",
    "return pcall(setmetatable, string, {}) and error('kept') or error('kept')",
};

static void test_nothing_escapes(void **state)
{
    (void)state;
    int count = sizeof ESCAPES / sizeof *ESCAPES;
    assert_true(count >= 60);
    for (int i = 0; i < count; i++) {
        struct err err;
        if (run(ESCAPES[i], &err) == 0)
            fail_msg("went through: %s (%s)", ESCAPES[i], luaL_typename(project->vm->L, -1));
    }
}

static int call_twice(lua_State *L)
{
    lua_pushvalue(L, 1);
    lua_call(L, 0, 0);
    return 0;
}

static void test_locked_tables_name_the_near_field(void **state)
{
    (void)state;
    struct err err;
    project_write(project, "route.lua", "return wye.noet");
    struct vm *vm = project_vm(project, 1000, 32);
    lua_newtable(vm->L);
    lua_pushcfunction(vm->L, call_twice);
    lua_setfield(vm->L, -2, "note");
    vm_lock(vm->L, "wye");
    vm_set_global(vm, "wye");
    assert_int_equal(lua_gettop(vm->L), 0);
    assert_int_equal(vm_run_file(vm, "route.lua", &err), -1);
    assert_string_equal(err.message, "routes/route.lua:1: unknown field 'noet' of wye (did you mean 'note'?)");
    assert_ptr_equal(vm_of(vm->L), vm);
}

static void test_a_call_counts_its_arguments(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(run("return function(a, b) return a + b, 'more' end", &err), 0);
    lua_State *L = project->vm->L;
    lua_pushvalue(L, -1);
    lua_pushinteger(L, 2);
    lua_pushinteger(L, 3);
    assert_int_equal(vm_call(project->vm, 2, 2, &err), 0);
    assert_int_equal(lua_tointeger(L, -2), 5);
    assert_string_equal(lua_tostring(L, -1), "more");
    lua_settop(L, 1);
    lua_pushvalue(L, -1);
    assert_int_equal(vm_call(project->vm, 0, 2, &err), -1);
    assert_string_equal(err.message, "routes/route.lua:1: attempt to perform arithmetic on local 'a' (a nil value)");
    assert_int_equal(lua_gettop(L), 1);
    lua_pushvalue(L, -1);
    assert_int_equal(vm_call(project->vm, 0, 2, NULL), -1);
    assert_null(project->vm->err);
    assert_int_equal(lua_gettop(L), 1);
}

static void test_too_little_memory_to_start(void **state)
{
    (void)state;
    project_vm(project, 50, 32);
    bool started = false, failed = false;
    for (size_t memory = 0; memory < 160 * 1024; memory += 96) {
        struct vm_limits limits = {50, memory};
        struct err err;
        struct vm *vm = vm_new(&limits, project->files, &err);
        failed |= vm == NULL;
        started |= vm != NULL;
        vm_free(vm);
    }
    assert_true(started && failed);
}

static void test_any_allocation_may_fail(void **state)
{
    (void)state;
    project_write(project, "lib.lua", "local t = {} for i = 1, 20 do t[i] = ('x'):rep(i) end return t");
    project_write(project, "route.lua",
                  "local lib = require 'lib'\n"
                  "local ok, e = pcall(function() return ('a=1,b=2'):gsub('(%w)=(%w)', '%2=%1') end)\n"
                  "local c = coroutine.wrap(function() for i = 1, 5 do coroutine.yield(i) end end)\n"
                  "table.sort(lib, function(a, b) return a > b end)\n"
                  "return function() return #lib + c() end\n");
    bool passed = false;
    int refused = 0;
    for (long n = 1; !passed; n++) {
        struct vm *vm = project_vm(project, 2000, 32);
        struct err err;
        vm->refuse_in = n;
        passed = vm_run_file(vm, "route.lua", &err) == 0 && vm->refuse_in > 0;
        refused += !passed;
        vm->refuse_in = 0;
        lua_settop(vm->L, 0);
        assert_int_equal(vm_run_file(vm, "route.lua", &err), 0);
        assert_true(n < 100000);
    }
    print_message("  %d allocations refused in turn\n", refused);
    assert_true(refused > 50);
}

static void test_a_vm_is_made_quickly(void **state)
{
    (void)state;
    struct vm_limits limits = {50, 32 << 20};
    struct err err;
    project_vm(project, 50, 32);
    uint64_t best = UINT64_MAX;
    size_t bytes = 0;
    for (int i = 0; i < 50; i++) {
        uint64_t began = clock_ns();
        struct vm *vm = vm_new(&limits, project->files, &err);
        uint64_t ns = clock_ns() - began;
        best = ns < best ? ns : best;
        bytes = vm->used;
        vm_free(vm);
    }
    print_message("  VM creation: %.0f us, %zu bytes\n", (double)best / 1000, bytes);
    assert_true(best < 50000000);
}

static void test_near_names(void **state)
{
    (void)state;
    const char *const names[] = {"note", "model", "refuse"};
    assert_string_equal(vm_near("noet", names, 3), "note");
    assert_string_equal(vm_near("modle", names, 3), "model");
    assert_null(vm_near("classifier", names, 3));
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
        cmocka_unit_test(test_a_file_gives_its_result),
        cmocka_unit_test(test_errors_name_file_and_line),
        cmocka_unit_test(test_globals_are_read_only),
        cmocka_unit_test(test_require),
        cmocka_unit_test(test_the_library_works),
        cmocka_unit_test(test_nothing_escapes),
        cmocka_unit_test(test_locked_tables_name_the_near_field),
        cmocka_unit_test(test_a_call_counts_its_arguments),
        cmocka_unit_test(test_too_little_memory_to_start),
        cmocka_unit_test(test_any_allocation_may_fail),
        cmocka_unit_test(test_a_vm_is_made_quickly),
        cmocka_unit_test(test_near_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
