#include "classify/drift_source.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/calibration.h"
#include "classify/drift.h"
#include "classify/modelfile.h"

enum { SCORES, LABELS, PARTS, OWN_BINS = DRIFT_BINS - 1, FILE_MOST = 1 << 20, STEP = 2, GRID = 2000 };

static const double RUN = 1e6, MUCH = 0.25;

struct label {
    char *name;
    int bin;
    double then, now;
};

struct drift_source {
    enum source_kind kind;
    char *name;
    struct calibration c; /* a calibration's, or a router's */
    double edges[OWN_BINS]; /* upper ends of the bins of the score; the last is open */
    struct label *labels;
    int label_count, parts;
    struct bins then[PARTS], now[PARTS];
    struct watch watch[PARTS];
    int flagged[PARTS];
    char at[PARTS][SOURCE_ID];
    double *p; /* of each reading */
    int count, room;
};

/* ---- the baseline ---- */

static int by_then(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return (y->then > x->then) - (y->then < x->then);
}

/* The most frequent labels have bins of their own, the others share the last. */
static void bin_labels(struct drift_source *s)
{
    qsort(s->labels, (size_t)s->label_count, sizeof *s->labels, by_then);
    for (int i = 0; i < s->label_count; i++) {
        s->labels[i].bin = i < OWN_BINS ? i : OWN_BINS;
        s->then[LABELS].at[s->labels[i].bin] += s->labels[i].then;
        s->then[LABELS].total += s->labels[i].then;
    }
    s->then[LABELS].count = s->label_count < DRIFT_BINS ? s->label_count : DRIFT_BINS;
}

static void read_labels(struct drift_source *s, struct str meta)
{
    struct arena arena = ARENA(FILE_MOST);
    struct json_walk counts = json_walk(json_pointer(meta, "/baseline/labels"));
    for (struct json_walk w = json_walk(json_get(meta, "labels")); json_next(&w) && json_next(&counts);) {
        struct str name = json_text(w.value, &arena);
        s->labels = xrealloc(s->labels, (size_t)(s->label_count + 1) * sizeof *s->labels);
        s->labels[s->label_count] = (struct label){.name = xstrndup(name.p ? name.p : "", name.len)};
        json_number(counts.value, &s->labels[s->label_count++].then);
    }
    arena_clear(&arena);
    bin_labels(s);
}

/* Bins of twice a twentieth of the fitted data, by their upper ends; those that fall together make one. */
static void bin_quantiles(struct drift_source *s, bool as_p)
{
    struct bins *then = &s->then[SCORES];
    double each = fmax(s->c.rows, CALIBRATION_BINS) / CALIBRATION_BINS * STEP;
    then->count = 0;
    then->total = 0;
    for (int i = STEP; i <= CALIBRATION_BINS; i += STEP) {
        double edge = as_p ? calibration_p(&s->c, s->c.quantiles[i]) : s->c.quantiles[i];
        if (then->count == 0 || edge > s->edges[then->count - 1]) {
            s->edges[then->count] = edge;
            then->at[then->count++] = 0;
        }
        then->at[then->count - 1] += each;
        then->total += each;
    }
}

/* Bins of equal width in the model; neighbours join until a bin has a twentieth of all, so that chance in a rare one does not count for much. */
static void bin_histogram(struct drift_source *s, struct str meta)
{
    struct bins *then = &s->then[SCORES];
    double counts[OWN_BINS] = {0}, held = 0;
    int count = 0;
    for (struct json_walk w = json_walk(json_pointer(meta, "/baseline/p")); count < OWN_BINS && json_next(&w); count++) {
        json_number(w.value, &counts[count]);
        then->total += counts[count];
    }
    for (int i = 0; i < count; i++) {
        held += counts[i];
        if (held < then->total / OWN_BINS && i < count - 1)
            continue;
        bool is_rest = held < then->total / OWN_BINS && then->count > 0;
        then->at[is_rest ? then->count - 1 : then->count] += held;
        s->edges[is_rest ? then->count - 1 : then->count] = (i + 1.0) / count;
        then->count += !is_rest;
        held = 0;
    }
}

