/*
 * keyring: which of a provider's keys a call uses.
 *
 * Keys take turns, so that their limits are used evenly. One that its provider refused or limited cools (policy/health.h) and is left out, then probed by one call
 * at a time; the call that met it goes on with the next key, of the same model. When all of them cool, the one that may be called first again is
 * used: a request never fails for want of a key that could be tried. A provider with one key costs none of this.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "policy/health.h"

struct attempt;
struct credential;
struct model;
struct request;

/* A key that is not of `tried` (a bit for each) and does not cool, and how it was picked; NULL when there is none. */
struct credential *keyring_pick(const struct request *rq, const struct model *model, uint32_t tried, uint64_t now, enum health_pick *how);

/* Until one of the keys may be called or probed; 0: now. */
uint64_t keyring_cooling_ms(const struct request *rq, const struct model *model, uint64_t now);

/* Sets the attempt's key: the one that its options name, or the best there is. */
void keyring_use(struct attempt *a);

/* The key to go on with after a failure that was the key's; NULL when it was not, or no other is left. */
struct credential *keyring_next(const struct attempt *a);

/* The provider has several keys. */
bool keyring_has_more(const struct attempt *a);

/* The attempt failed by its key. Where there are others it rests at once, for as long as the provider said or else that long. */
void keyring_failed(const struct attempt *a, unsigned rest_ms);

/* 1 for the first key; 0 when the provider has only one. */
int keyring_index(const struct attempt *a);
