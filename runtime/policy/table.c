#include "policy/table.h"

#include <string.h>
#include <xxhash.h>

#include "base/shm.h"
#include "policy/lock.h"

enum { WAYS = 8, ALIGN = 32, RECORDS_PER_BUCKET = 2, KEY_MOST = 256, FILLER = 0xffff, POSITION_BITS = 48 };

/* Positions count bytes since the beginning and never wrap; where one lies in the ring is its remainder. */
struct record {
    uint64_t hash;
    _Atomic uint64_t until_ms; /* 0: forever */
    uint32_t size;             /* of the whole, aligned */
    uint32_t value_len;
    uint16_t key_len;          /* FILLER: nothing, up to the ring's end */
    uint8_t kind;
    _Alignas(8) char bytes[]; /* value, then key: numbers stand aligned */
};

struct shard {
    struct lock lock;
    uint64_t capacity;        /* bytes of the ring in use */
    _Atomic uint64_t head, tail;
    uint64_t entries, evictions;
    _Atomic uint64_t *index;  /* WAYS to a bucket: 16 bits of the hash above the position + 1; 0: free */
    uint64_t buckets;
    char *ring;
};

struct table {
    size_t size;
    _Atomic uint64_t bytes;
    unsigned count;
    unsigned record_bytes;
    uint64_t most; /* of one shard */
    struct shard shards[];
};

/* ---- making ---- */

/* A bucket has WAYS and holds 2 to 4 records on average, so that hardly any is lost for want of a way. */
static uint64_t buckets_for(uint64_t capacity, unsigned record_bytes)
{
    uint64_t n = 16;
    while (2 * n * RECORDS_PER_BUCKET * record_bytes < capacity)
        n *= 2;
    return n;
}

struct table *table_new(unsigned shards, uint64_t most_bytes, unsigned record_bytes)
{
    uint64_t most = most_bytes / shards / ALIGN * ALIGN;
    size_t index = buckets_for(most, record_bytes) * WAYS * sizeof(uint64_t);
    size_t head = sizeof(struct table) + shards * sizeof(struct shard);
    head = (head + 63) / 64 * 64;
    size_t size = head + shards * (index + most);
    struct table *t = shm_new(size);
    t->size = size;
    t->count = shards;
    t->record_bytes = record_bytes;
    t->most = most;
    char *at = (char *)t + head;
    for (unsigned i = 0; i < shards; i++, at += index + most) {
        lock_init(&t->shards[i].lock);
        t->shards[i].index = (void *)at;
        t->shards[i].ring = at + index;
    }
    return t;
}

void table_free(struct table *t)
{
    if (t)
        shm_free(t, t->size);
}

/* ---- inside a shard ---- */

static struct record *at(const struct shard *s, uint64_t position)
{
    return (void *)(s->ring + position % s->capacity);
}

static uint64_t word_of(uint64_t hash, uint64_t position)
{
    return (hash >> POSITION_BITS) << POSITION_BITS | ((position / ALIGN + 1) & ((1ull << POSITION_BITS) - 1));
}

static uint64_t position_of(uint64_t word)
{
    return ((word & ((1ull << POSITION_BITS) - 1)) - 1) * ALIGN;
}

static _Atomic uint64_t *bucket_of(const struct shard *s, uint64_t hash)
{
    return &s->index[(hash & (s->buckets - 1)) * WAYS];
}

static bool is_alive(const struct shard *s, uint64_t word)
{
    return word && position_of(word) >= s->tail && position_of(word) < s->head;
}

static void recount(struct shard *s)
{
    s->entries = 0;
    for (uint64_t i = 0; i < s->buckets * WAYS; i++)
        s->entries += is_alive(s, s->index[i]);
}

/* The entry of the key's record; NULL when there is none. */
static _Atomic uint64_t *find(const struct shard *s, struct str key, uint64_t hash)
{
    _Atomic uint64_t *bucket = bucket_of(s, hash);
    for (int i = 0; i < WAYS; i++) {
        uint64_t word = bucket[i];
        if (word >> POSITION_BITS != hash >> POSITION_BITS || !is_alive(s, word))
            continue;
        const struct record *r = at(s, position_of(word));
        if (r->hash == hash && r->key_len == key.len && memcmp(r->bytes + r->value_len, key.p, key.len) == 0)
            return &bucket[i];
    }
    return NULL;
}

