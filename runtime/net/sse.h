/*
 * sse: cuts a provider's event stream into events without changing a byte. Pure: bytes in, views out.
 *
 * Every byte that goes in comes out in exactly one event's `raw`, in order, so that a stream of the same
 * protocol is passed on by writing `raw`; `name` and `data` are for whoever reads it. The result does not depend
 * on how the stream was cut. Line ends are LF, CRLF or CR; a CR at the end of the input waits for the
 * byte after it. WHATWG HTML section 9.2.
 *
 *     struct sse s; sse_init(&s, 0);
 *     struct sse_event e; int n;
 *     while ((n = sse_next(&s, &bytes, &e)) > 0) write(e.raw);     for each read
 *     if (sse_end(&s, &e) > 0) write(e.raw); else write(sse_pending(&s));
 *     sse_clear(&s);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

enum { SSE_LIMIT = 1024 * 1024 };

struct sse {
    struct buf partial; /* an event that the input cut */
    struct buf joined;  /* the data of an event with several data lines */
    size_t limit;       /* of one event's raw bytes */
    size_t scanned;     /* how far the present event was looked at */
    size_t line;        /* where its present line begins */
    bool started;       /* the first event, which a byte order mark may precede, is over */
    bool is_yielded;    /* partial holds what the last call handed out */
};

/* Views, valid until the next call and while the input lives. */
struct sse_event {
    struct str raw;  /* the exact bytes, blank line included */
    struct str name; /* of the last `event:` line; {NULL, 0} without one */
    struct str data; /* the `data:` lines joined by LF; {NULL, 0} without one */
    bool is_comment; /* comment lines and nothing else: a keep-alive */
    bool
        is_empty; /* no data line, so nothing that a reader would be told of: comments, a lone blank line, a lone `retry:` */
};

/* `limit` is the most bytes that one event may have; 0 means SSE_LIMIT. */
void sse_init(struct sse *s, size_t limit);
void sse_clear(struct sse *s);

/*
 * Takes one event from the front of *in, which moves on. Returns 1 with *event, 0 when all of *in was taken
 * and more is needed, -1 when an event passes the limit: its bytes are then those of sse_pending followed by *in.
 */
int sse_next(struct sse *s, struct str *in, struct sse_event *event);

/* At the end of the stream: 1 when what was held is an event whose last CR waited for an LF, else 0. */
int sse_end(struct sse *s, struct sse_event *event);

/*
 * After that, at the end of the stream: 1 when what is pending has a data line, so that it is an event that lacks nothing but its blank line, or was cut inside its
 * data; whoever reads it can tell. Nothing is pending then.
 */
int sse_rest(struct sse *s, struct sse_event *event);

/* The bytes taken that belong to no event yet. Not empty at the end: the stream was cut inside an event. */
struct str sse_pending(const struct sse *s);
