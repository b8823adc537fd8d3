/*
 * recall: the exact response cache, for routes that return `{ model, ..., cache = seconds }`.
 *
 * Two requests are the same when the models of the list, what those change, and the body are, whatever its blanks and the order of its members;
 * `model`, `stream`, `stream_options`, `user`, `safety_identifier` and `metadata` do not count. Only whole answers of one model are kept, that ended by themselves (`stop`,
 * `tool_calls`), from streams as well (transcript.h says which); what is kept serves streams and whole answers alike. It lies in shared memory: limits.cache_mb.
 * `x-wye-cache` says hit or miss where the route asked for the cache, off where it has no room or the body is not to be told apart.
 */
#pragma once

#include "base/buf.h"

struct request;
struct model;

enum recall { RECALL_UNASKED, RECALL_OFF, RECALL_MISS, RECALL_HIT };

enum { RECALL_KEY = 32 };

/* The kept completion into the arena and the model that it is of: true. Else the request remembers its key for recall_keep. */
bool recall_find(struct request *rq, const struct model **model, struct str *completion);

/* Would an answer be kept? */
bool recall_wants(const struct request *rq);

/* Keeps a provider's completion after a miss; nothing otherwise. */
void recall_keep(struct request *rq, const struct model *model, struct str completion);

/* "x-wye-cache: hit\r\n" and so on; "" when the route did not ask. */
const char *recall_field(const struct request *rq);
