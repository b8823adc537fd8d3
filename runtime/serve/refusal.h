/*
 * refusal: an error as the client's protocol writes it, whole and in a stream that has begun.
 *
 * OpenAI's `{"error":{"message","type","param","code"}}`; Anthropic's `{"type":"error","error":{"type","message"},"request_id"}`. Which protocol it is tells
 * the path; elsewhere (/v1/models, unknown paths) the header anthropic-version.
 */
#pragma once

#include "base/buf.h"
#include "bind/view.h"

struct refusal {
    int status;
    const char *code, *param; /* NULL where there is none */
    const char *id;           /* of the request; NULL: none yet */
    struct str words;
};

/* NULL, a head that could not be read: chat. */
enum protocol refusal_protocol(const struct http_head *head);

void refusal_write(struct buf *out, enum protocol protocol, const struct refusal *r);

/* The frame that ends a stream of that protocol. */
void refusal_write_frame(struct buf *out, enum protocol protocol, const struct refusal *r);
