/* Instrumented source compiles, keeps its lines and gives the same results. */
#include <setjmp.h>
#include <stdarg.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "vm/lines.h"

static lua_State *L;
static int last;

static int at(lua_State *l)
{
    last = (int)lua_tointeger(l, 1);
    return lua_gettop(l) - 1;
}

static void assert_becomes(const char *source, const char *wanted)
{
    struct buf out = BUF(1 << 20);
    assert_int_equal(lines_instrument(str_of(source), 0, &out), 0);
    assert_string_equal(out.p, wanted);
    buf_clear(&out);
}

static void test_returns_become_calls(void **state)
{
    (void)state;
    assert_becomes("return 1", "return __at(1, 1)");
    assert_becomes("return", "return");
    assert_becomes("return;", "return;");
    assert_becomes("return 1;", "return __at(1, 1);");
    assert_becomes("return -- why\n 1 -- so\n", "return __at(1, -- why\n 1) -- so\n");
    assert_becomes("do return end", "do return end");
    assert_becomes("do return a, b end", "do return __at(1, a, b) end");
    assert_becomes("if x then return 1 elseif y then return 2 else return end",
                   "if x then return __at(1, 1) elseif y then return __at(1, 2) else return end");
    assert_becomes("repeat return f() until x", "repeat return __at(1, f()) until x");
    assert_becomes("return function() return end", "return __at(1, function() return end)");
    assert_becomes("return function()\n return 1\nend", "return __at(1, function()\n return __at(2, 1)\nend)");
    assert_becomes("return { f = function() return 1 end; g = 2 }",
                   "return __at(1, { f = function() return __at(1, 1) end; g = 2 })");
    assert_becomes("return [[\nreturn 1\n]]", "return __at(1, [[\nreturn 1\n]])");
    assert_becomes("local s = 'return 1' -- return 2\nreturn s", "local s = 'return 1' -- return 2\nreturn __at(2, s)");
    assert_becomes("--[==[ return 1 ]] ]==] return 2", "--[==[ return 1 ]] ]==] return __at(1, 2)");
    assert_becomes("local returned = 1 x.y = returned", "local returned = 1 x.y = returned");
    assert_becomes("return\r\n1", "return __at(1,\r\n1)");
    assert_becomes("\r\n\r\nreturn 1", "\r\n\r\nreturn __at(3, 1)");
    assert_becomes("while x do if y then break end return z end", "while x do if y then break end return __at(1, z) end");
    assert_becomes("::a:: goto a", "::a:: goto a");
    assert_becomes("return a[b[1]]", "return __at(1, a[b[1]])");
    assert_becomes("return 'a\\'end' .. \"\\\"\"", "return __at(1, 'a\\'end' .. \"\\\"\")");
    assert_becomes("", "");
    assert_becomes("#!/usr/bin/env luajit's\nreturn 1", "#!/usr/bin/env luajit's\nreturn __at(2, 1)");
}

static void test_broken_source_is_left_alone(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "return 'unended", "return [[unended", "return 1 end", "end", "return (1", "return 1)", "--[[ unended", "until x",
        "function f() return 1", "return {", "do return 1", "x = \"a\nb\" return 1",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_becomes(broken[i], broken[i]);
    struct buf small = BUF(8);
    assert_int_equal(lines_instrument(str_of("return 1"), 0, &small), -1);
    buf_clear(&small);
}

static void test_places(void **state)
{
    (void)state;
    assert_int_equal(lines_file(lines_place(4095, 77)), 4095);
    assert_int_equal(lines_line(lines_place(4095, 77)), 77);
    assert_int_equal(lines_line(lines_place(1, LINES_PER_FILE + 5)), LINES_PER_FILE - 1);
}

/* Runs source and leaves all its results, or its error, as one text. */
static void run(struct str source, bool is_instrumented, char *out, size_t size)
{
    struct buf text = BUF(16 << 20);
    if (is_instrumented)
        assert_int_equal(lines_instrument(source, 3, &text), 0);
    else
        assert_int_equal(buf_append(&text, source.p, source.len), 0);
    lua_settop(L, 0);
    int status = luaL_loadbuffer(L, text.p, text.len, "@x.lua");
    buf_clear(&text);
    if (status == 0)
        status = lua_pcall(L, 0, LUA_MULTRET, 0);
    size_t used = (size_t)snprintf(out, size, "%d %d", status, lua_gettop(L));
    for (int i = 1; i <= lua_gettop(L) && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, " %s:%s", luaL_typename(L, i),
                                 lua_isstring(L, i) ? lua_tostring(L, i) : "");
}

