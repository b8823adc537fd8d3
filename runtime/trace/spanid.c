#include "trace/spanid.h"

#include <xxhash.h>

#include "base/hex.h"

char *spanid_put(struct str id, int n, char out[SPANID_DIGITS + 1])
{
    uint64_t hash = XXH3_64bits_withSeed(id.p, id.len, (XXH64_hash_t)n) | 1;
    hex_put(hash, out);
    out[SPANID_DIGITS] = '\0';
    return out;
}
