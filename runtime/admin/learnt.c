#include "admin/learnt.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "trace/reader.h"

int learnt_add(struct learnt *l, enum source_kind kind, const char *name, const char *path, struct err *err)
{
    if (l->count == LEARNT_MOST)
        return err_set(err, ERR_LIMIT, "more than %d classifiers and calibrations", LEARNT_MOST);
    struct drift_source *s = drift_source_open(kind, name, path, err);
    if (s == NULL)
        return -1;
    l->sources[l->count++] = s;
    return 0;
}

/* All of a folder of the project; a folder that is not there holds none. */
static int add_folder(struct learnt *l, const char *dir, enum source_kind kind, struct err *err)
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
        result = learnt_add(l, kind, name, path, err);
    }
    if (open)
        closedir(open);
    return result;
}

int learnt_add_project(struct learnt *l, const char *dir, struct err *err)
{
    return add_folder(l, dir, SOURCE_CLASSIFIER, err) < 0 ? -1 : add_folder(l, dir, SOURCE_CALIBRATION, err);
}

static struct drift_source *find(struct learnt *l, enum source_kind kind, struct str name)
{
    for (int i = 0; i < l->count; i++)
        if (drift_source_is(l->sources[i], kind, name))
            return l->sources[i];
    return NULL;
}

/* Notes that wye.classifier and wye.calibration leave: {"classifier": name, "label", "p"} and {"calibration": name, "score", "p"}. */
static void take_note(struct learnt *l, const struct record *note, struct str id)
{
    static const char *const MEMBERS[] = {"classifier", "calibration"};
    struct str data = record_text(note, F_DATA);
    for (int kind = SOURCE_CLASSIFIER; kind <= SOURCE_CALIBRATION; kind++) {
        struct str name = json_plain(json_get(data, MEMBERS[kind]));
        struct drift_source *s = name.p ? find(l, (enum source_kind)kind, name) : NULL;
        if (s)
            drift_source_add(s, data, id);
    }
}

int learnt_read_trace(struct learnt *l, const char *trace_dir, struct err *err)
{
    struct reader *reader = reader_open(trace_dir, err);
    if (reader == NULL)
        return -1;
    for (struct decision *one; (one = reader_next(reader)); decision_free(one)) {
        const struct record *note;
        for (int i = 0; (note = decision_next(one, GROUP_NOTE, &i));)
            take_note(l, note, record_text(&one->records[0], F_ID));
    }
    reader_close(reader);
    return 0;
}

void learnt_clear(struct learnt *l)
{
    for (int i = 0; i < l->count; i++)
        drift_source_close(l->sources[i]);
    l->count = 0;
}
