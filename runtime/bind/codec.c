#include "bind/codec.h"

#include <lauxlib.h>

#include "base/json.h"
#include "bind/ask.h"
#include "bind/field.h"
#include "bind/tree.h"
#include "vm/state.h"

enum { MAX_TEXT = 8 << 20 };

/* Kept, so that a Lua error inside leaks nothing. */
static struct arena decoded = ARENA(64 << 20);
static struct buf encoded = BUF(MAX_TEXT);

/* wye.json.decode(text) → value, or nil and err. */
static int decode(lua_State *L)
{
    struct err err;
    struct str text;
    text.p = luaL_checklstring(L, 1, &text.len);
    if (text.len > MAX_TEXT)
        err_set(&err, ERR_LIMIT, "the text is over %d MiB", MAX_TEXT >> 20);
    else if (json_validate(text, &err) == 0) {
        arena_reset(&decoded);
        tree_push(L, text, &decoded);
        return 1;
    } else {
        err.kind = ERR_MALFORMED;
    }
    err.retryable = false;
    return ask_fail(L, &err, 0);
}

/* wye.json.encode(value) → text. */
static int encode(lua_State *L)
{
    luaL_checkany(L, 1);
    buf_reset(&encoded);
    if (tree_write(L, 1, &encoded) < 0)
        return luaL_error(L, "wye.json.encode: the value is over %d MiB as JSON or nested too deeply", MAX_TEXT >> 20);
    lua_pushlstring(L, encoded.p, encoded.len);
    return 1;
}

void codec_open(lua_State *L)
{
    lua_createtable(L, 0, 2);
    field_function(L, "decode", decode);
    field_function(L, "encode", encode);
    vm_lock(L, "wye.json");
}
