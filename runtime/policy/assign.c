#include "policy/assign.h"

#include <openssl/evp.h>

enum { SHA1_BYTES = 20, HASH_BITS = 60 };

/* Kept: finding the algorithm takes longer than the hash. */
static EVP_MD_CTX *hashing(void)
{
    static EVP_MD *sha1;
    static EVP_MD_CTX *ctx;
    if (ctx == NULL) {
        sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
        ctx = EVP_MD_CTX_new();
    }
    EVP_DigestInit_ex(ctx, sha1, NULL);
    return ctx;
}

uint64_t assign_hash(struct str salt, struct str unit)
{
    unsigned char digest[SHA1_BYTES];
    EVP_MD_CTX *c = hashing();
    EVP_DigestUpdate(c, salt.p, salt.len);
    EVP_DigestUpdate(c, ".arm.", 5);
    EVP_DigestUpdate(c, unit.p, unit.len);
    EVP_DigestFinal_ex(c, digest, NULL);
    uint64_t hash = 0;
    for (int i = 0; i < 8; i++)
        hash = hash << 8 | digest[i];
    return hash >> (64 - HASH_BITS);
}

int assign_arm(const double *weights, int count, double share)
{
    double end = 0;
    for (int i = 0; i < count - 1; i++)
        if (share < (end += weights[i]))
            return i;
    return count - 1;
}
