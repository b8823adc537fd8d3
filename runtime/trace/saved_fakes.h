/* saved_fakes: what the models said to a captured decision, as the fakes of its spec. Pure. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "trace/captured.h"

enum { SAVED_ASKS = 128 };

struct saving {
    struct buf *out;
    struct arena arena;
    const struct captured *from;
    const struct captured_step *decided, *asks[SAVED_ASKS]; /* asks in the order in which they began */
    int ask_count;
    bool is_timed; /* in which order they ended is no matter of course */
};

/* Of each model once, its answers in turn. */
void saved_fakes(struct saving *s);

/* When an ask or a pause ended, in ms: what ended right behind another, and was seen with it, at its time. */
double saved_end(const struct saving *s, const struct captured_step *step);
