#include "bind/metric.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "bind/after.h"
#include "bind/scope.h"

enum { MAX_NAME = 63 };

int metric_add(lua_State *L)
{
    static const char BYTES[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    struct str name;
    name.p = luaL_checklstring(L, 1, &name.len);
    double value = lua_isboolean(L, 2) ? lua_toboolean(L, 2) : luaL_checknumber(L, 2);
    if (name.len == 0 || name.len > MAX_NAME || strspn(name.p, BYTES) != name.len)
        return luaL_error(L, "wye.metric: a name has 1 to %d letters, digits and . _ -", MAX_NAME);
    if (!isfinite(value))
        return luaL_error(L, "wye.metric: the value is no finite number");
    const struct outcome *after = after_outcome();
    if (after) {
        if (after->metric)
            after->metric(after->ctx, name, value);
        return 0;
    }
    struct scope *scope = scope_of(L, "wye.metric");
    if (scope->host->metric)
        scope->host->metric(scope, name, value);
    return 0;
}
