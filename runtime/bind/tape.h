/*
 * tape: what a running route learns from outside, beside its request: written down as it happens, or given again.
 *
 * A decision that is captured has a tape that records; a replay has one that plays. Most have none, which costs a test of a pointer. Who
 * binds something that another run could find different asks the tape first and tells it after:
 *
 *     struct str known;
 *     switch (tape_take(scope, TAPE_KV, key, &known)) {
 *     case TAPE_GIVEN: return push(L, known);
 *     case TAPE_ABSENT: lua_pushnil(L); return 1;     // a replay that never learnt it: what is there now must not be looked at
 *     case TAPE_LIVE: break;
 *     }
 *     ...look...; tape_put(scope, TAPE_KV, key, found);
 *
 * Asks and their order are recorded and played by the host (serve/capture.h), below bind/'s back.
 */
#pragma once

#include "bind/scope.h"

#define TAPE_KINDS(X) X(NOW, "now") X(CLOCK, "clock") X(KV, "kv") X(P95, "p95") X(ARM, "arm") X(HELD, "held")

enum tape_kind {
#define X(name, text) TAPE_##name,
    TAPE_KINDS(X)
#undef X
        TAPE_KIND_COUNT
};

enum tape_answer { TAPE_LIVE, TAPE_GIVEN, TAPE_ABSENT };

struct tape {
    /* TAPE_GIVEN with a value that lives as long as the request, TAPE_ABSENT, or TAPE_LIVE for what it does not play. NULL: it records. */
    enum tape_answer (*take)(struct tape *t, enum tape_kind kind, struct str key, struct str *value);
    /* NULL: it plays. */
    void (*put)(struct tape *t, enum tape_kind kind, struct str key, struct str value);
};

static inline enum tape_answer tape_take(struct scope *scope, enum tape_kind kind, struct str key, struct str *value)
{
    struct tape *t = scope->tape;
    return t && t->take ? t->take(t, kind, key, value) : TAPE_LIVE;
}

static inline void tape_put(struct scope *scope, enum tape_kind kind, struct str key, struct str value)
{
    if (scope->tape && scope->tape->put)
        scope->tape->put(scope->tape, kind, key, value);
}

/* Numbers as they are kept: decimal text. The live one is `now`; a replay that has none left gives `now` too. */
uint64_t tape_number(struct scope *scope, enum tape_kind kind, uint64_t (*now)(void));
