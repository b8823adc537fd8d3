/*
 * replay_value: what a replay shows of quality by the other rule, estimated by scripts/stats/replayed.lua.
 *
 *     struct replay_value v = REPLAY_VALUE;
 *     replay->each = replay_value_add; replay->each_arg = &v;
 *     ...
 *     replay_value_write(&v, as_json, &out, &err);
 *     replay_value_clear(&v);
 */
#pragma once

#include "trial/replay.h"

enum { REPLAY_VALUE_LINES = 256 * 1024 };

struct replay_value {
    struct analysis *analysis; /* made with the first decision */
    struct buf lines;          /* not yet handed over */
    struct err err;            /* of a failure, after which nothing is added */
};

#define REPLAY_VALUE {.lines = BUF(REPLAY_VALUE_LINES)}

/* A replayed decision, as replay.h's `each` hands it in. */
void replay_value_add(void *arg, const struct captured *c, double weight, struct str was, struct str now);

/* Appends a JSON object, or lines for people. -1 with err. */
int replay_value_write(struct replay_value *v, bool as_json, struct buf *out, struct err *err);
void replay_value_clear(struct replay_value *v);
