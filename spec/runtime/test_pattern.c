/* Patterns and sort: the same answers as Lua's own, in bounded steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "vm/pattern.h"
#include "vm/strings.h"

/* A stock Lua whose table `ours` holds the bounded functions. */
static lua_State *L;

/* Runs op(subject, pattern[, more]) of both and compares everything returned. */
static const char COMPARE[] =
    "local name, s, p, r = ...\n"
    "local function all(f)\n"
    "  if name == 'gmatch' then\n"
    "    local out = {}\n"
    "    for a, b, c in f(s, p) do\n"
    "      out[#out + 1] = tostring(a) .. '|' .. tostring(b) .. '|' .. tostring(c)\n"
    "      if #out > 100 then break end\n"
    "    end\n"
    "    return table.concat(out, '\\1')\n"
    "  end\n"
    "  return f(s, p, r)\n"
    "end\n"
    "local function show(...)\n"
    "  local t = {n = select('#', ...), ...}\n"
    "  for i = 1, t.n do t[i] = type(t[i]) .. ':' .. tostring(t[i]) end\n"
    "  return table.concat(t, '\\2', 2)\n"
    "end\n"
    "local a, b = { pcall(all, ours[name]) }, { pcall(all, string[name]) }\n"
    "local x, y = show(unpack(a, 1, table.maxn(a))), show(unpack(b, 1, table.maxn(b)))\n"
    "if not a[1] and b[1] then return 'stricter: ' .. tostring(a[2]) end\n"
    "if a[1] and not b[1] then return 'too lax: ' .. tostring(b[2]) end\n"
    "if not a[1] then return true end\n"
    "return x == y or x .. ' ~= ' .. y\n";

static int compare; /* reference */

/* NULL when both agree. Patterns that only ours refuses at once are no difference. */
static const char *difference(const char *op, struct str s, struct str p, const char *r)
{
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, compare);
    lua_pushstring(L, op);
    lua_pushlstring(L, s.p, s.len);
    lua_pushlstring(L, p.p, p.len);
    if (r)
        lua_pushstring(L, r);
    else
        lua_pushnil(L);
    if (lua_pcall(L, 4, 1, 0) != 0)
        return lua_tostring(L, -1);
    const char *answer = lua_tostring(L, -1);
    return lua_isboolean(L, -1) || strncmp(answer, "stricter: ", 10) == 0 ? NULL : answer;
}

static void assert_same(const char *s, const char *p, const char *r)
{
    static const char *const OPS[] = {"find", "match", "gmatch", "gsub"};
    for (int i = 0; i < 4; i++) {
        const char *why = difference(OPS[i], str_of(s), str_of(p), i == 3 ? r : NULL);
        if (why)
            fail_msg("%s(%s, %s): %s", OPS[i], s ? s : "", p ? p : "", why);
    }
}

static void test_known_patterns(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"hello world", "o w"}, {"hello", "l+"}, {"hello", "(l)(l)"}, {"  trim me  ", "^%s*(.-)%s*$"},
        {"key = value", "^(%w+)%s*=%s*(%w+)$"}, {"2026-01-02", "(%d+)-(%d+)-(%d+)"}, {"THE (quick) fox", "%((%a+)%)"},
        {"f(a(b)c)d", "%b()"}, {"THE (quick) fox", "%f[%a]%a+"}, {"abcabc", "(abc)%1"}, {"aXb", "%u"},
        {"x", "()"}, {"abc", "()b()"}, {"[[x]]", "[]]"}, {"[[x]]", "[[]"}, {"a-b", "[a%-]+"}, {"a]b", "[^]]+"},
        {"a^b", "[%^x]"}, {"a.b", "%."}, {"aaa", "a-"}, {"aaa", "a-$"}, {"", ""}, {"", ".*"}, {"", "^$"},
        {"abc", ""}, {"a\nb", "a.b"}, {"$x$", "$"}, {"a$b", "$b"}, {"^x", "^^"}, {"x^", "x^"}, {"\xff\xfe", "[\xfe-\xff]+"},
        {"aaab", "a?a?a?ab"}, {"0x1F", "%x+"}, {"tab\there", "%c"}, {"!?", "%p+"}, {"abc", "[a-]"}, {"a-c", "[a-c-]+"},
        {"%d", "%%d"}, {"foo.bar", "^(.-)%.(.*)$"}, {"a,b,,c", "([^,]*)"}, {"one two", "(%a+) (%a+)"}, {"x", "[%z]"},
        {"abc", "[%a]"}, {"a%", "[%%]"}, {"]", "[]-a]"}, {"-", "[%a-z]"}, {"z", "[%a-z]"}, {"b", "[a-%z]"}, {"x", "%g"},
        {"aXb", "%f[%u]"}, {"ab", "(a)(b)%2"}, {"abb", "(a)(b)%2"}, {"((a)", "%b()"}, {"a.b", "a.b$"}, {"hello", ".-l"},
        {"hello", "(h)(.)(.)"}, {"  x", "^%s+"}, {"xx", "^x"}, {"x x", "%S"}, {"ab12", "%D+"}, {"ab12", "%W*"}, {"*", "*"},
        {"+a", "+a"}, {"a**", "a**"}, {"((", "[(]+"}, {"aab", "a*ab"}, {"abcd", "a(b(c))d"}, {"abcd", "(()b)"},
    };
    static const char *const replacements[] = {"<%0>", "<%1>", "", "%%", "x"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t j = 0; j < sizeof replacements / sizeof *replacements; j++)
            assert_same(cases[i][0], cases[i][1], replacements[j]);
}