static void test_results_and_errors_are_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        int line; /* of the newest return; 0: none ran */
    } cases[] = {
        {"return nil, 'x'", 1}, {"return", 0}, {"\nreturn nil", 2}, {"return (nil)", 1},
        {"local function f(...) return ... end\nreturn f(1, nil, 3, nil)", 2},
        {"local function f() return 1, 2, 3 end\nreturn (f())", 2},
        {"local function f() return 1, 2, 3 end\nreturn f(), f()", 2},
        {"local function f() end\nreturn f()", 2},
        {"local function f() return end return f(), 1", 1},
        {"local t = {f = function() return 1 end; 2; 3}\nif t then\n return t.f(), #t\nend", 3},
        {"for i = 1, 3 do if i == 2 then return i end end", 1},
        {"local ok, e = pcall(function() return nil + 1 end)\nreturn e", 2},
        {"\n\nerror('here')", 0}, {"local x\nreturn x.y", 0}, {"local x\nreturn 1,\n  2,\n  x.y", 0},
        {"local function f()\n error('deep')\nend\nreturn f()", 0},
        {"local function f(n)\n if n == 0 then error('bottom') end\n return f(n - 1)\nend\nreturn f(3)", 0},
        {"return (function(...)\n return select('#', ...), ...\nend)(nil, nil)", 1},
        {"local s = [==[\nreturn ]] 1\n]==]\nreturn #s", 4},
        {"local c = coroutine.wrap(function() return coroutine.yield(1) end)\nreturn c(), c(2)", 2},
        {"goto done\ndo return 1 end\n::done::\nreturn 2", 4},
        {"return 1 --[[ ; ]] , 2 -- end", 1},
        {"return\n{\n1\n}", 1}, {"return -1", 1}, {"return not nil", 1}, {"return #'abc'", 1},
        {"return 'a'\n..\n'b'", 1}, {"return 0x1p4, 1e+2, .5, 3LL ~= nil", 1},
        {"local t = setmetatable({}, {__index = function(_, k) return k end})\nreturn t.x, t['y'], t[1]", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char plain[512], instrumented[512];
        run(str_of(cases[i].source), false, plain, sizeof plain);
        last = 0;
        run(str_of(cases[i].source), true, instrumented, sizeof instrumented);
        assert_string_equal(plain, instrumented);
        if (cases[i].line) {
            assert_int_equal(lines_line(last), cases[i].line);
            assert_int_equal(lines_file(last), 3);
        }
    }
}

static int files, returns;

/* The words `function` and `return` in debug information would differ; what must not: it compiles, on as many lines. */
static int check_file(const char *path, const struct stat *st, int type)
{
    size_t len = strlen(path);
    if (type != FTW_F || len < 4 || strcmp(path + len - 4, ".lua") != 0 || st->st_size > 4 << 20)
        return 0;
    FILE *f = fopen(path, "rb");
    struct buf source = BUF(8 << 20), out = BUF(16 << 20);
    char *room = f ? buf_room(&source, (size_t)st->st_size + 1) : NULL;
    if (room == NULL)
        return 0;
    buf_grow(&source, fread(room, 1, (size_t)st->st_size, f));
    fclose(f);
    lua_settop(L, 0);
    if (luaL_loadbuffer(L, source.p, source.len, "=x") == 0) {
        files++;
        assert_int_equal(lines_instrument(buf_str(&source), 0, &out), 0);
        if (luaL_loadbuffer(L, out.p, out.len, "=x") != 0)
            fail_msg("%s: %s", path, lua_tostring(L, -1));
        int before = 0, after = 0;
        for (size_t i = 0; i < source.len; i++)
            before += source.p[i] == '\n';
        for (size_t i = 0; i < out.len; i++)
            after += out.p[i] == '\n';
        assert_int_equal(before, after);
        for (const char *p = out.p; (p = strstr(p, "return __at(")) != NULL; p++)
            returns++;
    }
    buf_clear(&source);
    buf_clear(&out);
    return 0;
}

static void test_every_lua_file_at_hand(void **state)
{
    (void)state;
    ftw("/usr/share/lua", check_file, 16);
    ftw("/usr/share/luajit-2.1", check_file, 16);
    print_message("  %d files, %d returns\n", files, returns);
    if (files == 0)
        skip();
    assert_true(returns >= files / 2);
}

static int set_up(void **state)
{
    (void)state;
    L = luaL_newstate();
    luaL_openlibs(L);
    lua_register(L, "__at", at);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lua_close(L);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_returns_become_calls),
        cmocka_unit_test(test_broken_source_is_left_alone),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_results_and_errors_are_the_same),
        cmocka_unit_test(test_every_lua_file_at_hand),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
