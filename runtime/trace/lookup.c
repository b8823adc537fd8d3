#include "trace/lookup.h"

#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "trace/record.h"
#include "trace/segment.h"

enum { SECOND_US = 1000000, MILLISECOND_NS = 1000000, ID_LENGTH = 13, NUMBER_DIGITS = 11, PATH_MOST = 4096 };

struct begun {
    uint64_t number, owner;
};

/* What begins in one segment. One that is still written to is read on from `at`. */
struct index {
    struct list link;
    unsigned slot;
    uint64_t sequence, at, seq;
    struct begun *begun; /* by number */
    size_t count, room;
};

struct lookup {
    const char *dir;
    struct list indexes; /* the one asked for last is the last */
    size_t kept;         /* room of all of them */
    uint64_t second, spent_ns;
};

struct lookup *lookup_new(const char *dir)
{
    struct lookup *l = xcalloc(1, sizeof *l);
    l->dir = dir;
    list_init(&l->indexes);
    return l;
}

static void forget(struct lookup *l, struct index *index)
{
    list_remove(&index->link);
    l->kept -= index->room;
    free(index->begun);
    free(index);
}

void lookup_free(struct lookup *l)
{
    if (l == NULL)
        return;
    LIST_EACH(it, &l->indexes)
        forget(l, LIST_ENTRY(it, struct index, link));
    free(l);
}

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

uint64_t lookup_owner(struct str key)
{
    return key.p ? XXH3_64bits(key.p, key.len) : 0;
}

/* ---- reading one segment ---- */

static uint64_t owner_in(const struct event_head *e)
{
    struct field_view v;
    for (uint32_t at = 0; event_walk(e, &at, &v);)
        if (v.field == F_KEY && v.kind == KIND_STR)
            return lookup_owner(v.text);
    return 0;
}

