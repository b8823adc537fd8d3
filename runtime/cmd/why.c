#include <stdio.h>
#include <string.h>

#include "cmd/between.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/place.h"
#include "cmd/terminal.h"
#include "proc/store.h"
#include "trace/export.h"
#include "trace/reader.h"
#include "trace/story.h"
#include "vm/manifest.h"

enum { MAX_FILES = 16, PACKED_MAX = 80 * 1024 * 1024 };

/* The generation's own copy of its files; NULL when the state directory no longer has it. */
static struct manifest *generation_files(const char *state, const struct decision *d)
{
    struct str hash = record_text(&d->records[0], F_HASH);
    char prefix[STORE_HASH + 1];
    struct buf packed = BUF(PACKED_MAX);
    struct manifest *m = NULL;
    if (hash.p == NULL || hash.len > STORE_HASH)
        return NULL;
    snprintf(prefix, sizeof prefix, STR_FMT, STR_ARG(hash));
    if (store_read(state, prefix, &packed, NULL) == 0)
        m = manifest_unpack(buf_str(&packed), NULL);
    buf_clear(&packed);
    return m;
}

/* The trace names files as the generation does: "route.lua", or with the project's label, "routes/route.lua". */
static bool read_source(struct manifest *m, struct str name, char *path, size_t size, struct story_source *out)
{
    const char *label = manifest_label(m);
    size_t skip = strlen(label) + 1;
    if (name.len >= size)
        return false;
    snprintf(path, size, STR_FMT, STR_ARG(name));
    *out = (struct story_source){path, manifest_read(m, path, NULL)};
    if (out->text.p == NULL && str_starts(name, label) && name.len > skip && name.p[skip - 1] == '/')
        out->text = manifest_read(m, path + skip, NULL);
    return out->text.p != NULL;
}

static int tell(const struct decision *d, const char *state)
{
    struct str names[MAX_FILES];
    struct story_source sources[MAX_FILES];
    char paths[MAX_FILES][512];
    int count = 0, named = story_files(d, names, MAX_FILES);
    struct manifest *m = generation_files(state, d);
    for (int i = 0; m && i < named; i++)
        count += read_source(m, names[i], paths[count], sizeof paths[count], &sources[count]);
    struct terminal terminal = terminal_look();
    struct buf out = BUF(STORY_MAX);
    story_tell(&out, d, sources, count, &(struct text_style){terminal.has_colour, terminal.width});
    fwrite(out.p, 1, out.len, stdout);
    buf_clear(&out);
    if (m)
        manifest_free(m);
    return EXIT_OK;
}

static int print_json(const struct decision *d)
{
    struct buf out = BUF(4 * DECISION_MAX);
    export_decision(&out, d);
    printf("%s\n", out.p);
    buf_clear(&out);
    return EXIT_OK;
}

static struct decision *newest(struct reader *r, const char *dir, struct err *err)
{
    struct decision *d;
    if (reader_newest(r, 1, NULL, NULL, &d) == 1)
        return d;
    err_set(err, ERR_BAD_REQUEST, "no decision in %s yet: send a request, then ask again", dir);
    return NULL;
}

static struct decision *find(const struct place *place, const char *id, struct err *err)
{
    struct reader *r = reader_open(place->trace, err);
    if (r == NULL)
        return NULL;
    reader_join(r);
    struct decision *d = id && strcmp(id, "last") != 0 ? reader_find(r, str_of(id), err) : newest(r, place->trace, err);
    reader_close(r);
    return d;
}

static int contrast(const struct decision *a, const struct decision *b, const char *state, bool as_json)
{
    struct manifest *files_a = generation_files(state, a), *files_b = generation_files(state, b);
    between_print(a, b, files_a, files_b, as_json);
    if (files_a)
        manifest_free(files_a);
    if (files_b)
        manifest_free(files_b);
    return EXIT_OK;
}

int cmd_why(struct options *o)
{
    struct place place;
    struct err err;
    struct decision *d, *other = NULL;
    if (place_find(o, &place, &err) < 0)
        return complain_of(o, &err);
    d = find(&place, o->arg_count > 0 ? o->args[0] : NULL, &err);
    if (d && o->arg_count > 1)
        other = find(&place, o->args[1], &err);
    int status = EXIT_REFUSED;
    if (d == NULL || (o->arg_count > 1 && other == NULL))
        complain_of(o, &err);
    else if (other)
        status = contrast(d, other, place.state, o->json);
    else
        status = o->json ? print_json(d) : tell(d, place.state);
    if (d)
        decision_free(d);
    if (other)
        decision_free(other);
    return status;
}