static void unlink_record(struct shard *s, uint64_t hash, uint64_t position)
{
    _Atomic uint64_t *bucket = bucket_of(s, hash);
    for (int i = 0; i < WAYS; i++) {
        if (bucket[i] != word_of(hash, position))
            continue;
        bucket[i] = 0;
        s->entries--;
        s->evictions++;
    }
}

static void evict_oldest(struct shard *s)
{
    uint64_t tail = s->tail;
    const struct record *r = at(s, tail);
    if (r->key_len != FILLER)
        unlink_record(s, r->hash, tail);
    s->tail = tail + r->size;
}

static void make_room(struct shard *s, uint64_t size)
{
    while (s->head + size - s->tail > s->capacity)
        evict_oldest(s);
}

/* A place for `size` bytes in one piece at the head. */
static struct record *claim(struct shard *s, uint32_t size)
{
    uint64_t rest = s->capacity - s->head % s->capacity;
    if (rest < size) {
        make_room(s, rest);
        struct record *filler = at(s, s->head);
        filler->size = (uint32_t)rest; /* a rest is ALIGN at least: room for these two */
        filler->key_len = FILLER;
        s->head += rest;
    }
    make_room(s, size);
    return at(s, s->head);
}

/* In place of the key's old record, else in a free way, else in that of the oldest. */
static void enter(struct shard *s, struct str key, uint64_t hash, uint64_t position)
{
    _Atomic uint64_t *place = find(s, key, hash), *bucket = bucket_of(s, hash);
    if (place == NULL) {
        place = bucket;
        for (int i = 0; i < WAYS && is_alive(s, *place); i++)
            if (!is_alive(s, bucket[i]) || position_of(bucket[i]) < position_of(*place))
                place = &bucket[i];
        if (is_alive(s, *place))
            s->evictions++;
        else
            s->entries++;
    }
    *place = word_of(hash, position);
}

static uint64_t whole_size(struct str key, struct str value)
{
    return (sizeof(struct record) + value.len + key.len + ALIGN - 1) / ALIGN * ALIGN;
}

static enum table_result put(struct shard *s, struct str key, uint64_t hash, uint8_t kind, struct str value, uint64_t until_ms)
{
    uint64_t size = whole_size(key, value);
    if (key.len > KEY_MOST || size > s->capacity / 4)
        return TABLE_TOO_LARGE;
    struct record *r = claim(s, (uint32_t)size);
    r->hash = hash;
    r->until_ms = until_ms;
    r->size = (uint32_t)size;
    r->value_len = (uint32_t)value.len;
    r->key_len = (uint16_t)key.len;
    r->kind = kind;
    memcpy(r->bytes, value.p ? value.p : "", value.len);
    memcpy(r->bytes + value.len, key.p, key.len);
    uint64_t position = s->head;
    s->head = position + size;
    enter(s, key, hash, position);
    return TABLE_OK;
}

/* ---- shards ---- */

static struct shard *open_shard(struct table *t, struct str key, uint64_t *hash)
{
    *hash = XXH3_64bits(key.p, key.len);
    struct shard *s = &t->shards[(*hash >> 32) % t->count];
    if (lock_take(&s->lock))
        recount(s);
    return s;
}

static void forget(struct shard *s, uint64_t capacity, unsigned record_bytes)
{
    s->tail = s->head; /* from here on no entry is alive */
    s->entries = 0;
    s->capacity = capacity;
    s->buckets = buckets_for(capacity, record_bytes);
}

void table_resize(struct table *t, uint64_t bytes)
{
    if (atomic_exchange(&t->bytes, bytes) == bytes)
        return;
    uint64_t each = bytes / t->count / ALIGN * ALIGN;
    for (unsigned i = 0; i < t->count; i++) {
        struct shard *s = &t->shards[i];
        lock_take(&s->lock);
        forget(s, each > t->most ? t->most : each, t->record_bytes);
        lock_drop(&s->lock);
    }
}

