/*
 * continuation: another model goes on where a stream broke off, for routes that return `{ ..., continue = true }`.
 *
 * It is asked what the client asked, then told what was sent already as its own words, and to go on from there. Its frames reach the client as the same
 * message: ids and model of the first chunk, no second role, one end, and the usage of all calls in one sum. A stream goes on only as text: not in the midst of
 * tool calls, of JSON that the client asked for, of several choices, or once it said why it ended.
 */
#pragma once

#include <stdbool.h>

#include "serve/attempt.h"

/* May a stream of this request go on elsewhere? Then its transcript is kept. */
bool continuation_is_wanted(const struct request *rq);

/* May what was sent of this failed attempt be gone on from? */
bool continuation_is_possible(const struct attempt *a);

/* The attempt broke off and `next` goes on: what it cost is estimated where its provider did not say, and the trace told. Before it is recorded. */
void continuation_begin(struct attempt *a, const struct model *next);

/* The edits to the client's body that ask the model to go on; 0: none are needed. -1 when memory is used up. */
int continuation_edits(struct request *rq, const struct model *model, const struct json_edit **edits);

/* Frames of the model that goes on, as frames of the message that was begun. */
void continuation_retell(struct request *rq, struct str frames, struct buf *out);
