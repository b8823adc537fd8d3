#include "policy/feedback.h"

static const char *const NAMES[] = {
#define X(name, text) text,
    FEEDBACK_RESULTS(X)
#undef X
};

const char *feedback_result_name(enum feedback_result result)
{
    return NAMES[result];
}

bool feedback_is_recent(struct feedback *f, unsigned slot, uint64_t number)
{
    if (slot >= STATS_MAX_WORKERS)
        return false;
    uint64_t high = atomic_load_explicit(&f->recent[slot].count, memory_order_acquire);
    uint64_t low = high > FEEDBACK_RECENT ? high - FEEDBACK_RECENT : 0;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        uint64_t found = atomic_load_explicit(&f->recent[slot].numbers[middle % FEEDBACK_RECENT], memory_order_relaxed);
        if (found == number)
            return true;
        if (found < number)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool feedback_is_scored(struct feedback *f, struct str key, uint64_t now_ms)
{
    uint8_t kind;
    struct buf out = BUF(16);
    bool is_there = table_get(f->scored, key, now_ms, &kind, &out) == TABLE_OK;
    buf_clear(&out);
    return is_there;
}

void feedback_scored(struct feedback *f, struct str key, uint64_t now_ms)
{
    table_set(f->scored, key, 1, str_n("1", 1), 0, now_ms);
}
