#include "policy/keys.h"

#include <string.h>

#include "policy/keyfile.h"

static int state_of(const struct keys *k, const struct key *key)
{
    return atomic_load_explicit(&k->states[key - k->slots], memory_order_acquire);
}

static void set_state(struct keys *k, const struct key *key, enum key_state state)
{
    atomic_store_explicit(&k->states[key - k->slots], state, memory_order_release);
}

/* The digest's slot, or the free one where it belongs; NULL when all are taken. */
static struct key *slot_of(struct keys *k, const unsigned char *digest)
{
    size_t at;
    memcpy(&at, digest, sizeof at);
    for (int i = 0; i < KEYS_SLOTS; i++) {
        struct key *key = &k->slots[(at + (size_t)i) % KEYS_SLOTS];
        if (state_of(k, key) == KEY_FREE || memcmp(key->digest, digest, KEY_DIGEST) == 0)
            return key;
    }
    return NULL;
}

static int take(struct keys *k, const struct keyfile_entry *e, struct err *err)
{
    struct key *key = slot_of(k, e->digest);
    if (key == NULL)
        return err_set(err, ERR_LIMIT, "more than %d keys were added since this server began: restart it", KEYS_SLOTS);
    if (state_of(k, key) == KEY_FREE) {
        quota_init(&key->quota);
        memcpy(key->digest, e->digest, KEY_DIGEST);
        memcpy(key->name, e->name, KEY_NAME);
        key->limits = e->limits;
    }
    set_state(k, key, KEY_LIVE);
    return 0;
}

static bool is_in(const struct keyfile *f, const struct key *key)
{
    for (int i = 0; i < f->count; i++)
        if (memcmp(f->entries[i].digest, key->digest, KEY_DIGEST) == 0)
            return true;
    return false;
}

static unsigned drop_rest(struct keys *k, const struct keyfile *f)
{
    unsigned live = 0;
    for (int i = 0; i < KEYS_SLOTS; i++) {
        struct key *key = &k->slots[i];
        if (state_of(k, key) != KEY_LIVE)
            continue;
        if (is_in(f, key))
            live++;
        else
            set_state(k, key, KEY_REVOKED);
    }
    return live;
}

int keys_load(struct keys *k, const char *state_dir, struct err *err)
{
    struct keyfile f;
    if (keyfile_read(&f, state_dir, err) < 0)
        return -1;
    int result = 0;
    for (int i = 0; i < f.count && result == 0; i++)
        result = take(k, &f.entries[i], err);
    unsigned live = drop_rest(k, &f);
    atomic_store(&k->live, live);
    keyfile_clear(&f);
    return result < 0 ? -1 : (int)live;
}

struct key *keys_find(struct keys *k, struct str secret)
{
    unsigned char digest[KEY_DIGEST];
    if (secret.len != KEY_SECRET)
        return NULL;
    keyfile_digest(secret, digest);
    struct key *key = slot_of(k, digest);
    return key && state_of(k, key) == KEY_LIVE ? key : NULL;
}

void keys_forget(struct keys *k, unsigned worker)
{
    for (int i = 0; i < KEYS_SLOTS; i++)
        if (state_of(k, &k->slots[i]) != KEY_FREE)
            quota_forget(&k->slots[i].quota, worker);
}
