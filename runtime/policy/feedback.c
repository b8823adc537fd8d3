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

bool feedback_is_recent(const struct feedback *f, unsigned slot, uint64_t number, int *key)
{
    if (slot >= STATS_MAX_WORKERS)
        return false;
    uint64_t high = atomic_load_explicit(&f->recent[slot].count, memory_order_acquire);
    uint64_t low = high > FEEDBACK_RECENT ? high - FEEDBACK_RECENT : 0;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        uint64_t at = middle % FEEDBACK_RECENT;
        uint64_t found = atomic_load_explicit(&f->recent[slot].numbers[at], memory_order_relaxed);
        if (found == number) {
            *key = atomic_load_explicit(&f->recent[slot].owners[at], memory_order_relaxed) - 1;
            return true;
        }
        if (found < number)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}
