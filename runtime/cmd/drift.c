/* wye drift [DIR]: today's scores and labels beside those that classifiers and calibrations were fitted to. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/jsonl.h"
#include "cmd/command.h"
#include "cmd/drift_source.h"
#include "cmd/place.h"
#include "cmd/table.h"
#include "trace/reader.h"

enum { SOURCES = 64, REPORT_MOST = 4 << 20 };

struct drifting {
    const struct options *o;
    struct drift_source *sources[SOURCES];
    int count;
};

static int add_source(struct drifting *d, enum source_kind kind, const char *name, const char *path, struct err *err)
{
    if (d->count == SOURCES)
        return err_set(err, ERR_LIMIT, "more than %d classifiers and calibrations", SOURCES);
    struct drift_source *s = drift_source_open(kind, name, path, err);
    if (s == NULL)
        return -1;
    d->sources[d->count++] = s;
    return 0;
}

/* All of a folder of the project; a folder that is not there holds none. */
static int add_folder(struct drifting *d, const char *dir, enum source_kind kind, struct err *err)
{
    static const char *const FOLDERS[] = {"classifiers", "calibrations"}, *const ENDS[] = {".model", ".json"};
    char folder[2048], path[4096], name[SOURCE_NAME];
    int result = 0;
    snprintf(folder, sizeof folder, "%s/%s", dir, FOLDERS[kind]);
    DIR *open = opendir(folder);
    for (struct dirent *entry; open && result == 0 && (entry = readdir(open));) {
        size_t len = strlen(entry->d_name), end = strlen(ENDS[kind]);
        if (len <= end || len - end >= sizeof name || strcmp(entry->d_name + len - end, ENDS[kind]) != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(len - end), entry->d_name);
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        result = add_source(d, kind, name, path, err);
    }
    if (open)
        closedir(open);
    return result;
}

static struct drift_source *find(struct drifting *d, enum source_kind kind, struct str name)
{
    for (int i = 0; i < d->count; i++)
        if (drift_source_is(d->sources[i], kind, name))
            return d->sources[i];
    return NULL;
}

/* Notes that wye.classifier and wye.calibration leave: {"classifier": name, "label", "p"} and {"calibration": name, "score", "p"}. */
static void take_note(struct drifting *d, const struct record *note, struct str id)
{
    static const char *const MEMBERS[] = {"classifier", "calibration"};
    struct str data = record_text(note, F_DATA);
    for (int kind = SOURCE_CLASSIFIER; kind <= SOURCE_CALIBRATION; kind++) {
        struct str name = json_plain(json_get(data, MEMBERS[kind]));
        struct drift_source *s = name.p ? find(d, (enum source_kind)kind, name) : NULL;
        if (s)
            drift_source_add(s, data, id);
    }
}

static int read_trace(struct drifting *d, struct err *err)
{
    struct place place;
    if (place_find(d->o, &place, err) < 0)
        return -1;
    struct reader *reader = reader_open(place.trace, err);
    if (reader == NULL)
        return -1;
    for (struct decision *one; (one = reader_next(reader)); decision_free(one)) {
        const struct record *note;
        for (int i = 0; (note = decision_next(one, GROUP_NOTE, &i));)
            take_note(d, note, record_text(&one->records[0], F_ID));
    }
    reader_close(reader);
    return 0;
}

/* What `wye classify` printed, or lines of {"score": …}, for one model or calibration. */
static int read_readings(struct drifting *d, struct err *err)
{
    const char *path = d->o->args[0];
    size_t len = strlen(path);
    bool is_calibration = len > 5 && strcmp(path + len - 5, ".json") == 0;
    struct str row;
    int got = -1;
    if (add_source(d, is_calibration ? SOURCE_CALIBRATION : SOURCE_CLASSIFIER, path, path, err) < 0)
        return -1;
    struct jsonl *j = jsonl_open(d->o->readings, err);
    while (j && (got = jsonl_next(j, &row, err)) > 0) {
        char line[32];
        snprintf(line, sizeof line, "line %d", jsonl_line(j));
        if (!drift_source_add(d->sources[0], row, str_of(line)) &&
            (got = jsonl_fail(j, err, "no %s", is_calibration ? "\"score\"" : "\"label\" of the model and \"p\"")) < 0)
            break;
    }
    jsonl_close(j);
    return got;
}

static int report(const struct drifting *d)
{
    struct buf out = BUF(REPORT_MOST);
    bool has_drifted = false;
    const char *before = "{\"sources\":[";
    for (int i = 0; i < d->count; i++) {
        struct drift_report r = drift_source_report(d->sources[i]);
        has_drifted |= r.has_drifted;
        if (d->o->metrics) {
            drift_metrics(&r, &out);
        } else if (d->o->json) {
            buf_puts(&out, before);
            drift_json(&r, &out);
            before = ",";
        } else {
            drift_text(&r, &out);
        }
    }
    if (d->o->json && !d->o->metrics)
        buf_printf(&out, "%s],\"drifted\":%s}\n", d->count ? "" : before, has_drifted ? "true" : "false");
    fwrite(out.p, 1, out.len, stdout);
    buf_clear(&out);
    return has_drifted ? EXIT_REFUSED : EXIT_OK;
}

int cmd_drift(struct options *o)
{
    struct drifting d = {.o = o};
    struct err err = {0};
    const char *dir = o->arg_count ? o->args[0] : "routes";
    int status = EXIT_REFUSED;
    if (o->readings && o->arg_count == 0) {
        fprintf(stderr, "wye drift: --readings needs the model or calibration that they are of: `wye drift MODEL --readings FILE`\n");
        return EXIT_USAGE;
    }
    int result = o->readings ? read_readings(&d, &err) : 0;
    if (!o->readings && (add_folder(&d, dir, SOURCE_CLASSIFIER, &err) < 0 || add_folder(&d, dir, SOURCE_CALIBRATION, &err) < 0))
        result = -1;
    else if (!o->readings && d.count == 0)
        result = err_set(&err, ERR_BAD_REQUEST, "%s has no classifiers/NAME.model and no calibrations/NAME.json", dir);
    else if (!o->readings)
        result = read_trace(&d, &err);
    if (result == 0)
        status = report(&d);
    else
        fprintf(stderr, "wye drift: %s\n", err.message);
    for (int i = 0; i < d.count; i++)
        drift_source_close(d.sources[i]);
    return result < 0 && err.kind == ERR_CONNECT ? EXIT_NO_SERVER : status;
}
