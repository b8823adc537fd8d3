/*
 * table: a bounded map from short keys to bytes, in shared memory. Under wye.kv and the response cache.
 *
 * Each shard is a ring of records and an index into it, under a robust lock. New records go to the head, the oldest go from the tail when room is
 * needed; one in the oldest half that is used moves to the head first, so that what is used stays. Every store leaves the shard consistent (a record is whole before the
 * head passes it, an index entry is one word), so that whoever dies inside loses at most what it was writing.
 *
 * How much of the ring is used can change while the server runs (table_resize): what was stored is forgotten then.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct table;

enum table_result { TABLE_OK, TABLE_ABSENT, TABLE_TOO_LARGE, TABLE_WRONG_KIND };

/* At most `most_bytes` (rounded down to shards), of records of about `record_bytes`; nothing is stored before table_resize. Before the fork. */
struct table *table_new(unsigned shards, uint64_t most_bytes, unsigned record_bytes);
void table_free(struct table *t);

/* 0: store nothing. Nothing happens when it is that size already. */
void table_resize(struct table *t, uint64_t bytes);

/* Times are monotonic milliseconds. `kind` is the caller's (1 to 255). `ttl_ms` 0: until it is evicted. */
enum table_result table_set(struct table *t, struct str key, uint8_t kind, struct str value, uint64_t ttl_ms, uint64_t now_ms);

/* Appends the value to `out` (which may then be full: TABLE_TOO_LARGE) and tells its kind. */
enum table_result table_get(struct table *t, struct str key, uint64_t now_ms, uint8_t *kind, struct buf *out);

/* Adds to a number (8 bytes, a double, of that kind) in place, which begins at 0; its life is set only when it begins. */
enum table_result table_add(struct table *t, struct str key, uint8_t kind, double n, uint64_t ttl_ms, uint64_t now_ms, double *sum);

/* Sets what is left of its life (0: forever). */
enum table_result table_expire(struct table *t, struct str key, uint64_t ttl_ms, uint64_t now_ms);
enum table_result table_delete(struct table *t, struct str key, uint64_t now_ms);

struct table_counts {
    uint64_t entries, evictions; /* entries count until they are evicted or replaced, expired or not */
};
struct table_counts table_counts(struct table *t);
