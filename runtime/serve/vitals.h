/*
 * vitals: what attempts tell of models and of providers' keys (policy/health.h), and what a request asks about them.
 *
 * A key is cooled by what concerns all its models: its provider refuses it or, where the provider has several, limits it. All else counts for the model
 * alone; what the client got wrong counts for nobody.
 */
#pragma once

#include "policy/health.h"

struct attempt;
struct credential;
struct generation;
struct model;
struct request;
struct router;

/* Finds the generation's models and keys in the shared region, or makes room for them. */
void vitals_open(struct router *r, struct generation *g);

struct health_target *vitals_of(const struct request *rq, const struct model *model);

/* The operator took it out of service. */
bool vitals_is_drained(const struct request *rq, const struct model *model);

/* May the model be called now, by its own health and a key's, and by which key? */
enum health_pick vitals_pick(const struct request *rq, const struct model *model, uint64_t now, struct credential **key);

/* Until both may be called or probed again; 0: now. */
uint64_t vitals_cooling_ms(const struct request *rq, const struct model *model, uint64_t now);

/* What 95 % of its buffered replies took lately; 0 while there are too few to say. */
unsigned vitals_p95_ms(const struct request *rq, const struct model *model);

/* Around the call of an attempt (of a client's request: shadows say nothing to health); `committed` at a stream's first content, which is its success. */
void vitals_began(const struct attempt *a);
void vitals_committed(const struct attempt *a);
void vitals_ended(const struct attempt *a);
