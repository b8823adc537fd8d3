/*
 * retell: a chat completion that wye already holds (a route's reply, a kept answer) in the words of the client's protocol.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct request;

/* Appends a body, or all frames of a stream where the client wants one. -1 with err. */
int retell(struct request *rq, struct str completion, struct buf *out, struct err *err);
