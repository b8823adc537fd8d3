/*
 * pick: model:pick(req, drafts, opts) → { index, reason, p }, or nil and err.
 *
 * A judge reads the request and all drafts and names the best as structured output. Judges favour a position, so it is asked twice at once, the
 * second time in reverse order (opts.swap = false asks once); when the two disagree draft opts.tie wins, the first unless given.
 */
#pragma once

#include <lua.h>

int pick_draft(lua_State *L);
