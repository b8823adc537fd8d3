/* wye calibrate DATA -o FILE: what a score says about being right, and from where on an answer is kept. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/near.h"
#include "classify/reliability.h"
#include "classify/threshold.h"
#include "cmd/amount.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/frontier.h"
#include "cmd/table.h"

enum { FILE_MOST = 1 << 20, REPORT_MOST = 1 << 20, RESAMPLES = 400 };

struct calibrating {
    const struct options *o;
    struct scored rows;
    double *p; /* of each row: cross-fitted, or what --with says */
    struct calibration c;
    double before; /* calibration error of the raw score; NaN when that is no probability */
    bool has_method, has_prices, has_target;
    enum calibration_method method;
    enum target target;
    double value;
    struct price_pair prices;
    struct operating at;
    struct frontier frontier; /* where the rows say what the strong model knows */
    long bytes;
};

static int read_target(struct calibrating *k, struct err *err)
{
    const struct options *o = k->o;
    const char *texts[] = {o->share, o->cost, o->quality};
    static const char *const NAMES[] = {"share", "cost", "quality"};
    static const double MOST[] = {1, 1e9, 1};
    if ((o->weak_usd == NULL) != (o->strong_usd == NULL))
        return err_set(err, ERR_BAD_REQUEST, "--weak-usd and --strong-usd belong together");
    k->has_prices = o->weak_usd != NULL;
    if (k->has_prices && (amount_read("weak-usd", o->weak_usd, 1e9, &k->prices.weak, err) < 0 ||
                          amount_read("strong-usd", o->strong_usd, 1e9, &k->prices.strong, err) < 0))
        return -1;
    for (int i = TARGET_SHARE; i <= TARGET_QUALITY; i++) {
        if (texts[i] == NULL)
            continue;
        if (k->has_target)
            return err_set(err, ERR_BAD_REQUEST, "give one of --share, --cost and --quality");
        k->has_target = true;
        k->target = (enum target)i;
        if (amount_read(NAMES[i], texts[i], MOST[i], &k->value, err) < 0)
            return -1;
    }
    if (k->has_target && k->target == TARGET_COST && !k->has_prices)
        return err_set(err, ERR_BAD_REQUEST, "--cost needs --weak-usd and --strong-usd: what a thousand requests cost on each model");
    return 0;
}

static int read_method(struct calibrating *k, struct err *err)
{
    static const char *const NAMES[] = {"isotonic", "platt"};
    const char *given = k->o->method;
    k->has_method = given != NULL;
    for (int i = METHOD_ISOTONIC; i <= METHOD_PLATT; i++)
        if (given && strcmp(given, NAMES[i]) == 0)
            k->method = (enum calibration_method)i;
    if (given == NULL || strcmp(given, NAMES[k->method]) == 0)
        return 0;
    const char *near = near_name(given, NAMES, 2);
    return err_set(err, ERR_BAD_REQUEST, "--method is '%s'%s%s%s; isotonic or platt is needed", given, near ? " (did you mean '" : "",
                   near ? near : "", near ? "'?)" : "");
}

