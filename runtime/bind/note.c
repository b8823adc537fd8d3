#include "bind/note.h"

#include <lauxlib.h>

#include "bind/scope.h"
#include "bind/tree.h"
#include "vm/state.h"

enum { MAX_TEXT = 1024, MAX_DATA = 16 * 1024 };

int note_add(lua_State *L)
{
    struct str text;
    text.p = luaL_checklstring(L, 1, &text.len);
    if (text.len > MAX_TEXT)
        return luaL_error(L, "wye.note: text is over %d bytes", MAX_TEXT);
    struct scope *scope = scope_of(L, "wye.note");
    struct str where = scope_where(L);
    static struct buf data = BUF(MAX_DATA); /* kept: a Lua error inside tree_write must not leak it */
    buf_reset(&data);
    if (!lua_isnoneornil(L, 2) && tree_write(L, 2, &data) < 0)
        return luaL_error(L, "wye.note: data is over %d bytes as JSON or nested too deeply", MAX_DATA);
    scope->host->note(scope, text, buf_str(&data), where);
    return 0;
}
