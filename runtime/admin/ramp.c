#include "admin/ramp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/near.h"

enum { MAX_TEXT = 512 };

/* ---- listing ---- */

static void put_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":", name);
    json_quote(out, str_of(text));
    buf_putc(out, ',');
}

static void put_experiment(struct buf *out, const struct experiment *x)
{
    struct split split = experiment_split(x);
    char at[40];
    buf_putc(out, '{');
    put_text(out, "name", x->name);
    put_text(out, "salt", x->salt);
    buf_printf(out, "\"design\":%s,", x->design);
    put_text(out, "origin", split_origin_name((enum split_origin)split.origin));
    put_text(out, "since", clock_format(split.since_us, at, sizeof at));
    buf_printf(out, "\"unitless\":%llu,\"arms\":[", (unsigned long long)atomic_load(&x->unitless));
    for (int i = 0; i < x->count; i++)
        buf_printf(out, "%s{\"name\":\"%s\",\"weight\":%.10g,\"source\":%.10g,\"exposures\":%llu}", i ? "," : "", x->arms[i],
                   split.weights[i] * 100, x->source[i] * 100, (unsigned long long)atomic_load(&x->exposures[i]));
    buf_puts(out, "]}");
}

void ramp_list(struct buf *out, struct experiments *e)
{
    buf_puts(out, "{\"experiments\":[");
    for (int i = 0, count = 0; i < EXPERIMENTS_MOST; i++) {
        const struct experiment *x = experiments_at(e, i);
        if (x == NULL)
            continue;
        buf_puts(out, count++ ? "," : "");
        put_experiment(out, x);
    }
    buf_puts(out, "]}\n");
}

/* ---- changing ---- */

static struct experiment *find(struct experiments *e, struct str name, struct err *err)
{
    char text[EXPERIMENT_NAME];
    const char *names[EXPERIMENTS_MOST];
    int count = 0;
    snprintf(text, sizeof text, STR_FMT, STR_ARG(name));
    struct experiment *x = experiments_find(e, text);
    for (int i = 0; x == NULL && i < EXPERIMENTS_MOST; i++)
        if (experiments_at(e, i))
            names[count++] = e->slots[i].name;
    const char *near = x ? NULL : near_name(text, names, count);
    if (x == NULL)
        err_set(err, ERR_LIMIT, "there is no experiment '%s'%s%s%s; `wye ab list` shows those that are", text, near ? " (did you mean '" : "",
                near ? near : "", near ? "'?)" : "");
    return x;
}

static int arm_of(const struct experiment *x, const char *name, struct err *err)
{
    const char *names[EXPERIMENT_ARMS];
    for (int i = 0; i < x->count; i++) {
        names[i] = x->arms[i];
        if (strcmp(name, x->arms[i]) == 0)
            return i;
    }
    const char *near = near_name(name, names, x->count);
    return err_set(err, ERR_BAD_REQUEST, "'%s' is no arm of experiment '%s'%s%s%s", name, x->name, near ? " (did you mean '" : "", near ? near : "",
                   near ? "'?)" : "");
}

static int read_percent(const char *text, double *out, struct err *err)
{
    char *end;
    *out = strtod(text, &end);
    if (end != text && *end == '\0' && *out >= 0 && *out <= 100)
        return 0;
    return err_set(err, ERR_BAD_REQUEST, "'%s' is no weight: a number from 0 to 100, in percent", text);
}

/* "v2=20": sets that arm, and the control to what the others leave. */
static int read_named(const struct experiment *x, char *item, double *weights, struct err *err)
{
    char *equals = strchr(item, '=');
    double rest = 100;
    *equals = '\0';
    int arm = arm_of(x, item, err);
    if (arm < 0 || read_percent(equals + 1, &weights[arm], err) < 0)
        return -1;
    for (int i = 1; i < x->count; i++)
        rest -= weights[i];
    if (arm > 0)
        weights[0] = rest;
    return 0;
}

