/* wye drift [DIR]: today's scores and labels beside those that classifiers and calibrations were fitted to. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "classify/jsonl.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/place.h"
#include "cmd/table.h"
#include "admin/learnt.h"

enum { REPORT_MOST = 4 << 20 };

/* The project's own trace goes before that of another project's server. */
static int read_trace(struct learnt *l, const struct options *o, const char *dir, struct err *err)
{
    struct place place;
    char own[3072];
    int found = place_find_of(o, o->arg_count ? dir : NULL, &place, err);
    snprintf(own, sizeof own, "%s/.wye/trace", dir);
    bool is_other = found < 0 ? err->kind == ERR_CONNECT : place_is_foreign(&place, dir);
    if (is_other && access(own, R_OK) == 0)
        return learnt_read_trace(l, own, err);
    return found < 0 ? -1 : learnt_read_trace(l, place.trace, err);
}

/* What `wye classify` printed, or lines of {"score": …}, for one model or calibration. */
static int read_readings(struct learnt *l, const struct options *o, struct err *err)
{
    const char *path = o->args[0];
    size_t len = strlen(path);
    bool is_calibration = len > 5 && strcmp(path + len - 5, ".json") == 0;
    struct str row;
    int got = -1;
    if (learnt_add(l, is_calibration ? SOURCE_CALIBRATION : SOURCE_CLASSIFIER, path, path, err) < 0)
        return -1;
    struct jsonl *j = jsonl_open(o->readings, err);
    while (j && (got = jsonl_next(j, &row, err)) > 0) {
        char line[32];
        snprintf(line, sizeof line, "line %d", jsonl_line(j));
        if (!drift_source_add(l->sources[0], row, str_of(line)) &&
            (got = jsonl_fail(j, err, "no %s", is_calibration ? "\"score\"" : "\"label\" of the model and \"p\"")) < 0)
            break;
    }
    jsonl_close(j);
    return got;
}

static void end_json(struct buf *out, const char *before, bool has_drifted)
{
    buf_printf(out, "%s],\"drifted\":%s", before, has_drifted ? "true" : "false");
    if (has_drifted)
        complain_member(out, "today's traffic is no longer like what was fitted to");
    buf_puts(out, "}\n");
}

static int report(const struct learnt *l, const struct options *o)
{
    struct drift_report reports[LEARNT_MOST];
    struct buf out = BUF(REPORT_MOST);
    bool has_drifted = false;
    const char *before = "{\"sources\":[";
    for (int i = 0; i < l->count; i++) {
        reports[i] = drift_source_report(l->sources[i]);
        has_drifted |= reports[i].has_drifted;
        if (o->json && !o->metrics) {
            buf_puts(&out, before);
            drift_json(&reports[i], &out);
            before = ",";
        } else if (!o->metrics) {
            drift_text(&reports[i], &out);
        }
    }
    if (o->metrics)
        drift_metrics(reports, l->count, &out);
    else if (o->json)
        end_json(&out, l->count ? "" : before, has_drifted);
    fwrite(out.p, 1, out.len, stdout);
    buf_clear(&out);
    return has_drifted ? EXIT_REFUSED : EXIT_OK;
}

int cmd_drift(struct options *o)
{
    struct learnt l = {0};
    struct err err = {0};
    const char *dir = o->arg_count ? o->args[0] : place_project();
    if (o->readings && o->arg_count == 0)
        return complain(o, EXIT_USAGE, "--readings needs the model or calibration that they are of: `wye drift MODEL --readings FILE`");
    int result = o->readings ? read_readings(&l, o, &err) : 0;
    if (!o->readings && learnt_add_project(&l, dir, &err) < 0)
        result = -1;
    else if (!o->readings && l.count == 0)
        result = err_set(&err, ERR_BAD_REQUEST, "%s has no classifiers/NAME.model and no calibrations/NAME.json", dir);
    else if (!o->readings)
        result = read_trace(&l, o, dir, &err);
    int status = result == 0 ? report(&l, o) : complain_of(o, &err);
    learnt_clear(&l);
    return status;
}
