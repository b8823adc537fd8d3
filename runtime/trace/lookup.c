#include "trace/lookup.h"

#include <stdlib.h>

#include "trace/record.h"
#include "trace/segment.h"

enum { SECOND_US = 1000000, ID_LENGTH = 13, NUMBER_DIGITS = 11 };

bool lookup_id(struct str id, unsigned *slot, uint64_t *number)
{
    static const char DIGITS[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford's base 32 */
    *number = *slot = 0;
    if (id.len != ID_LENGTH)
        return false;
    for (int i = 0; i < ID_LENGTH; i++) {
        const char *digit = memchr(DIGITS, id.p[i], sizeof DIGITS - 1);
        if (digit == NULL)
            return false;
        if (i < NUMBER_DIGITS)
            *number = *number << 5 | (uint64_t)(digit - DIGITS);
        else
            *slot = *slot << 5 | (unsigned)(digit - DIGITS);
    }
    return true;
}

static struct segment *open_segment(const char *dir, unsigned slot, uint64_t sequence)
{
    char path[4096];
    segment_path(path, sizeof path, dir, slot, sequence);
    struct segment *s = segment_map(path, false, NULL);
    if (s && atomic_load(&s->head->state) == SEGMENT_PREPARED) {
        segment_free(s);
        s = NULL;
    }
    return s;
}

static bool holds(const struct segment *s, uint64_t number)
{
    const struct event_head *e;
    for (uint64_t at = SEGMENT_FIRST, seq = 0; segment_next(s, &at, &seq, &e);)
        if (e->type == EVENT_BEGIN && e->decision == number)
            return true;
    return false;
}

/* A number is a little older than its first event, and clocks are set: what began up to a second later counts. */
bool lookup_decision(const char *dir, unsigned slot, uint64_t number)
{
    struct segment_name *names = NULL;
    int count = segment_list(dir, (int)slot, &names, NULL);
    bool is_found = false, is_before = false;
    for (int i = count - 1; i >= 0 && !is_found && !is_before; i--) {
        struct segment *s = open_segment(dir, slot, names[i].sequence);
        if (s == NULL)
            continue;
        is_found = s->head->wall_us <= number + SECOND_US && holds(s, number);
        is_before = s->head->wall_us + SECOND_US < number;
        segment_free(s);
    }
    free(names);
    return is_found;
}
