#include "trace/spanid.h"

#include <xxhash.h>

char *spanid_put(struct str id, int n, char out[SPANID_DIGITS + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t hash = XXH3_64bits_withSeed(id.p, id.len, (XXH64_hash_t)n) | 1;
    for (int i = SPANID_DIGITS - 1; i >= 0; i--, hash >>= 4)
        out[i] = digits[hash & 15];
    out[SPANID_DIGITS] = '\0';
    return out;
}
