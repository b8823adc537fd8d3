/*
 * eventstream: cuts `application/vnd.amazon.eventstream`, in which Bedrock streams, into messages. Pure: bytes in,
 * views out.
 *
 * A message is a prelude (total length, length of the headers, CRC-32 of both, all big-endian), typed headers, a
 * payload, and the CRC-32 of everything before it. The prelude is checked as soon as its 12 bytes are there, so that a
 * broken length is not waited for. The result does not depend on how the stream was cut. Smithy's "Amazon Event Stream".
 *
 *     struct eventstream s; eventstream_init(&s, 0);
 *     struct eventstream_message m; int n;
 *     while ((n = eventstream_next(&s, &bytes, &m)) > 0) read(m.name, m.data);     for each read
 *     if (n < 0) ...s.problem...
 *     at the end of the stream: eventstream_is_cut(&s); eventstream_clear(&s);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

enum { EVENTSTREAM_LIMIT = 1024 * 1024 };

struct eventstream {
    struct buf partial;  /* a message that the input cut */
    size_t limit;        /* of one whole message */
    bool is_yielded;     /* partial holds what the last call handed out */
    const char *problem; /* why the last call returned -1 */
};

enum eventstream_kind {
    EVENTSTREAM_EVENT,     /* `name` is its :event-type, `data` its payload */
    EVENTSTREAM_EXCEPTION, /* an error that the service models: :exception-type and payload */
    EVENTSTREAM_ERROR,     /* any other: :error-code and :error-message */
};

/* Views, valid until the next call and while the input lives. */
struct eventstream_message {
    enum eventstream_kind kind;
    struct str raw;  /* the exact bytes */
    struct str name; /* {NULL, 0} when the header is missing */
    struct str data;
};

/* `limit` is the most bytes that one message may have; 0 means EVENTSTREAM_LIMIT. */
void eventstream_init(struct eventstream *s, size_t limit);
void eventstream_clear(struct eventstream *s);

/*
 * Takes one message from the front of *in, which moves on. Returns 1 with *m, 0 when all of *in was taken and more is
 * needed, -1 when this is no such stream; `problem` then says why, and nothing more can be read.
 */
int eventstream_next(struct eventstream *s, struct str *in, struct eventstream_message *m);

/* True while a message has begun and not ended: at the end of the stream it was cut. */
bool eventstream_is_cut(const struct eventstream *s);