static struct begun *find(const struct index *index, uint64_t number)
{
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->begun[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < index->count && index->begun[low].number == number ? &index->begun[low] : NULL;
}

/* Numbers ascend as they are written, but where clocks were set back between two runs. */
static void insert(struct index *index, struct begun begun)
{
    if (index->count == index->room) {
        index->room += index->room / 4 + 256;
        index->begun = xrealloc(index->begun, sizeof *index->begun * index->room);
    }
    size_t i = index->count++;
    for (; i > 0 && index->begun[i - 1].number > begun.number; i--)
        index->begun[i] = index->begun[i - 1];
    index->begun[i] = begun;
}

/* Who asked was once told by a decision's end. */
static void consider(struct index *index, const struct event_head *e)
{
    uint64_t owner;
    if (e->type == EVENT_BEGIN) {
        insert(index, (struct begun){e->decision, owner_in(e)});
    } else if (e->type == EVENT_DECISION && (owner = owner_in(e))) {
        struct begun *begun = find(index, e->decision);
        if (begun)
            begun->owner = owner;
    }
}

static void read_on(struct lookup *l, struct index *index, const struct segment *s)
{
    const struct event_head *e;
    size_t before = index->room;
    while (segment_next(s, &index->at, &index->seq, &e))
        consider(index, e);
    l->kept += index->room - before;
}

/* ---- those kept ---- */

static struct index *kept(struct lookup *l, unsigned slot, uint64_t sequence)
{
    LIST_EACH(it, &l->indexes) {
        struct index *index = LIST_ENTRY(it, struct index, link);
        if (index->slot == slot && index->sequence == sequence)
            return index;
    }
    return NULL;
}

static void use(struct lookup *l, struct index *index)
{
    list_remove(&index->link);
    list_push(&l->indexes, &index->link);
    while (l->kept > LOOKUP_KEPT && list_first(&l->indexes) != &index->link)
        forget(l, LIST_ENTRY(list_first(&l->indexes), struct index, link));
}

static struct index *index_of(struct lookup *l, const struct segment *s)
{
    struct index *index = kept(l, s->head->slot, s->head->sequence);
    if (index == NULL) {
        index = xcalloc(1, sizeof *index);
        list_init(&index->link);
        index->slot = s->head->slot;
        index->sequence = s->head->sequence;
        index->at = SEGMENT_FIRST;
    }
    read_on(l, index, s);
    use(l, index);
    return index;
}

/* A segment that was deleted meanwhile holds nothing. */
static bool is_there(const struct lookup *l, const struct index *index)
{
    char path[PATH_MOST];
    segment_path(path, sizeof path, l->dir, index->slot, index->sequence);
    return access(path, F_OK) == 0;
}

static struct begun *find_kept(struct lookup *l, unsigned slot, uint64_t number)
{
    LIST_EACH(it, &l->indexes) {
        struct index *index = LIST_ENTRY(it, struct index, link);
        struct begun *begun = index->slot == slot ? find(index, number) : NULL;
        if (begun && is_there(l, index)) {
            use(l, index);
            return begun;
        }
        if (begun)
            forget(l, index);
    }
    return NULL;
}

/* ---- the files ---- */

struct hunt {
    struct lookup *lookup;
    unsigned slot;
    uint64_t number;
    struct begun *found;
    struct err *unread; /* not NULL: of those that cannot be read, the words about the newest; and none is searched */
    bool is_unread;
};

static struct segment *open_segment(struct hunt *h, uint64_t sequence)
{
    char path[PATH_MOST];
    struct err err;
    segment_path(path, sizeof path, h->lookup->dir, h->slot, sequence);
    struct segment *s = segment_map(path, false, &err);
    if (s == NULL && h->unread && !h->is_unread && err.kind == ERR_MALFORMED) {
        h->is_unread = true;
        *h->unread = err;
    }
    if (s && atomic_load(&s->head->state) == SEGMENT_PREPARED) {
        segment_free(s);
        s = NULL;
    }
    return s;
}

/* A number is a little older than its first event, and clocks are set: what began up to a second later counts. */
static void hunt(struct hunt *h)
{
    struct segment_name *names = NULL;
    int count = segment_list(h->lookup->dir, (int)h->slot, &names, NULL);
    bool is_before = false;
    for (int i = count - 1; i >= 0 && !h->found && !is_before; i--) {
        struct segment *s = open_segment(h, names[i].sequence);
        if (s == NULL)
            continue;
        if (h->unread == NULL && s->head->wall_us <= h->number + SECOND_US)
            h->found = find(index_of(h->lookup, s), h->number);
        is_before = s->head->wall_us + SECOND_US < h->number;
        segment_free(s);
    }
    free(names);
}

/* False when this second's share of reading is used up. */
static bool may_read(struct lookup *l)
{
    uint64_t second = clock_ms() / 1000;
    if (l->second != second) {
        l->second = second;
        l->spent_ns = 0;
    }
    return l->spent_ns < (uint64_t)LOOKUP_SHARE_MS * MILLISECOND_NS;
}

static bool hunt_within_share(struct hunt *h)
{
    if (!may_read(h->lookup))
        return false;
    uint64_t began = clock_ns();
    hunt(h);
    h->lookup->spent_ns += clock_ns() - began;
    return true;
}

enum lookup_result lookup_decision(struct lookup *l, unsigned slot, uint64_t number, uint64_t *owner)
{
    struct hunt h = {.lookup = l, .slot = slot, .number = number, .found = find_kept(l, slot, number)};
    if (h.found == NULL && !hunt_within_share(&h))
        return LOOKUP_BUSY;
    if (h.found == NULL)
        return LOOKUP_ABSENT;
    *owner = h.found->owner;
    return LOOKUP_FOUND;
}

enum lookup_result lookup_unread(struct lookup *l, unsigned slot, uint64_t number, struct err *err)
{
    struct hunt h = {.lookup = l, .slot = slot, .number = number, .unread = err};
    if (!hunt_within_share(&h))
        return LOOKUP_BUSY;
    return h.is_unread ? LOOKUP_FOUND : LOOKUP_ABSENT;
}
