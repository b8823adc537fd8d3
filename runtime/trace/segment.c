#include "trace/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crc32c.h"

static const char MAGIC[8] = "wyetrace";

int segment_path(char *out, size_t size, const char *dir, unsigned slot, uint64_t sequence)
{
    return snprintf(out, size, "%s/%u-%08" PRIu64 ".seg", dir, slot, sequence);
}

bool segment_parse_name(const char *name, unsigned *slot, uint64_t *sequence)
{
    int end = 0;
    return sscanf(name, "%5u-%18" SCNu64 ".seg%n", slot, sequence, &end) == 2 && end > 0 &&
           name[end] == '\0';
}

static uint32_t head_crc(const struct segment_head *head)
{
    return crc32c(0, head, offsetof(struct segment_head, crc));
}

static struct segment *wrap(void *base, uint64_t bytes, const char *path)
{
    size_t len = strlen(path) + 1;
    struct segment *s = xcalloc(1, sizeof *s + len);
    s->head = base;
    s->bytes = bytes;
    s->tail = SEGMENT_FIRST;
    memcpy(s->path, path, len);
    return s;
}

static const char *advice(int error)
{
    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        return ": free some space, or give --trace a folder on another disk";
    if (error == EACCES || error == EPERM || error == EROFS)
        return ": give --trace a folder that can be written";
    return "";
}

/* Readers see a file with a head or none: one without would be passed over for good. */
static int give_name(const char *fresh, const char *path)
{
    int result = renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_NOREPLACE);
    if (result < 0 && errno == EINVAL) /* this file system cannot tell */
        result = access(path, F_OK) < 0 ? rename(fresh, path) : (errno = EEXIST, -1);
    int error = errno;
    if (result < 0)
        unlink(fresh);
    errno = error;
    return result;
}

struct segment *segment_create(const char *dir, unsigned slot, uint64_t sequence, uint64_t run,
                               uint64_t bytes, struct err *err)
{
    char path[4096], fresh[4100];
    segment_path(path, sizeof path, dir, slot, sequence);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_set(err, ERR_SYSTEM, "trace: cannot make %s: %s%s", path, strerror(errno), advice(errno));
        return NULL;
    }
    int error = posix_fallocate(fd, 0, (off_t)bytes);
    void *base = MAP_FAILED;
    if (error == 0) {
        base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        error = base == MAP_FAILED ? errno : 0;
    }
    close(fd);
    if (error) {
        unlink(fresh);
        err_set(err, ERR_SYSTEM, "trace: no room for %" PRIu64 " bytes of %s: %s%s", bytes, path,
                strerror(error), advice(error));
        return NULL;
    }
    madvise(base, bytes, MADV_RANDOM); /* the first touch would else read ahead megabytes of nothing */
    struct segment_head *head = base;
    memcpy(head->magic, MAGIC, sizeof MAGIC);
    head->version = SEGMENT_VERSION;
    head->slot = slot;
    head->sequence = sequence;
    head->run = run;
    head->bytes = bytes;
    head->pid = (uint32_t)getpid();
    head->crc = head_crc(head);
    if (give_name(fresh, path) < 0) {
        err_set(err, ERR_SYSTEM, "trace: cannot make %s: %s%s", path, strerror(errno), advice(errno));
        munmap(base, bytes);
        return NULL;
    }
    return wrap(base, bytes, path);
}

static int check_head(const struct segment_head *head, const char *path, struct err *err)
{
    if (memcmp(head->magic, MAGIC, sizeof MAGIC) != 0)
        return err_set(err, ERR_MALFORMED, "%s: not a trace segment", path);
    if (head->version > SEGMENT_VERSION)
        return err_set(err, ERR_MALFORMED, "%s: written by a newer wye: version %u; this one reads %d",
                       path, head->version, SEGMENT_VERSION);
    if (head->version < 1 || head->crc != head_crc(head))
        return err_set(err, ERR_MALFORMED, "%s: its head is damaged", path);
    return 0;
}

