/*
 * admission: room for one more request, judged and counted when its head is there, before its body is read; given back when its exchange
 * is over, however it ends.
 *
 * limits.concurrent and limits.in_flight_mb hold over all workers: two sums in shared memory, with each worker's part in its slot, so that
 * the master takes back what a dead worker held. limits.adaptive (pace.h) is each worker's own. What does not fit gets 503 and Retry-After.
 *
 * The exchange's ticket is the bytes counted for it, plus one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct exchange;
struct request;
struct router;

/* A generation went live: its limits apply to what comes next. */
void admission_use(struct router *r);

/* Lets the request in, or answers and returns false. */
bool admission_enter(struct router *r, struct exchange *x);

/* The same for a body without a length that has grown to `size`. */
bool admission_grow(struct router *r, struct exchange *x, size_t size);

void admission_leave(struct router *r, struct exchange *x);

/* Learns from the time that a request took which a model has served. */
void admission_served(const struct request *rq);
