#include <sys/uio.h>

#include "base/json.h"
#include "base/json_scan.h"

struct splice {
    const char *copied; /* the object's bytes before it are in the pieces or left out */
    const char *last;   /* end of the latest member; NULL before the first */
    bool has_kept;      /* a member is in the output */
    struct iovec *pieces;
    int count, max;
    struct arena *arena;
};

static bool add(struct splice *s, const char *p, size_t len)
{
    if (len == 0)
        return true;
    if (s->count == s->max)
        return false;
    s->pieces[s->count++] = (struct iovec){(void *)p, len};
    return true;
}

static bool copy_until(struct splice *s, const char *to)
{
    const char *from = s->copied;
    s->copied = to;
    return add(s, from, (size_t)(to - from));
}

/*
 * Leaves a member out with one comma: the one before it when something is in the output already, else the
 * one after it, which the next member's key ends.
 */
static bool leave_out(struct splice *s, const struct json_walk *w)
{
    if (!copy_until(s, s->has_kept ? s->last : w->key.p - 1))
        return false;
    s->copied = w->at;
    if (s->has_kept)
        return true;
    const char *next = json_scan_blanks(w->at, w->end);
    if (next < w->end && *next == ',')
        s->copied = json_scan_blanks(next + 1, w->end);
    return true;
}

static bool replace(struct splice *s, const struct json_walk *w, struct str value)
{
    if (!copy_until(s, w->value.p))
        return false;
    s->copied = w->at;
    return add(s, value.p, value.len);
}

/* The key with its quotes, colon and the comma before it, in the arena; {NULL, 0} at the ceiling. */
static struct str spell_key(struct splice *s, const char *name)
{
    size_t len = strlen(name);
    if (json_scan_special(name, name + len) < name + len) {
        struct buf quoted = BUF(len * 6 + 2);
        json_quote(&quoted, str_n(name, len));
        char *z = arena_printf(s->arena, "%s%s:", s->has_kept ? "," : "", quoted.p);
        buf_clear(&quoted);
        return str_of(z);
    }
    return str_of(arena_printf(s->arena, "%s\"%s\":", s->has_kept ? "," : "", name));
}

static bool append(struct splice *s, const struct json_edit *edit)
{
    struct str key = spell_key(s, edit->name);
    s->has_kept = true;
    return key.p != NULL && add(s, key.p, key.len) && add(s, edit->value.p, edit->value.len);
}

static const struct json_edit *find(const struct json_edit *edits, int count, struct str key)
{
    for (int i = 0; i < count; i++)
        if (json_scan_key_is(key, edits[i].name))
            return &edits[i];
    return NULL;
}

/* Goes through the members; `seen` gets a bit for each edit that met one. */
static bool edit_members(struct splice *s, struct json_walk *w, const struct json_edit *edits,
                         int count, uint64_t *seen)
{
    while (json_next(w)) {
        const struct json_edit *edit = find(edits, count, w->key);
        if (edit != NULL)
            *seen |= UINT64_C(1) << (edit - edits);
        if (edit != NULL && edit->value.p == NULL) {
            if (!leave_out(s, w))
                return false;
        } else {
            if (edit != NULL && !replace(s, w, edit->value))
                return false;
            s->has_kept = true;
        }
        s->last = w->at;
    }
    return true;
}

int json_splice(struct str object, const struct json_edit *edits, int count, struct arena *arena,
                struct iovec *pieces, int max)
{
    struct json_walk w = json_walk(object);
    if (!w.is_object || count > 64)
        return -1;
    struct splice s = {.copied = object.p, .pieces = pieces, .max = max, .arena = arena};
    const char *first = w.at;
    uint64_t seen = 0;
    if (!edit_members(&s, &w, edits, count, &seen))
        return -1;
    const char *here = s.last ? s.last : first;
    for (int i = 0; i < count; i++) {
        if (edits[i].value.p == NULL || seen >> i & 1)
            continue;
        if (s.copied < here && !copy_until(&s, here))
            return -1;
        if (!append(&s, &edits[i]))
            return -1;
    }
    return copy_until(&s, object.p + object.len) ? s.count : -1;
}
