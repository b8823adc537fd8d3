#include "trace/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "trace/fields.h"
#include "trace/keeper.h"
#include "trace/segment.h"

struct event {
    struct trace *trace;
    char *head, *at, *end; /* of the event, of its next field, of the segment */
    bool is_dropped;
};

struct trace {
    struct event event;
    struct segment *segment;
    struct keeper *keeper;
    uint64_t tail; /* of the segment: where the next event begins */
    uint64_t seq;
    struct trace_counts counts;
    int lock;
};

static int make_folder(char *dir, struct err *err)
{
    for (char *p = dir + 1;; p++) {
        char was = *p;
        if (was != '/' && was != '\0')
            continue;
        *p = '\0';
        int made = mkdir(dir, 0700);
        int error = errno;
        *p = was;
        if (made < 0 && error != EEXIST)
            return err_set(err, ERR_SYSTEM, "trace: cannot make the folder %s: %s", dir,
                           strerror(error));
        if (was == '\0')
            return 0;
    }
}

/* One writer a slot: the lock goes with the process. */
static int lock_slot(const struct keeper_options *options, struct err *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%u.lock", options->dir, options->slot);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, ERR_SYSTEM, "trace: cannot make %s: %s: give --trace a folder that can be written",
                       path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    close(fd);
    return err_set(err, ERR_SYSTEM, "trace: another server writes to %s: give this one its own --trace folder",
                   options->dir);
}

/* Ends what an earlier process left open; returns how many tails were torn. */
static uint64_t recover(struct keeper_options *options, uint64_t *next_seq)
{
    struct segment_name *names;
    int count = segment_list(options->dir, (int)options->slot, &names, NULL);
    uint64_t torn = 0;
    bool found_last = false;
    for (int i = count - 1; i >= 0; i--) {
        char path[4096];
        segment_path(path, sizeof path, options->dir, options->slot, names[i].sequence);
        if (names[i].sequence >= options->sequence)
            options->sequence = names[i].sequence + 1;
        struct segment *s = segment_map(path, true, NULL);
        if (s == NULL)
            continue;
        enum segment_state state = atomic_load(&s->head->state);
        if (state == SEGMENT_PREPARED)
            unlink(path);
        else if (state == SEGMENT_LIVE || !found_last)
            torn += segment_recover(s, next_seq);
        found_last |= state != SEGMENT_PREPARED;
        segment_free(s);
    }
    free(names);
    return torn;
}

static void begin_segment(struct trace *t, struct segment *s)
{
    t->segment = s;
    t->tail = SEGMENT_FIRST;
    t->event.end = (char *)s->head + s->bytes;
}

struct trace *trace_open(const struct trace_options *given, struct err *err)
{
    struct keeper_options options = {.slot = given->slot, .sequence = 1};
    options.segment_bytes = given->segment_bytes ? given->segment_bytes : 16u << 20;
    if (options.segment_bytes < SEGMENT_SMALLEST)
        options.segment_bytes = SEGMENT_SMALLEST;
    options.total_bytes = given->total_bytes ? given->total_bytes : 1ull << 30;
    if (strlen(given->dir) >= sizeof options.dir) {
        err_set(err, ERR_SYSTEM, "trace: the folder's name is too long");
        return NULL;
    }
    snprintf(options.dir, sizeof options.dir, "%s", given->dir);
    if (make_folder(options.dir, err) < 0)
        return NULL;
    int lock = lock_slot(&options, err);
    if (lock < 0)
        return NULL;
    struct trace *t = xcalloc(1, sizeof *t);
    t->lock = lock;
    t->seq = 1;
    t->event.trace = t;
    t->counts.torn = recover(&options, &t->seq);
    t->keeper = keeper_start(&options, err);
    if (t->keeper == NULL) {
        close(lock);
        free(t);
        return NULL;
    }
    begin_segment(t, keeper_take(t->keeper, NULL));
    return t;
}

void trace_close(struct trace *t)
{
    keeper_stop(t->keeper, t->segment);
    close(t->lock);
    free(t);
}

struct trace_counts trace_counts(const struct trace *t)
{
    struct trace_counts counts = t->counts;
    counts.segments = keeper_segments(t->keeper);
    return counts;
}

/* Takes back what was written of the event: the bytes beyond a tail are always zero. */
static __attribute__((cold, noinline)) void drop(struct event *e)
{
    if (e->is_dropped)
        return;
    e->is_dropped = true;
    memset(e->head, 0, (size_t)(e->at - e->head));
    e->trace->counts.dropped++;
    atomic_fetch_add_explicit(&e->trace->segment->head->dropped, 1, memory_order_relaxed);
}