/* xorshift: the same cases in every run. */
static uint64_t seed = 88172645463325252ull;

static unsigned roll(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % below;
}

static void test_random_patterns(void **state)
{
    (void)state;
    static const char ALPHABET[] = "ab1 ()[]%%%.*+-?^$abfdwsxSW";
    int compared = 0;
    for (int n = 0; n < 60000; n++) {
        char s[16], p[16];
        unsigned ls = roll(12), lp = roll(12);
        for (unsigned i = 0; i < ls; i++)
            s[i] = "aab1 ()-%"[roll(9)];
        for (unsigned i = 0; i < lp; i++)
            p[i] = ALPHABET[roll(sizeof ALPHABET - 1)];
        s[ls] = p[lp] = '\0';
        assert_same(s, p, "<%0>");
        compared++;
    }
    assert_int_equal(compared, 60000);
}

static void test_malformed_patterns_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"%", "malformed pattern (ends with '%')"}, {"[a", "malformed pattern (missing ']')"}, {"[", "missing ']'"},
        {"[%", "missing ']'"}, {"(", "unfinished capture"}, {")", "invalid pattern capture"}, {"%1", "invalid capture index"},
        {"(a%1)", "invalid capture index"}, {"%b", "unbalanced pattern"}, {"%bx", "unbalanced pattern"},
        {"%f", "missing '[' after '%f'"}, {"%0", "invalid capture index"}, {"a)", "invalid pattern capture"},
    };
    struct pattern p;
    const char *why;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(pattern_compile(&p, str_of(bad[i][0]), true, &why), -1);
        assert_non_null(strstr(why, bad[i][1]));
    }
    char many[600] = "";
    for (int i = 0; i < 33; i++)
        strcat(many, "()");
    assert_int_equal(pattern_compile(&p, str_of(many), true, &why), -1);
    assert_string_equal(why, "too many captures");
    memset(many, 0, sizeof many);
    for (int i = 0; i < 280; i++)
        strcat(many, "a?");
    assert_int_equal(pattern_compile(&p, str_of(many), true, &why), -1);
    assert_string_equal(why, "pattern too complex");
}

static void test_zero_bytes_match(void **state)
{
    (void)state;
    struct pattern p;
    const char *why;
    assert_int_equal(pattern_compile(&p, str_n("a\0b", 3), true, &why), 0);
    struct pattern_match m = {.subject = {"xa\0bx", 5}, .budget = 1000};
    assert_int_equal(pattern_find(&p, &m, 0), PATTERN_FOUND);
    assert_int_equal(m.start, 1);
    assert_int_equal(m.end, 4);
}

static void test_steps_are_bounded(void **state)
{
    (void)state;
    static const char *const bombs[] = {
        "a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaaaaaaaaaaaaaaaaab", ".-.-.-.-.-.-.-.-b",
        "a*a*a*a*a*a*a*a*b", "(.-)(.-)(.-)(.-)(.-)b",
    };
    char text[2000];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        struct pattern p;
        const char *why;
        assert_int_equal(pattern_compile(&p, str_of(bombs[i]), true, &why), 0);
        struct pattern_match m = {.subject = {text, sizeof text}, .budget = 2000000};
        assert_int_equal(pattern_find(&p, &m, 0), PATTERN_OVER);
    }
}

static int asked;

static bool is_over_soon(void)
{
    return ++asked == 3;
}

static void test_a_match_asks_whether_time_is_over(void **state)
{
    (void)state;
    char text[4000];
    memset(text, 'a', sizeof text);
    struct pattern p;
    const char *why;
    pattern_compile(&p, str_of(".-.-.-b"), true, &why);
    struct pattern_match m = {.subject = {text, sizeof text}, .budget = PATTERN_STEPS, .is_over = is_over_soon};
    asked = 0;
    assert_int_equal(pattern_find(&p, &m, 0), PATTERN_OVER);
    assert_int_equal(asked, 3);
    assert_true(m.budget > PATTERN_STEPS / 2);
}

static int set_up(void **state)
{
    (void)state;
    L = luaL_newstate();
    luaL_openlibs(L);
    lua_newtable(L);
    strings_open(L);
    lua_setglobal(L, "ours");
    if (luaL_loadstring(L, COMPARE) != 0)
        return -1;
    compare = luaL_ref(L, LUA_REGISTRYINDEX);
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
        cmocka_unit_test(test_known_patterns),
        cmocka_unit_test(test_random_patterns),
        cmocka_unit_test(test_malformed_patterns_are_refused),
        cmocka_unit_test(test_zero_bytes_match),
        cmocka_unit_test(test_steps_are_bounded),
        cmocka_unit_test(test_a_match_asks_whether_time_is_over),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