/* What a route may measure an answer by: the functions of wye.score that return a number. */
static int read_measure(struct calibrating *k, struct err *err)
{
    static const char *const NAMES[] = {"confidence", "least", "margin", "entropy", "agreement", "refusal", "degenerate", "length", "weighted"};
    enum { COUNT = sizeof NAMES / sizeof *NAMES };
    const char *name = k->o->measure;
    snprintf(k->c.score, sizeof k->c.score, "%s", name);
    for (int i = 0; i < COUNT; i++)
        if (strcmp(name, NAMES[i]) == 0)
            return 0;
    const char *near = near_name(name, NAMES, COUNT);
    return err_set(err, ERR_BAD_REQUEST, "--measure is '%s'%s%s%s; confidence, least, margin, entropy, agreement, refusal, degenerate, length or weighted is needed",
                   name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static double raw_error(const struct scored *rows, double *p)
{
    for (int i = 0; i < rows->count; i++) {
        p[i] = rows->items[i].score;
        if (!(p[i] >= 0 && p[i] <= 1))
            return NAN;
    }
    return calibration_error(rows, p);
}

static int read_file(const char *path, struct calibration *c, struct err *err)
{
    struct buf text = BUF(FILE_MOST);
    struct err why;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_set(err, ERR_SYSTEM, "%s: %s", path, strerror(errno));
    char part[4096];
    int result = 0;
    for (size_t n; result == 0 && (n = fread(part, 1, sizeof part, file)) > 0;)
        result = buf_append(&text, part, n);
    fclose(file);
    if (result < 0)
        err_set(err, ERR_MALFORMED, "%s: a calibration is no longer than %d MiB", path, FILE_MOST >> 20);
    else if ((result = calibration_parse(c, buf_str(&text), &why)) < 0)
        err_set(err, ERR_MALFORMED, "%s: %s", path, why.message);
    buf_clear(&text);
    return result;
}

/* Aside, then in place: a server that reloads never sees half of it. */
static int write_file(struct calibrating *k, struct err *err)
{
    struct buf text = BUF(FILE_MOST);
    char aside[4096];
    const char *path = k->o->out;
    snprintf(aside, sizeof aside, "%s.new", path);
    calibration_write(&k->c, &text);
    FILE *file = fopen(aside, "we");
    bool is_written = file && fwrite(text.p, 1, text.len, file) == text.len;
    is_written = file && fclose(file) == 0 && is_written;
    k->bytes = (long)text.len;
    buf_clear(&text);
    if (is_written && rename(aside, path) == 0)
        return 0;
    err_set(err, ERR_SYSTEM, "%s: %s", path, strerror(errno));
    unlink(aside);
    return -1;
}

static void fit(struct calibrating *k)
{
    if (k->has_method)
        calibration_fit_as(&k->c, &k->rows, k->method, k->p);
    else
        calibration_fit(&k->c, &k->rows, k->p);
}

static int apply(struct calibrating *k, struct err *err)
{
    if (read_file(k->o->with, &k->c, err) < 0)
        return -1;
    for (int i = 0; i < k->rows.count; i++)
        k->p[i] = calibration_p(&k->c, k->rows.items[i].score);
    return 0;
}

static void draw_frontier(struct calibrating *k)
{
    int count = k->rows.count;
    struct outcome *outcomes = xmalloc((size_t)count * sizeof *outcomes);
    for (int i = 0; i < count; i++)
        outcomes[i] = (struct outcome){k->p[i], k->rows.items[i].correct, k->rows.items[i].strong};
    frontier_measure(&k->frontier, outcomes, count, RESAMPLES, 1);
    free(outcomes);
}

static int work(struct calibrating *k, struct err *err)
{
    const struct options *o = k->o;
    if (scored_read(&k->rows, o->args[0], &(struct columns){o->score, o->correct, o->strong}, err) < 0)
        return -1;
    k->p = xmalloc((size_t)k->rows.count * sizeof *k->p);
    k->before = raw_error(&k->rows, k->p);
    if (o->with && apply(k, err) < 0)
        return -1;
    if (!o->with)
        fit(k);
    if (k->rows.has_strong)
        draw_frontier(k);
    const struct price_pair *prices = k->has_prices ? &k->prices : NULL;
    if (k->has_target && threshold_find(&k->c, &k->rows, k->target, k->value, prices, &k->at, err) < 0)
        return -1;
    if (!k->has_target && k->c.has_threshold)
        k->at = threshold_measure(&k->c, &k->rows, k->c.threshold, k->c.tie, prices);
    if (k->has_target) {
        k->c.has_threshold = true;
        k->c.threshold = k->at.threshold;
        k->c.tie = k->at.tie;
    }
    return o->out ? write_file(k, err) : 0;
}

/* ---- report ---- */

static void put_number(struct buf *out, const char *name, double value)
{
    if (isnan(value))
        buf_printf(out, ",\"%s\":null", name);
    else
        buf_printf(out, ",\"%s\":%.6g", name, value);
}

static void report_json(const struct calibrating *k, const struct reliability *groups, int count)
{
    struct buf out = BUF(REPORT_MOST);
    buf_printf(&out, "{\"rows\":%d,\"accuracy\":%.6f,\"auroc\":%.6f,\"method\":\"%s\"", k->rows.count, scored_mean(&k->rows),
               scored_auroc(&k->rows), calibration_method_name(k->c.method));
    put_number(&out, "ece_before", k->before);
    put_number(&out, "ece", calibration_error(&k->rows, k->p));
    put_number(&out, "log_loss", calibration_log_loss(&k->rows, k->p));
    buf_puts(&out, ",\"reliability\":[");
    for (int i = 0; i < count; i++)
        buf_printf(&out, "%s{\"from\":%.6g,\"to\":%.6g,\"rows\":%d,\"said\":%.6g,\"right\":%.6g}", i ? "," : "", groups[i].least,
                   groups[i].most, groups[i].rows, groups[i].said, groups[i].right);
    buf_puts(&out, "]");
    if (k->c.has_threshold) {
        buf_printf(&out, ",\"threshold\":%.17g,\"tie\":%.17g", k->at.threshold, k->at.tie);
        put_number(&out, "share", k->at.share);
        put_number(&out, "kept", k->at.kept);
        put_number(&out, "quality", k->at.quality);
        put_number(&out, "cost", k->at.cost);
    }
    if (k->rows.has_strong) {
        buf_puts(&out, ",\"frontier\":");
        frontier_json(&k->frontier, &out);
    }
    if (k->o->out) {
        buf_puts(&out, ",\"file\":");
        json_quote(&out, str_of(k->o->out));
        buf_printf(&out, ",\"bytes\":%ld", k->bytes);
    }
    printf("%s}\n", out.p);
    buf_clear(&out);
}

static void print_groups(const struct reliability *groups, int count)
{
    struct table t = TABLE(REPORT_MOST);
    table_row(&t, 5, (struct str[]){str_of("from"), str_of("to"), str_of("answers"), str_of("said"), str_of("right")});
    for (int i = 0; i < count; i++) {
        char cells[5][32];
        struct str views[5];
        snprintf(cells[0], 32, "%.3f", groups[i].least);
        snprintf(cells[1], 32, "%.3f", groups[i].most);
        snprintf(cells[2], 32, "%d", groups[i].rows);
        snprintf(cells[3], 32, "%.3f", groups[i].said);
        snprintf(cells[4], 32, "%.3f", groups[i].right);
        for (int c = 0; c < 5; c++)
            views[c] = str_of(cells[c]);
        table_row(&t, 5, views);
    }
    table_print(&t, stdout);
}

static void print_operating(const struct operating *at)
{
    printf("keep an answer from p = %.6g on: %.1f %% go to the strong model", at->threshold, 100 * at->share);
    if (!isnan(at->kept))
        printf(", %.1f %% of the kept ones are right", 100 * at->kept);
    if (!isnan(at->quality))
        printf(", %.1f %% of all", 100 * at->quality);
    if (!isnan(at->cost))
        printf(", $%.4g per thousand", at->cost);
    printf("\n");
    if (at->tie > 0 && at->tie < 1)
        printf("answers at exactly that p tie: %.1f %% of them go to the strong model, by chance\n", 100 * at->tie);
}

static void report(const struct calibrating *k, const struct reliability *groups, int count)
{
    printf("%d answers, %.1f %% right; a right one scores above a wrong one in %.1f %% of pairs (AUROC)\n", k->rows.count,
           100 * scored_mean(&k->rows), 100 * scored_auroc(&k->rows));
    printf("%s; calibration error ", calibration_method_name(k->c.method));
    if (!isnan(k->before))
        printf("%.4f before, ", k->before);
    printf("%.4f %s\n\n", calibration_error(&k->rows, k->p), k->o->with ? "on these answers" : "after, each answer by a fit without it");
    print_groups(groups, count);
    printf("\n");
    if (k->rows.has_strong)
        frontier_print(&k->frontier, stdout);
    if (k->c.has_threshold)
        print_operating(&k->at);
    if (k->o->out)
        printf("wrote %s, %ld bytes\n", k->o->out, k->bytes);
}

/* Scores may be good probabilities already; and few rows make a fit that is worse than none. */
static void warn_of_worse(const struct calibrating *k)
{
    double after = calibration_error(&k->rows, k->p);
    if (k->before < after)
        fprintf(stderr, "wye calibrate: the calibration error grew from %.4f to %.4f: by these answers the score is the better probability%s\n", k->before, after,
                k->o->with ? "" : "; more of them may help");
}

int cmd_calibrate(struct options *o)
{
    struct calibrating k = {.o = o};
    struct reliability groups[RELIABILITY_ROWS];
    struct err err = {0};
    if (o->out == NULL && o->with == NULL)
        return complain(o, EXIT_USAGE, "say where to: -o calibrations/NAME.json; or --with FILE to measure one that is there");
    if (read_method(&k, &err) < 0 || read_measure(&k, &err) < 0 || read_target(&k, &err) < 0)
        return complain(o, EXIT_USAGE, "%s", err.message);
    int result = work(&k, &err);
    int count = result == 0 ? reliability_table(&k.rows, k.p, groups) : 0;
    if (result == 0)
        warn_of_worse(&k);
    if (result == 0 && o->json)
        report_json(&k, groups, count);
    else if (result == 0)
        report(&k, groups, count);
    scored_clear(&k.rows);
    free(k.p);
    return result == 0 ? EXIT_OK : complain_of(o, &err);
}
