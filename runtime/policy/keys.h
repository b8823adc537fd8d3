/*
 * keys: the client keys, in shared memory, as the key file has them. Workers look secrets up; the master before the fork and the admin process after it write.
 *
 * A key keeps its slot for the life of the server: revoking marks it. What a slot says is written before it is marked live and never changes after, so that
 * readers need no lock. Only SHA-256 digests of secrets are kept.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "policy/quota.h"

enum { KEYS_SLOTS = 4096, KEYS_MOST = 3072, KEY_NAME = 64, KEY_DIGEST = 32, KEY_SECRET = 4 + 32 };

enum key_state { KEY_FREE, KEY_LIVE, KEY_REVOKED };

struct key {
    unsigned char digest[KEY_DIGEST];
    char name[KEY_NAME];
    struct quota_limits limits;
    struct quota quota;
};

struct keys {
    _Atomic unsigned live; /* 0: no key is asked for. All zeros is a valid beginning. */
    _Atomic int states[KEYS_SLOTS]; /* enum key_state; apart, so that looking through them touches little memory */
    struct key slots[KEYS_SLOTS]; /* by digest, linear probing */
};

/* Takes over what the state directory's key file says; how many are live, or -1 with err. One process at a time. */
int keys_load(struct keys *k, const char *state_dir, struct err *err);

static inline bool keys_are_asked(const struct keys *k)
{
    return atomic_load_explicit(&k->live, memory_order_relaxed) > 0;
}

/* The live key of that secret, or NULL. */
struct key *keys_find(struct keys *k, struct str secret);

/* Where it stands in `slots`, for the life of the server. */
static inline unsigned keys_place(const struct keys *k, const struct key *key)
{
    return (unsigned)(key - k->slots);
}

/* A worker died: settles what it held of every key. */
void keys_forget(struct keys *k, unsigned worker);