static int read_meta(struct drift_source *s, struct str meta, struct err *err)
{
    struct str calibration = json_get(meta, "calibration");
    if (calibration.p && calibration_parse(&s->c, calibration, err) < 0)
        return -1;
    if (calibration.p)
        bin_quantiles(s, true);
    else
        bin_histogram(s, meta);
    read_labels(s, meta);
    return s->then[SCORES].count > 0 && s->label_count >= 2 ? 0 : err_set(err, ERR_MALFORMED, "the model has no baseline: train it again");
}

static int read_model(struct drift_source *s, const char *path, struct err *err)
{
    struct str bytes = {NULL, 0};
    struct modelfile m;
    if (modelfile_map(path, &bytes, err) < 0)
        return -1;
    int result = modelfile_read(&m, bytes, err) < 0 ? -1 : read_meta(s, m.meta, err);
    modelfile_unmap(bytes);
    s->parts = PARTS;
    return result;
}

static int read_calibration(struct drift_source *s, const char *path, struct err *err)
{
    char text[1 << 16];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_set(err, ERR_SYSTEM, "it cannot be read");
    size_t len = fread(text, 1, sizeof text, file);
    fclose(file);
    if (calibration_parse(&s->c, str_n(text, len), err) < 0)
        return -1;
    bin_quantiles(s, false);
    s->parts = 1;
    return 0;
}

struct drift_source *drift_source_open(enum source_kind kind, const char *name, const char *path, struct err *err)
{
    struct drift_source *s = xcalloc(1, sizeof *s);
    struct err why = {0};
    s->kind = kind;
    s->name = xstrdup(name);
    int result = kind == SOURCE_CLASSIFIER ? read_model(s, path, &why) : read_calibration(s, path, &why);
    if (result < 0) {
        err_set(err, ERR_MALFORMED, "%s: %s", path, why.message);
        drift_source_close(s);
        return NULL;
    }
    for (int part = 0; part < s->parts; part++) {
        s->now[part].count = s->then[part].count;
        drift_watch_init(&s->watch[part], &s->then[part], RUN);
    }
    return s;
}

void drift_source_close(struct drift_source *s)
{
    for (int i = 0; i < s->label_count; i++)
        free(s->labels[i].name);
    free(s->labels);
    free(s->name);
    free(s->p);
    free(s);
}

bool drift_source_is(const struct drift_source *s, enum source_kind kind, struct str name)
{
    return s->kind == kind && str_eq(name, s->name);
}

/* ---- readings ---- */

static void count_bin(struct drift_source *s, int part, int bin, struct str id)
{
    s->now[part].at[bin]++;
    s->now[part].total++;
    if (!drift_watch_add(&s->watch[part], bin) || s->flagged[part])
        return;
    s->flagged[part] = s->count;
    snprintf(s->at[part], SOURCE_ID, STR_FMT, id.len < SOURCE_ID ? (int)id.len : SOURCE_ID - 1, id.p ? id.p : "");
}

static void keep(struct drift_source *s, double p)
{
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 1024;
        s->p = xrealloc(s->p, (size_t)s->room * sizeof *s->p);
    }
    s->p[s->count++] = p;
}

static int bin_of(const struct drift_source *s, double score)
{
    int bin = 0;
    while (bin < s->then[SCORES].count - 1 && score > s->edges[bin])
        bin++;
    return bin;
}

static struct label *label_of(struct drift_source *s, struct str reading)
{
    struct arena arena = ARENA(1 << 16);
    struct str name = json_text(json_get(reading, "label"), &arena);
    struct label *found = NULL;
    for (int i = 0; name.p && i < s->label_count && found == NULL; i++)
        if (str_eq(name, s->labels[i].name))
            found = &s->labels[i];
    arena_clear(&arena);
    return found;
}

