/* metric: wye.metric(name, value): a route's own measure of the decision, in the route or in its `after`. */
#pragma once

#include <lua.h>

#include "base/str.h"

int metric_add(lua_State *L);
