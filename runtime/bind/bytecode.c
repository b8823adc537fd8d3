#include "bind/bytecode.h"

#include <xxhash.h>

enum { FLAG_STRIP = 2, KGC_CHILD = 0, KGC_TABLE, KGC_I64, KGC_U64, KGC_COMPLEX, KGC_STRING };
enum { KEY_INT = 3, KEY_NUM, KEY_STRING };

/* Where reading stands; `end` is what it must not pass. */
struct cursor {
    const unsigned char *at, *end;
    bool is_bad;
};

static uint32_t read_uleb(struct cursor *c)
{
    uint32_t n = 0;
    for (int shift = 0; c->at < c->end && shift < 35; shift += 7) {
        unsigned char byte = *c->at++;
        n |= (uint32_t)(byte & 0x7f) << (shift < 32 ? shift : 31);
        if (byte < 0x80)
            return n;
    }
    c->is_bad = true;
    return 0;
}

static void skip(struct cursor *c, size_t bytes)
{
    if (bytes > (size_t)(c->end - c->at))
        c->is_bad = true;
    else
        c->at += bytes;
}

static void skip_key(struct cursor *c)
{
    uint32_t type = read_uleb(c);
    if (type >= KEY_STRING)
        skip(c, type - KEY_STRING);
    for (uint32_t i = KEY_INT; i <= type && type < KEY_STRING; i++)
        read_uleb(c);
}

static uint64_t hash(const unsigned char *from, const struct cursor *to, uint64_t seed)
{
    return XXH64(from, (size_t)(to->at - from), seed);
}

/* The pairs of the hash part are added up, so that their order does not matter. */
static uint64_t hash_table(struct cursor *c, uint64_t seed)
{
    const unsigned char *from = c->at;
    uint32_t items = read_uleb(c), pairs = read_uleb(c);
    for (uint32_t i = 0; i < items && !c->is_bad; i++)
        skip_key(c);
    uint64_t sum = hash(from, c, seed);
    for (uint32_t i = 0; i < pairs && !c->is_bad; i++) {
        from = c->at;
        skip_key(c);
        skip_key(c);
        sum += hash(from, c, 1);
    }
    return sum;
}

static uint64_t hash_constant(struct cursor *c, uint64_t seed)
{
    const unsigned char *from = c->at;
    uint32_t type = read_uleb(c);
    if (type == KGC_TABLE)
        return hash_table(c, seed + 1);
    if (type >= KGC_STRING)
        skip(c, type - KGC_STRING);
    for (int i = 0; i < 4 && (type == KGC_COMPLEX || (i < 2 && (type == KGC_I64 || type == KGC_U64))); i++)
        read_uleb(c);
    return hash(from, c, seed);
}

/* One function: flags, parameters, frame, upvalues; how many constants, numbers and instructions; where it stood; then these, and debug data last. */
static bool hash_function(struct cursor c, int first_line, int last_line, uint64_t *sum)
{
    const unsigned char *from = c.at;
    unsigned upvalues = c.end - c.at > 4 ? c.at[3] : 0;
    skip(&c, 4);
    uint32_t constants = read_uleb(&c), numbers = read_uleb(&c), instructions = read_uleb(&c);
    uint64_t h = hash(from, &c, *sum);
    (void)numbers;
    uint32_t debug = read_uleb(&c), line = 0, lines = 0;
    if (debug > 0) {
        line = read_uleb(&c);
        lines = read_uleb(&c);
    }
    if (c.is_bad || debug > (size_t)(c.end - c.at))
        return false;
    c.end -= debug;
    if ((int)line < first_line || (int)(line + lines) > last_line)
        return true;
    from = c.at;
    skip(&c, (size_t)instructions * 4 + (size_t)upvalues * 2);
    h = hash(from, &c, h);
    for (uint32_t i = 0; i < constants && !c.is_bad; i++)
        h = hash_constant(&c, h);
    *sum = c.is_bad ? 0 : XXH64(c.at, (size_t)(c.end - c.at), h);
    return !c.is_bad;
}

bool bytecode_checksum(struct str dump, int first_line, int last_line, uint64_t *sum)
{
    static const char MAGIC[] = "\033LJ\002";
    struct cursor c = {(const unsigned char *)dump.p, (const unsigned char *)dump.p + dump.len, false};
    *sum = 0;
    if (!str_starts(dump, MAGIC))
        return false;
    skip(&c, sizeof MAGIC - 1);
    if (read_uleb(&c) & FLAG_STRIP)
        return false;
    skip(&c, read_uleb(&c));
    for (uint32_t len; (len = read_uleb(&c)) != 0 && !c.is_bad;) {
        const unsigned char *next = c.at + len;
        if (len > (size_t)(c.end - c.at) || !hash_function((struct cursor){c.at, next, false}, first_line, last_line, sum))
            return false;
        c.at = next;
    }
    return !c.is_bad;
}