struct segment *segment_map(const char *path, bool writable, struct err *err)
{
    int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        err_set(err, ERR_SYSTEM, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    uint64_t bytes = (uint64_t)st.st_size;
    void *base = MAP_FAILED;
    if (bytes >= SEGMENT_FIRST)
        base = mmap(NULL, bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
    close(fd);
    if (base == MAP_FAILED) {
        err_set(err, ERR_MALFORMED, "%s: too short for a trace segment", path);
        return NULL;
    }
    if (check_head(base, path, err) < 0) {
        munmap(base, bytes);
        return NULL;
    }
    return wrap(base, bytes, path);
}

void segment_free(struct segment *s)
{
    munmap(s->head, s->bytes);
    free(s);
}

static const struct event_head *event_at(const struct segment *s, uint64_t at)
{
    return (const struct event_head *)((const char *)s->head + at);
}

static bool is_whole(const struct segment *s, uint64_t at, uint32_t length)
{
    const struct event_head *e = event_at(s, at);
    return length >= sizeof *e && length <= s->bytes - at &&
           crc32c(0, &e->seq, length - offsetof(struct event_head, seq)) == e->crc;
}

int segment_walk(const struct segment *s, uint64_t *at, const struct event_head **event)
{
    if (*at + sizeof **event > s->bytes)
        return s->bytes < s->head->bytes ? -1 : 0; /* a file cut short */
    const struct event_head *e = event_at(s, *at);
    uint32_t length = atomic_load_explicit(&e->length, memory_order_acquire);
    if (length == 0)
        return 0;
    if (!is_whole(s, *at, length))
        return -1;
    *event = e;
    *at += (length + 7u) & ~7u;
    return 1;
}

uint64_t segment_wall_us(const struct segment_head *head, const struct event_head *event)
{
    return head->wall_us + (uint64_t)((int64_t)(event->mono_ns - head->mono_ns) / 1000);
}

/* An event that was begun there and never published leaves its head behind. */
static bool has_remains(const struct segment *s, uint64_t at)
{
    return at + sizeof(struct event_head) <= s->bytes && event_at(s, at)->seq != 0;
}

bool segment_resume(const struct segment *s, uint64_t *at, uint64_t seq)
{
    bool is_tail = *at + sizeof(struct event_head) > s->bytes || atomic_load(&event_at(s, *at)->length) == 0;
    if (is_tail && (atomic_load(&s->head->state) != SEGMENT_ENDED || !has_remains(s, *at)))
        return false;
    for (uint64_t next = *at + 8; next + sizeof(struct event_head) <= s->bytes; next += 8) {
        const struct event_head *e = event_at(s, next);
        if (e->seq > seq && is_whole(s, next, e->length)) {
            *at = next;
            return true;
        }
    }
    return false;
}

bool segment_next(const struct segment *s, uint64_t *at, uint64_t *seq, const struct event_head **event)
{
    int found;
    do
        found = segment_walk(s, at, event);
    while (found <= 0 && segment_resume(s, at, *seq));
    if (found > 0)
        *seq = (*event)->seq;
    return found > 0;
}

bool segment_recover(struct segment *s, uint64_t *next_seq)
{
    uint64_t at = SEGMENT_FIRST, seq = 0;
    const struct event_head *e;
    while (segment_next(s, &at, &seq, &e))
        if (seq >= *next_seq)
            *next_seq = seq + 1;
    if (atomic_load(&s->head->state) == SEGMENT_ENDED)
        return false;
    bool is_cut = segment_walk(s, &at, &e) < 0, torn = is_cut || has_remains(s, at);
    atomic_store(&s->head->torn, torn);
    atomic_store(&s->head->state, SEGMENT_ENDED);
    uint64_t keep = (at + sizeof *e + 4095) & ~4095ull;
    int fd = !is_cut && keep < s->bytes ? open(s->path, O_WRONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        /* The size stays, so that no reader's mapping loses its pages. Where holes are unknown, the space is kept. */
        (void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)keep,
                         (off_t)(s->bytes - keep));
        close(fd);
    }
    return torn;
}

static bool take(const char **p, uint32_t *left, void *out, uint32_t len)
{
    if (*left < len)
        return false;
    memcpy(out, *p, len);
    *p += len;
    *left -= len;
    return true;
}

bool event_walk(const struct event_head *event, uint32_t *at, struct field_view *out)
{
    const char *begin = (const char *)(event + 1), *p = begin + *at;
    uint32_t left = event->length - (uint32_t)sizeof *event - *at;
    uint8_t tag[2];
    if (!take(&p, &left, tag, 2))
        return false;
    *out = (struct field_view){.field = tag[0], .kind = tag[1]};
    uint32_t len;
    switch (out->kind) {
    case KIND_INT:
        if (!take(&p, &left, &out->i, 8))
            return false;
        break;
    case KIND_NUM:
        if (!take(&p, &left, &out->num, 8))
            return false;
        break;
    case KIND_STR:
    case KIND_CUT:
        if (!take(&p, &left, &len, 4) || len > left)
            return false;
        out->text = str_n(p, len);
        p += len;
        break;
    default:
        return false;
    }
    *at = (uint32_t)(p - begin);
    return true;
}

struct str event_text(const struct event_head *event, enum field f)
{
    struct field_view v;
    for (uint32_t at = 0; event_walk(event, &at, &v);)
        if (v.field == f && v.kind == KIND_STR)
            return v.text;
    return str_n(NULL, 0);
}

static int by_place(const void *a, const void *b)
{
    const struct segment_name *x = a, *y = b;
    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

int segment_list(const char *dir, int slot, struct segment_name **names, struct err *err)
{
    *names = NULL;
    DIR *d = opendir(dir);
    if (d == NULL)
        return err_set(err, ERR_SYSTEM, "%s: %s", dir, strerror(errno));
    int count = 0;
    struct segment_name name;
    for (struct dirent *entry; (entry = readdir(d));) {
        struct stat st;
        if (!segment_parse_name(entry->d_name, &name.slot, &name.sequence) ||
            (slot >= 0 && name.slot != (unsigned)slot) ||
            fstatat(dirfd(d), entry->d_name, &st, 0) < 0)
            continue;
        name.disk_bytes = (uint64_t)st.st_blocks * 512;
        if ((count & (count - 1)) == 0)
            *names = xrealloc(*names, sizeof **names * (size_t)(count ? count * 2 : 1));
        (*names)[count++] = name;
    }
    closedir(d);
    if (count > 0)
        qsort(*names, (size_t)count, sizeof **names, by_place);
    return count;
}
