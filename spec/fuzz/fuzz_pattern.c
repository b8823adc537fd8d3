/*
 * fuzz_pattern: the bounded matcher beside LuaJIT's own string.find.
 *
 * The input is a pattern, a zero byte and a subject. Any input must end within its steps; where both
 * answer (ours refuses malformed patterns earlier, LuaJIT ends patterns at a zero byte) they must agree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "vm/pattern.h"

enum { STEPS = 20000, LONGEST = 96 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* LuaJIT's (start, end) or (0, 0) for none; false when it raises. */
static bool stock_find(struct str subject, struct str pattern, size_t *start, size_t *end)
{
    static lua_State *L;
    if (L == NULL) {
        L = luaL_newstate();
        luaL_openlibs(L);
    }
    lua_settop(L, 0);
    lua_getglobal(L, "string");
    lua_getfield(L, 1, "find");
    lua_pushlstring(L, subject.p, subject.len);
    lua_pushlstring(L, pattern.p, pattern.len);
    if (lua_pcall(L, 2, 2, 0) != 0)
        return false;
    *start = (size_t)lua_tointeger(L, -2);
    *end = (size_t)lua_tointeger(L, -1);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *zero = memchr(bytes, 0, size);
    if (zero == NULL)
        return 0;
    struct str source = str_n((const char *)bytes, (size_t)(zero - bytes));
    struct str subject = str_n((const char *)zero + 1, size - source.len - 1);
    struct pattern p;
    const char *why;
    if (pattern_compile(&p, source, true, &why) < 0)
        return 0;
    struct pattern_match m = {.subject = subject, .budget = STEPS};
    enum pattern_result result = pattern_find(&p, &m, 0);
    size_t start, end;
    if (result == PATTERN_OVER || size > LONGEST || !stock_find(subject, source, &start, &end))
        return 0;
    if (result == PATTERN_NONE ? start != 0 : start != m.start + 1 || end != m.end)
        abort();
    return 0;
}
