/*
 * gather: wye.gather(models, req, opts) → the replies, in the order of the models that answered; the errors.
 *
 * All are asked at once. It ends when all have, when opts.n answered, when opts["until"](reply) is true, or at opts.timeout; whoever still works
 * then is stopped. `until` runs in the script's time and cannot wait.
 */
#pragma once

#include <lua.h>

int gather_models(lua_State *L);
