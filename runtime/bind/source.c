#include "bind/source.h"

#include <lauxlib.h>
#include <limits.h>
#include <string.h>
#include <xxhash.h>

#include "base/buf.h"
#include "bind/bytecode.h"
#include "bind/model.h"
#include "vm/manifest.h"
#include "vm/state.h"

enum { DUMP_MOST = 16 << 20 };

static int write_dump(lua_State *L, const void *p, size_t size, void *arg)
{
    (void)L;
    return buf_append(arg, p, size);
}

/* Of the file as it is written: what runs carries the places of its returns. */
static uint64_t checksum_file(lua_State *L, const lua_Debug *d, bool is_whole)
{
    static struct buf dump = BUF(DUMP_MOST); /* kept: a Lua error must not leak it */
    struct vm *vm = vm_of(L);
    size_t label = strlen(manifest_label(vm->files));
    const char *path = d->source[0] == '@' && strlen(d->source) > label + 2 ? d->source + label + 2 : "";
    struct str text = manifest_read(vm->files, path, NULL);
    uint64_t sum = 0;
    buf_reset(&dump);
    if (text.p == NULL || luaL_loadbufferx(L, text.p, text.len, d->source, "t") != 0)
        luaL_error(L, "the source of a rule cannot be read again: %s", d->short_src);
    bool is_good = lua_dump(L, write_dump, &dump) == 0 &&
                   bytecode_checksum(buf_str(&dump), is_whole ? 0 : d->linedefined, is_whole ? INT_MAX : d->lastlinedefined, &sum);
    lua_pop(L, 1);
    if (!is_good)
        luaL_error(L, "the code of %s is too large for a checksum", d->short_src);
    return sum;
}

static uint64_t checksum_surroundings(lua_State *L, int index, uint64_t sum)
{
    for (int i = 1; lua_getupvalue(L, index, i); i++) {
        const struct model *model = model_at(L, -1);
        int type = lua_type(L, -1);
        if (model) {
            sum = XXH64(model->id, strlen(model->id), sum);
        } else if (type == LUA_TNUMBER || type == LUA_TSTRING) {
            size_t len;
            lua_pushvalue(L, -1);
            const char *text = lua_tolstring(L, -1, &len);
            sum = XXH64(text, len, sum);
            lua_pop(L, 1);
        } else if (type == LUA_TBOOLEAN) {
            sum += (uint64_t)lua_toboolean(L, -1);
        }
        lua_pop(L, 1);
    }
    return sum;
}

uint64_t source_checksum(lua_State *L, int index)
{
    lua_Debug here = {0}, rule;
    index = index < 0 ? lua_gettop(L) + index + 1 : index;
    if (lua_getstack(L, 1, &here))
        lua_getinfo(L, "S", &here);
    lua_pushvalue(L, index);
    lua_getinfo(L, ">S", &rule);
    if (rule.what[0] == 'C')
        return 0;
    bool is_foreign = here.source == NULL || strcmp(here.source, rule.source) != 0;
    uint64_t sum = checksum_file(L, &rule, is_foreign);
    return is_foreign ? sum : checksum_surroundings(L, index, sum);
}