static int check_sum(const struct experiment *x, const double *weights, struct err *err)
{
    double sum = 0, least = 0;
    for (int i = 0; i < x->count; i++) {
        sum += weights[i];
        least = weights[i] < least ? weights[i] : least;
    }
    if (fabs(sum - 100) < 1e-6 && least >= 0)
        return 0;
    return err_set(err, ERR_BAD_REQUEST, "the weights of experiment '%s' would add up to %.10g; they must add up to 100", x->name,
                   least < 0 ? 100 - least : sum);
}

static int refuse_count(const struct experiment *x, struct err *err)
{
    return err_set(err, ERR_BAD_REQUEST, "experiment '%s' has %d arms: give as many weights, or NAME=WEIGHT", x->name, x->count);
}

static int read_weights(const struct experiment *x, char *text, double *weights, struct err *err)
{
    int count = 0, bare = 0;
    char *rest = NULL;
    for (char *item = strtok_r(text, ",", &rest); item; item = strtok_r(NULL, ",", &rest), count++) {
        bool is_named = strchr(item, '=') != NULL;
        bare += !is_named;
        if (!is_named && count == x->count)
            return refuse_count(x, err);
        if (is_named ? read_named(x, item, weights, err) < 0 : read_percent(item, &weights[count], err) < 0)
            return -1;
        if (!is_named && count == 0 && *rest == '\0' && x->count == 2) {
            weights[1] = weights[0];
            weights[0] = 100 - weights[1];
            return 0;
        }
    }
    if (count == 0)
        return err_set(err, ERR_BAD_REQUEST, "give the weights in percent: 80,20 for both arms, or v2=20");
    if (bare > 0 && bare != x->count)
        return refuse_count(x, err);
    return check_sum(x, weights, err);
}

static void tell(struct buf *out, const struct experiment *x, const struct split *before, const struct split *after)
{
    bool moves_back = experiment_moves_back(x, before, after);
    struct buf words = BUF(2 * MAX_TEXT);
    buf_printf(&words, "%s:", x->name);
    for (int i = 0; i < x->count; i++)
        buf_printf(&words, "%s %s %.6g %%", i ? "," : "", x->arms[i], after->weights[i] * 100);
    if (moves_back)
        buf_puts(&words, "; some units move back to an earlier arm");
    buf_puts(out, "{\"ok\":true,\"message\":");
    json_quote(out, buf_str(&words));
    buf_printf(out, ",\"moves_back\":%s,\"experiment\":", moves_back ? "true" : "false");
    put_experiment(out, x);
    buf_puts(out, "}\n");
    buf_clear(&words);
}

int ramp_weights(struct experiments *e, struct str name, struct str text, struct buf *out, struct err *err)
{
    struct experiment *x = find(e, name, err);
    char copy[MAX_TEXT];
    double weights[EXPERIMENT_ARMS];
    if (x == NULL)
        return -1;
    struct split before = experiment_split(x), after = {.origin = SPLIT_RAMP, .since_us = clock_wall_us()};
    snprintf(copy, sizeof copy, STR_FMT, STR_ARG(text));
    for (int i = 0; i < x->count; i++)
        weights[i] = before.weights[i] * 100;
    if (read_weights(x, copy, weights, err) < 0)
        return -1;
    for (int i = 0; i < x->count; i++)
        after.weights[i] = weights[i] / 100;
    experiment_set(e, x, &after);
    tell(out, x, &before, &after);
    return 0;
}

int ramp_stop(struct experiments *e, struct str name, struct str text, struct buf *out, struct err *err)
{
    struct experiment *x = find(e, name, err);
    char copy[EXPERIMENT_ARM_NAME];
    if (x == NULL)
        return -1;
    snprintf(copy, sizeof copy, STR_FMT, STR_ARG(text));
    int arm = text.len ? arm_of(x, copy, err) : 0;
    if (arm < 0)
        return -1;
    struct split before = experiment_split(x), after = {.origin = SPLIT_STOP, .since_us = clock_wall_us()};
    after.weights[arm] = 1;
    experiment_set(e, x, &after);
    tell(out, x, &before, &after);
    return 0;
}
