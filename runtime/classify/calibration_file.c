#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "classify/calibration.h"

int calibration_write(const struct calibration *c, struct buf *out)
{
    int failed = buf_printf(out, "{\"wye\":\"calibration\",\"version\":%d,\"score\":\"%s\",\"method\":\"%s\",\"rows\":%.0f,\"accuracy\":%.6f,\"ece\":%.6f",
                            CALIBRATION_VERSION, c->score, calibration_method_name(c->method), c->rows, c->accuracy, c->ece);
    if (c->method == METHOD_PLATT)
        failed |= buf_printf(out, ",\n\"slope\":%.17g,\"offset\":%.17g", c->slope, c->offset);
    else
        failed |= buf_puts(out, ",\n\"points\":[");
    for (int i = 0; c->method == METHOD_ISOTONIC && i < c->count; i++)
        failed |= buf_printf(out, "%s[%.17g,%.17g]", i ? "," : "", c->points[i].score, c->points[i].p);
    failed |= buf_puts(out, c->method == METHOD_PLATT ? "" : "]");
    if (c->has_threshold)
        failed |= buf_printf(out, ",\n\"threshold\":%.17g,\"tie\":%.17g", c->threshold, c->tie);
    failed |= buf_puts(out, ",\n\"quantiles\":[");
    for (int i = 0; i <= CALIBRATION_BINS; i++)
        failed |= buf_printf(out, "%s%.17g", i ? "," : "", c->quantiles[i]);
    return failed | buf_puts(out, "]}\n");
}

/* A number from `least` to `most`. */
static int read_number(struct str object, const char *field, double least, double most, double *out, struct err *err)
{
    struct str value = json_get(object, field);
    if (value.p == NULL)
        return err_set(err, ERR_MALFORMED, "%s is missing", field);
    if (!json_number(value, out) || !(*out >= least && *out <= most))
        return err_set(err, ERR_MALFORMED, "%s is " STR_FMT "; a number from %g to %g is needed", field, value.len > 40 ? 40 : (int)value.len,
                       value.p, least, most);
    return 0;
}

static int read_point(struct calibration *c, struct str item, struct err *err)
{
    struct point p = {0};
    int numbers = 0;
    if (c->count == CALIBRATION_POINTS)
        return err_set(err, ERR_MALFORMED, "points has more than %d items", CALIBRATION_POINTS);
    for (struct json_walk w = json_walk(item); json_next(&w); numbers++)
        if (!json_number(w.value, numbers == 0 ? &p.score : &p.p))
            return err_set(err, ERR_MALFORMED, "points[%d] holds what is no number", c->count);
    if (numbers != 2 || !(p.p >= 0 && p.p <= 1))
        return err_set(err, ERR_MALFORMED, "points[%d] must be [score, probability from 0 to 1]", c->count);
    if (c->count > 0 && p.score <= c->points[c->count - 1].score)
        return err_set(err, ERR_MALFORMED, "points[%d]: scores must rise", c->count);
    c->points[c->count++] = p;
    return 0;
}

static int read_shape(struct calibration *c, struct str json, struct err *err)
{
    struct str method = json_get(json, "method"), points = json_get(json, "points");
    if (str_eq(method, "\"platt\"")) {
        c->method = METHOD_PLATT;
        return read_number(json, "slope", -1e300, 1e300, &c->slope, err) < 0 ? -1
                                                                               : read_number(json, "offset", -1e300, 1e300, &c->offset, err);
    }
    if (!str_eq(method, "\"isotonic\""))
        return err_set(err, ERR_MALFORMED, "method must be \"isotonic\" or \"platt\"");
    if (json_type(points) != JSON_ARRAY)
        return err_set(err, ERR_MALFORMED, "points must be a list of [score, probability]");
    for (struct json_walk w = json_walk(points); json_next(&w);)
        if (read_point(c, w.value, err) < 0)
            return -1;
    return c->count ? 0 : err_set(err, ERR_MALFORMED, "points is empty");
}

static int read_quantiles(struct calibration *c, struct str json, struct err *err)
{
    int count = 0;
    double last = -INFINITY;
    for (struct json_walk w = json_walk(json_get(json, "quantiles")); count <= CALIBRATION_BINS && json_next(&w); count++) {
        if (!json_number(w.value, &c->quantiles[count]) || c->quantiles[count] < last)
            return err_set(err, ERR_MALFORMED, "quantiles[%d] must be a number not below the one before", count);
        last = c->quantiles[count];
    }
    return count > CALIBRATION_BINS ? 0 : err_set(err, ERR_MALFORMED, "quantiles must be a list of %d numbers", CALIBRATION_BINS + 1);
}

int calibration_parse(struct calibration *c, struct str json, struct err *err)
{
    struct err why;
    double version;
    *c = (struct calibration){0};
    if (json_validate(json, &why) < 0)
        return err_set(err, ERR_MALFORMED, "no valid JSON: %s", why.message);
    if (!str_eq(json_get(json, "wye"), "\"calibration\""))
        return err_set(err, ERR_MALFORMED, "wye must be \"calibration\": `wye calibrate DATA -o FILE` writes such files");
    if (read_number(json, "version", 1, CALIBRATION_VERSION, &version, err) < 0)
        return -1;
    struct str score = json_plain(json_get(json, "score"));
    if (score.len == 0 || score.len >= CALIBRATION_NAME)
        return err_set(err, ERR_MALFORMED, "score must name what is measured, such as \"confidence\"");
    snprintf(c->score, sizeof c->score, STR_FMT, STR_ARG(score));
    if (read_shape(c, json, err) < 0 || read_quantiles(c, json, err) < 0 || read_number(json, "rows", 0, SCORED_MOST, &c->rows, err) < 0 ||
        read_number(json, "accuracy", 0, 1, &c->accuracy, err) < 0 || read_number(json, "ece", 0, 1, &c->ece, err) < 0)
        return -1;
    c->has_threshold = json_get(json, "threshold").p != NULL;
    if (!c->has_threshold)
        return 0;
    return read_number(json, "threshold", 0, 1, &c->threshold, err) < 0 ? -1 : read_number(json, "tie", 0, 1, &c->tie, err);
}
