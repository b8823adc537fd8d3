/*
 * wire: what a provider speaks, as far as a router must read it. Pure.
 *
 * Attempts, commits, failover, usage and prices work alike for every wire: its reader says what a frame of a stream is, whether a body is a whole reply, and
 * takes the usage out of both into disjoint buckets. That the client may speak another protocol is no matter here.
 */
#pragma once

#include "base/err.h"
#include "bind/reply.h"

enum frame_kind {
    FRAME_LIFECYCLE, /* nothing that a reader would see: held back before the commit */
    FRAME_CONTENT,
    FRAME_USAGE,     /* usage and nothing else */
    FRAME_ERROR,     /* an error after HTTP 200 */
    FRAME_BAD,       /* not this wire */
};

struct frame {
    enum frame_kind kind;
    bool is_finish;      /* the answer says why it ended: the stream may end now */
    bool is_last;        /* nothing follows it */
    bool has_null_usage; /* chat: a usage that the client may not have asked for */
};

struct wire {
    const char *name;
    /* Reads one event of a stream (`name` may be NULL-pointer) and adds what it tells to *usage. With FRAME_ERROR and FRAME_BAD err is set. */
    struct frame (*frame)(struct str name, struct str data, struct usage *usage, struct err *err);
    /* 0 when body is a whole reply; -1 with ERR_MALFORMED, or another kind when it is an error in a 200. */
    int (*reply)(struct str body, struct usage *usage, struct err *err);
};

extern const struct wire WIRE_CHAT, WIRE_MESSAGES, WIRE_RESPONSES, WIRE_GEMINI, WIRE_BEDROCK, WIRE_EMBEDDINGS;

/* What an HTTP status ≥ 300 of a provider of any kind means (ROUTES.md section 7); `body` refines it (content_filter) and gives the words. */
void wire_error(int status, struct str body, struct err *err);

/* The whole of those words, in the arena; {NULL, 0} when there are none. */
struct str wire_error_words(struct str body, struct arena *arena);

/* The error of a stream or of a body after HTTP 200: an object with `message` and `type`, `code` or `status`. */
void wire_error_in_200(struct str error, struct err *err);

/* Validates data and finds members of it; false with ERR_MALFORMED when it is no JSON object. For the readers. */
bool wire_members(struct str data, const struct str *names, struct str *values, int count, struct err *err);

/* Whether a raw JSON string has that text in it. */
bool wire_has_word(struct str raw, const char *word);

/* A count of tokens; 0 for what is none. */
int64_t wire_count(struct str value);