/* The live record of the key, moved to the head when it is old; NULL when there is none. */
static struct record *use(struct shard *s, struct str key, uint64_t hash, uint64_t now_ms)
{
    if (s->capacity == 0)
        return NULL;
    _Atomic uint64_t *entry = find(s, key, hash);
    if (entry == NULL)
        return NULL;
    uint64_t position = position_of(*entry);
    struct record *r = at(s, position);
    if (r->until_ms && r->until_ms <= now_ms)
        return NULL;
    if (s->head - position < s->capacity / 2)
        return r;
    static char copy[1 << 20]; /* one thread to a process */
    uint32_t len = r->value_len;
    if (len > sizeof copy)
        return r;
    memcpy(copy, r->bytes, len);
    put(s, key, hash, r->kind, str_n(copy, len), r->until_ms);
    return at(s, position_of(*find(s, key, hash)));
}

static uint64_t end_of(uint64_t ttl_ms, uint64_t now_ms)
{
    return ttl_ms ? now_ms + ttl_ms : 0;
}

enum table_result table_set(struct table *t, struct str key, uint8_t kind, struct str value, uint64_t ttl_ms, uint64_t now_ms)
{
    uint64_t hash;
    struct shard *s = open_shard(t, key, &hash);
    enum table_result result = s->capacity ? put(s, key, hash, kind, value, end_of(ttl_ms, now_ms)) : TABLE_TOO_LARGE;
    lock_drop(&s->lock);
    return result;
}

enum table_result table_get(struct table *t, struct str key, uint64_t now_ms, uint8_t *kind, struct buf *out)
{
    uint64_t hash;
    struct shard *s = open_shard(t, key, &hash);
    const struct record *r = use(s, key, hash, now_ms);
    enum table_result result = r ? TABLE_OK : TABLE_ABSENT;
    if (r && buf_append(out, r->bytes, r->value_len) < 0)
        result = TABLE_TOO_LARGE;
    if (r)
        *kind = r->kind;
    lock_drop(&s->lock);
    return result;
}

static enum table_result add_to(struct record *r, uint8_t kind, double n, double *sum)
{
    if (r->kind != kind || r->value_len != sizeof *sum)
        return TABLE_WRONG_KIND;
    memcpy(sum, r->bytes, sizeof *sum);
    *sum += n;
    memcpy(r->bytes, sum, sizeof *sum);
    return TABLE_OK;
}

enum table_result table_add(struct table *t, struct str key, uint8_t kind, double n, uint64_t ttl_ms, uint64_t now_ms, double *sum)
{
    uint64_t hash;
    struct shard *s = open_shard(t, key, &hash);
    struct record *r = use(s, key, hash, now_ms);
    enum table_result result;
    if (r) {
        result = add_to(r, kind, n, sum);
    } else {
        *sum = n;
        result = s->capacity ? put(s, key, hash, kind, str_n((const char *)sum, sizeof *sum), end_of(ttl_ms, now_ms)) : TABLE_TOO_LARGE;
    }
    lock_drop(&s->lock);
    return result;
}

enum table_result table_expire(struct table *t, struct str key, uint64_t ttl_ms, uint64_t now_ms)
{
    uint64_t hash;
    struct shard *s = open_shard(t, key, &hash);
    struct record *r = use(s, key, hash, now_ms);
    if (r)
        r->until_ms = end_of(ttl_ms, now_ms);
    lock_drop(&s->lock);
    return r ? TABLE_OK : TABLE_ABSENT;
}

enum table_result table_delete(struct table *t, struct str key, uint64_t now_ms)
{
    uint64_t hash;
    struct shard *s = open_shard(t, key, &hash);
    struct record *r = use(s, key, hash, now_ms);
    if (r) {
        *find(s, key, hash) = 0;
        s->entries--;
    }
    lock_drop(&s->lock);
    return r ? TABLE_OK : TABLE_ABSENT;
}

struct table_counts table_counts(struct table *t)
{
    struct table_counts sum = {0, 0};
    for (unsigned i = 0; i < t->count; i++) {
        struct shard *s = &t->shards[i];
        if (lock_take(&s->lock))
            recount(s);
        sum.entries += s->entries;
        sum.evictions += s->evictions;
        lock_drop(&s->lock);
    }
    return sum;
}
