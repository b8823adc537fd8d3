/*
 * units: which generation serves a request while a canary is under way (policy/canary.h): by its user, else its conversation, else its key, else by
 * itself. Without a canary both calls are a load and a branch.
 *
 * Limits that hold before a request has a unit (body, concurrent) are the live generation's; so are kv_mb and cache_mb, and the weights of
 * experiments that both generations have.
 */
#pragma once

struct request;

/* Once the request is read and its key known, before its route is looked up. */
void units_choose(struct request *rq);

/* In its one exit. */
void units_count(const struct request *rq);