bool drift_source_add(struct drift_source *s, struct str reading, struct str id)
{
    double score;
    if (s->kind == SOURCE_CALIBRATION) {
        if (!json_number(json_get(reading, "score"), &score))
            return false;
        keep(s, calibration_p(&s->c, score));
        count_bin(s, SCORES, bin_of(s, score), id);
        return true;
    }
    struct label *label = label_of(s, reading);
    if (label == NULL || !json_number(json_get(reading, "p"), &score))
        return false;
    keep(s, score);
    label->now++;
    count_bin(s, SCORES, bin_of(s, score), id);
    count_bin(s, LABELS, label->bin, id);
    return true;
}

/* ---- what it comes to ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The share of the fitted data below the threshold, from its quantiles. */
static double share_then(const struct drift_source *s)
{
    int below = 0;
    if (s->kind == SOURCE_CLASSIFIER) {
        for (int i = 0; i < s->label_count; i++)
            if (strcmp(s->labels[i].name, "strong") == 0)
                return s->labels[i].then / s->then[LABELS].total;
        return 0;
    }
    for (int i = 0; i < GRID; i++) {
        double at = (i + 0.5) / GRID * CALIBRATION_BINS;
        const double *q = &s->c.quantiles[(int)at];
        double p = calibration_p(&s->c, q[0] + (q[1] - q[0]) * (at - floor(at)));
        below += p < s->c.threshold || (p == s->c.threshold && at < s->c.tie * CALIBRATION_BINS);
    }
    return (double)below / GRID;
}

static void look_at_threshold(const struct drift_source *s, struct drift_report *r)
{
    double *sorted = xmalloc((size_t)s->count * sizeof *sorted);
    double below = 0;
    memcpy(sorted, s->p, (size_t)s->count * sizeof *sorted);
    qsort(sorted, (size_t)s->count, sizeof *sorted, ascending);
    for (int i = 0; i < s->count; i++)
        below += sorted[i] < s->c.threshold ? 1 : sorted[i] == s->c.threshold ? s->c.tie : 0;
    r->has_threshold = true;
    r->threshold = s->c.threshold;
    r->share_then = share_then(s);
    r->share_now = below / s->count;
    r->again = sorted[(int)fmin(s->count - 1, r->share_then * s->count)];
    free(sorted);
}

static void look_at_labels(const struct drift_source *s, struct drift_report *r)
{
    double most = -1;
    for (int i = 0; i < s->label_count; i++) {
        double then = s->labels[i].then / s->then[LABELS].total, now = s->labels[i].now / s->now[LABELS].total;
        if (fabs(now - then) <= most)
            continue;
        most = fabs(now - then);
        snprintf(r->label, sizeof r->label, "%.*s", SOURCE_NAME - 1, s->labels[i].name);
        r->label_then = then;
        r->label_now = now;
    }
}

struct drift_report drift_source_report(const struct drift_source *s)
{
    struct drift_report r = {.name = s->name, .kind = s->kind, .readings = s->count, .count = s->count ? s->parts : 0};
    for (int i = 0; i < r.count; i++) {
        struct drift_part *part = &r.parts[i];
        *part = (struct drift_part){.what = i == LABELS ? "labels" : s->kind == SOURCE_CLASSIFIER ? "p" : "score",
                                    .has_order = i == SCORES, .psi = drift_psi(&s->then[i], &s->now[i]), .flagged = s->flagged[i]};
        part->ks = drift_ks(&s->then[i], &s->now[i], &part->chance);
        snprintf(part->at, sizeof part->at, "%s", s->at[i]);
        r.has_drifted |= part->flagged || (s->count >= DRIFT_ENOUGH && part->psi > MUCH);
    }
    if (s->count && s->c.has_threshold)
        look_at_threshold(s, &r);
    if (s->count && s->label_count)
        look_at_labels(s, &r);
    return r;
}