/* Moves the event begun at the end of a full segment to the start of the next. */
static __attribute__((cold, noinline)) bool move(struct event *e, size_t more)
{
    struct trace *t = e->trace;
    size_t len = (size_t)(e->at - e->head);
    if (len + more > t->segment->bytes - SEGMENT_FIRST)
        return false;
    struct segment *full = t->segment;
    char *from = e->head;
    char kept[256], *copy = len <= sizeof kept ? kept : xmalloc(len);
    memcpy(copy, from, len);
    memset(from, 0, len);
    struct segment *s = keeper_take(t->keeper, full);
    if (s) {
        begin_segment(t, s);
        e->head = (char *)s->head + t->tail;
        e->at = e->head + len;
    }
    memcpy(e->head, copy, len);
    if (copy != kept)
        free(copy);
    return s != NULL;
}

static __attribute__((cold, noinline)) bool make_room(struct event *e, size_t len)
{
    bool is_moved = move(e, len);
    if (!is_moved)
        drop(e);
    return is_moved;
}

/* Room for len bytes at e->at; false when the event is dropped. */
static inline bool has_room(struct event *e, size_t len)
{
    if (e->is_dropped)
        return false;
    return len <= (size_t)(e->end - e->at) || make_room(e, len);
}

static inline struct event *open_at(struct trace *t, enum event_type type, uint64_t decision, uint64_t mono_ns)
{
    struct event *e = &t->event;
    e->is_dropped = false;
    e->head = e->at = (char *)t->segment->head + t->tail;
    if (!has_room(e, sizeof(struct event_head)))
        return e;
    struct event_head *head = (struct event_head *)e->head;
    head->seq = t->seq;
    head->mono_ns = mono_ns;
    head->decision = decision;
    head->type = (uint16_t)type;
    e->at = e->head + sizeof *head;
    return e;
}

struct event *event_open(struct trace *t, enum event_type type, uint64_t decision)
{
    return open_at(t, type, decision, clock_ns());
}

struct event *event_open_late(struct trace *t, enum event_type type, uint64_t decision)
{
    return open_at(t, type, decision, clock_last_ns());
}

static void put(struct event *e, enum field f, enum field_kind kind, const void *p, size_t len)
{
    e->at[0] = (char)f;
    e->at[1] = (char)kind;
    memcpy(e->at + 2, p, len);
    e->at += 2 + len;
}

static inline void put_text(struct event *e, enum field f, enum field_kind kind, struct str value)
{
    uint32_t len = (uint32_t)value.len;
    if (!has_room(e, 2 + sizeof len + len))
        return;
    put(e, f, kind, &len, sizeof len);
    memcpy(e->at, value.p, len);
    e->at += len;
}

/* A string is cut; JSON has a higher ceiling and is replaced. */
static __attribute__((cold, noinline)) void put_long(struct event *e, enum field f, struct str value)
{
    char note[64];
    bool is_json = field_types[f] == FIELD_JSON;
    if (!is_json)
        value.len = EVENT_MAX_STRING;
    else if (value.len > EVENT_MAX_JSON)
        value = str_n(note, (size_t)snprintf(note, sizeof note, "\"%zu bytes, not kept\"", value.len));
    put_text(e, f, is_json ? KIND_STR : KIND_CUT, value);
}

void event_str(struct event *e, enum field f, struct str value)
{
    if (value.p == NULL)
        return;
    if (value.len > EVENT_MAX_STRING)
        put_long(e, f, value);
    else
        put_text(e, f, KIND_STR, value);
}

void event_int(struct event *e, enum field f, int64_t value)
{
    if (has_room(e, 2 + sizeof value))
        put(e, f, KIND_INT, &value, sizeof value);
}

void event_num(struct event *e, enum field f, double value)
{
    if (has_room(e, 2 + sizeof value))
        put(e, f, KIND_NUM, &value, sizeof value);
}

bool event_close(struct event *e)
{
    if (e->is_dropped)
        return false;
    struct trace *t = e->trace;
    struct event_head *head = (struct event_head *)e->head;
    size_t len = (size_t)(e->at - e->head);
    head->crc = crc32c(0, &head->seq, len - offsetof(struct event_head, seq));
    t->seq++;
    t->tail += (len + 7) & ~7ull;
    t->counts.events++;
    t->counts.bytes += len;
    atomic_store_explicit(&head->length, (uint32_t)len, memory_order_release);
    atomic_store_explicit(&t->segment->tail, t->tail, memory_order_relaxed);
    return true;
}
