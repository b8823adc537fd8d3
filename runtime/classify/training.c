#include "classify/training.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/embed.h"
#include "classify/fit.h"
#include "classify/folds.h"
#include "classify/gauge.h"
#include "classify/linear.h"
#include "classify/modelfile.h"
#include "classify/subjects.h"

enum { FOLDS = 4, GROUPS = 4, BINS = 20, META_MOST = 8 << 20 };

static const double WEIGHTS_MOST = 5e7, SCORES_MOST = 5e7;
static const int GRAMS_MOST = 1 << 20;

/* Subjects are heard when they alone are right on so many unseen texts, of the average label. */
static const double SUBJECTS_LEAST = 0.75;

/* A label that a fit did not see must not win. */
static const float NEVER = -1e6f;

struct trainer {
    const struct samples *s;
    struct vocab_parts parts;
    struct vocab vocab;
    struct embed_parts words;
    struct embed embed; /* width 0: without */
    struct subjects_parts subject_parts;
    struct subjects subjects; /* bits NULL: without */
    struct subjects_row *mixes;
    int features; /* the grams, then the places of the words' mean, then the subjects */
    struct fit_row *rows;
    bool *skip, *is_seen;
    int *fold_of;
    float *scores;                /* of each case */
    struct gauge_case *cases;     /* each row as an unseen text; then once more, and as a text of an unseen label */
    int case_count;
    struct gauge gauge;
    double *p;
    bool *is_right;
    void (*progress)(int done, int total);
    int done, total;
};

static void make_rows(struct trainer *t)
{
    int count = t->s->count;
    struct str *texts = xcalloc((size_t)count, sizeof *texts);
    for (int i = 0; i < count; i++)
        texts[i] = t->s->at[i].text;
    vocab_build(&t->parts, texts, count, (int)fmin(GRAMS_MOST, WEIGHTS_MOST / t->s->label_count));
    t->vocab = vocab_of(&t->parts);
    t->features = t->vocab.count + t->embed.width;
    t->rows = xcalloc((size_t)count, sizeof *t->rows);
    for (int i = 0; i < count; i++) {
        struct vector x = vocab_vector(&t->vocab, texts[i]);
        struct vector meaning = {.count = 0};
        if (t->embed.width)
            meaning = embed_vector(&t->embed, texts[i], (uint32_t)t->vocab.count);
        t->rows[i] = (struct fit_row){xcalloc((size_t)(x.count + meaning.count) + 1, sizeof *x.at), x.count + meaning.count, t->s->at[i].label};
        memcpy(t->rows[i].at, x.at, (size_t)x.count * sizeof *x.at);
        memcpy(t->rows[i].at + x.count, meaning.at ? meaning.at : x.at, (size_t)meaning.count * sizeof *x.at);
    }
    free(texts);
    t->skip = xcalloc((size_t)count, sizeof *t->skip);
    t->is_seen = xcalloc((size_t)t->features + SUBJECTS_WIDTH, sizeof *t->is_seen);
    t->fold_of = xcalloc((size_t)count, sizeof *t->fold_of);
}

static void skip_fold(struct trainer *t, int fold)
{
    for (int i = 0; i < t->s->count; i++)
        t->skip[i] = t->fold_of[i] == fold;
}

/* The share of unseen texts that subjects alone tell, of the average label. */
static double told_by_subjects(struct trainer *t)
{
    int labels = t->s->label_count, right[SUBJECTS_LABELS] = {0}, texts[SUBJECTS_LABELS] = {0};
    double weights[SUBJECTS_WIDTH * SUBJECTS_LABELS], sum = 0;
    for (int fold = 0; fold < FOLDS; fold++) {
        skip_fold(t, fold);
        subjects_fit(t->mixes, t->skip, t->s->count, labels, weights);
        for (int i = 0; i < t->s->count; i++) {
            texts[t->mixes[i].label] += t->skip[i];
            right[t->mixes[i].label] += t->skip[i] && subjects_guess(&t->mixes[i], weights, labels) == t->mixes[i].label;
        }
    }
    for (int c = 0; c < labels; c++)
        sum += (double)right[c] / texts[c];
    return sum / labels;
}

/* Adds the subjects to the features when they are worth it. */
static void hear_subjects(struct trainer *t)
{
    if (t->s->label_count > SUBJECTS_LABELS || t->s->count < SUBJECTS_ROWS)
        return;
    subjects_build(&t->subject_parts);
    t->subjects = subjects_of(&t->subject_parts);
    t->mixes = xcalloc((size_t)t->s->count, sizeof *t->mixes);
    for (int i = 0; i < t->s->count; i++) {
        struct grams g = grams_of(t->s->at[i].text);
        subjects_mix(&t->subjects, g.hash, g.words, t->mixes[i].mix);
        t->mixes[i].label = t->s->at[i].label;
    }
    folds_deal(t->s, FOLDS, t->fold_of);
    if (told_by_subjects(t) < SUBJECTS_LEAST)
        t->subjects.bits = NULL;
    else
        t->features += SUBJECTS_WIDTH;
}

static double *fit(struct trainer *t)
{
    int labels = t->s->label_count;
    t->progress(t->done++, t->total);
    double *weights = fit_weights(t->rows, t->skip, t->s->count, t->features, labels);
    if (t->subjects.bits)
        subjects_fit(t->mixes, t->skip, t->s->count, labels, weights + (size_t)(t->features - SUBJECTS_WIDTH) * (size_t)labels);
    return weights;
}

static void look_at_seen(struct trainer *t)
{
    memset(t->is_seen, 0, (size_t)t->features * sizeof *t->is_seen);
    for (int i = 0; i < t->s->count; i++)
        for (int k = 0; !t->skip[i] && k < t->rows[i].count; k++)
            t->is_seen[t->rows[i].at[k].index] = true;
}

static void add_scores(struct feature x, const double *weights, int columns, float *scores)
{
    for (int c = 0; c < columns; c++)
        scores[c] += x.value * (float)weights[(size_t)x.index * (size_t)columns + (size_t)c];
}

static void score_row(struct trainer *t, int row, const double *weights, const bool *has_rows)
{
    int columns = t->s->label_count;
    float *scores = t->scores + (size_t)t->case_count * (size_t)columns;
    struct vector x = vocab_unseen(&t->vocab, t->s->at[row].text, t->is_seen);
    for (int k = 0; k < t->rows[row].count; k++)
        add_scores(t->rows[row].at[k], weights, columns, scores);
    for (int k = 0; t->subjects.bits && k < SUBJECTS_WIDTH; k++)
        add_scores((struct feature){(uint32_t)(t->features - SUBJECTS_WIDTH + k), t->mixes[row].mix[k] * subjects_loudness(x.unpaired)}, weights,
                   columns, scores);
    for (int c = 0; c < columns; c++)
        if (!has_rows[c])
            scores[c] = NEVER;
    t->cases[t->case_count++] = (struct gauge_case){scores, x.unseen, t->rows[row].label, !has_rows[t->rows[row].label]};
}

/* Fits without the rows of `skip` and scores them. */
static void hold_out(struct trainer *t)
{
    bool has_rows[GAUGE_COLUMNS] = {false};
    for (int i = 0; i < t->s->count; i++)
        has_rows[t->rows[i].label] |= !t->skip[i];
    double *weights = fit(t);
    look_at_seen(t);
    for (int i = 0; i < t->s->count; i++)
        if (t->skip[i])
            score_row(t, i, weights, has_rows);
    free(weights);
}

static void hold_out_rows(struct trainer *t)
{
    folds_deal(t->s, FOLDS, t->fold_of);
    for (int fold = 0; fold < FOLDS; fold++) {
        skip_fold(t, fold);
        hold_out(t);
    }
}

/* How many groups of labels are held out in turn: two labels must stay. */
static int group_count(const struct samples *s)
{
    int inside = s->label_count - (s->oos >= 0);
    return inside < 3 ? 0 : inside < GROUPS ? inside : GROUPS;
}

/* Texts of labels that the fit did not see, and beside them unseen texts of those that it did. */
static void hold_out_labels(struct trainer *t)
{
    int groups = group_count(t->s);
    if (groups)
        folds_deal(t->s, groups, t->fold_of);
    for (int group = 0; group < groups; group++) {
        skip_fold(t, group);
        for (int i = 0; i < t->s->count; i++)
            t->skip[i] |= t->rows[i].label != t->s->oos && t->rows[i].label % groups == group;
        hold_out(t);
    }
}

/* After hold_out_rows, whose cases are the rows in the folds' order. */
static void measure_sources(const struct trainer *t, struct training *out)
{
    out->sources = xcalloc((size_t)t->s->source_count + 1, sizeof *out->sources);
    folds_deal(t->s, FOLDS, t->fold_of);
    for (int k = 0; k < t->s->source_count; k++)
        out->sources[k].is_apart = folds_part(t->s, t->fold_of, k);
    const struct gauge_case *c = t->cases;
    for (int fold = 0; t->s->source_count && fold < FOLDS; fold++)
        for (int i = 0; i < t->s->count; i++) {
            if (t->fold_of[i] != fold)
                continue;
            out->sources[t->s->at[i].source].rows++;
            out->sources[t->s->at[i].source].right += gauge_read(&t->gauge, c->scores, c->unseen).label == c->label;
            c++;
        }
}

static void measure(struct trainer *t, struct training *out)
{
    int right = 0, count = t->s->count;
    out->confusion = xcalloc((size_t)out->classes * (size_t)out->classes, sizeof *out->confusion);
    for (int i = 0; i < count; i++) {
        struct reading r = gauge_read(&t->gauge, t->cases[i].scores, t->cases[i].unseen);
        t->p[i] = r.p;
        t->is_right[i] = r.label == t->cases[i].label;
        right += t->is_right[i];
        out->confusion[t->cases[i].label * out->classes + r.label]++;
    }
    out->accuracy = (double)right / count;
    measure_sources(t, out);
    out->ece = gauge_ece(t->p, t->is_right, count);
}

/* ---- the file ---- */

static void put_histogram(struct buf *out, const char *name, const struct trainer *t, bool is_known)
{
    int bins[BINS] = {0};
    for (int i = 0; i < t->s->count; i++) {
        struct reading r = gauge_read(&t->gauge, t->cases[i].scores, t->cases[i].unseen);
        bins[(int)fmin(BINS - 1, (is_known ? r.known : r.p) * BINS)]++;
    }
    buf_printf(out, ",\"%s\":[", name);
    for (int i = 0; i < BINS; i++)
        buf_printf(out, "%s%d", i ? "," : "", bins[i]);
    buf_puts(out, "]");
}

/* What the model said of texts that it had not seen: how often each label, and p and known in bins of equal width. */
static void put_baseline(struct buf *out, const struct trainer *t, const struct training *r)
{
    buf_printf(out, ",\"baseline\":{\"rows\":%d,\"labels\":[", r->rows);
    for (int c = 0; c < r->classes; c++) {
        int said = 0;
        for (int truth = 0; truth < r->classes; truth++)
            said += r->confusion[truth * r->classes + c];
        buf_printf(out, "%s%d", c ? "," : "", said);
    }
    buf_puts(out, "]");
    put_histogram(out, "p", t, false);
    put_histogram(out, "known", t, true);
    buf_puts(out, "}");
}

static void put_weights(struct buf *out, const char *name, const double *weights)
{
    buf_printf(out, ",\"%s\":[", name);
    for (int i = 0; i < GAUGE_SIGNS; i++)
        buf_printf(out, "%s%.9g", i ? "," : "", weights[i]);
    buf_puts(out, "]");
}

static void put_meta(struct buf *out, const struct trainer *t, const struct training *r)
{
    buf_puts(out, "{\"kind\":\"text\",\"labels\":[");
    for (int c = 0; c < r->classes; c++) {
        buf_puts(out, c ? "," : "");
        json_quote(out, str_of(t->s->labels[c]));
    }
    buf_printf(out, "],\"heat\":%.9g", t->gauge.heat);
    put_weights(out, "right", t->gauge.right);
    put_weights(out, "known", t->gauge.known);
    buf_printf(out, ",\"rows\":%d,\"accuracy\":%.6f,\"ece\":%.6f", r->rows, r->accuracy, r->ece);
    put_baseline(out, t, r);
    buf_puts(out, "}");
}

static int write_model(struct trainer *t, const char *path, struct training *r, struct err *err)
{
    struct linear_parts w;
    struct buf meta = BUF(META_MOST);
    memset(t->skip, 0, (size_t)t->s->count * sizeof *t->skip);
    double *weights = fit(t);
    linear_pack(&w, weights, t->features, r->classes);
    put_meta(&meta, t, r);
    struct modelfile_part parts[MODELFILE_PARTS] = {
        {"meta", buf_str(&meta)},           {"starts", buf_str(&t->parts.starts)}, {"keys", buf_str(&t->parts.keys)},
        {"rarity", buf_str(&t->parts.rarity)}, {"rows", buf_str(&w.rows)},         {"scale", buf_str(&w.scale)},
        {"cells", buf_str(&w.cells)}};
    int count = 7;
    if (t->embed.width) {
        parts[count++] = (struct modelfile_part){"word starts", buf_str(&t->words.starts)};
        parts[count++] = (struct modelfile_part){"word keys", buf_str(&t->words.keys)};
        parts[count++] = (struct modelfile_part){"word vectors", buf_str(&t->words.vectors)};
    }
    if (t->subjects.bits) {
        parts[count++] = (struct modelfile_part){"subject starts", buf_str(&t->subject_parts.starts)};
        parts[count++] = (struct modelfile_part){"subject keys", buf_str(&t->subject_parts.keys)};
        parts[count++] = (struct modelfile_part){"subject bits", buf_str(&t->subject_parts.bits)};
    }
    int result = modelfile_write(path, parts, count, &r->bytes, err);
    linear_clear(&w);
    buf_clear(&meta);
    free(weights);
    return result;
}

static void clear(struct trainer *t)
{
    for (int i = 0; t->rows && i < t->s->count; i++)
        free(t->rows[i].at);
    free(t->rows);
    free(t->skip);
    free(t->is_seen);
    free(t->scores);
    free(t->cases);
    free(t->p);
    free(t->is_right);
    vocab_clear(&t->parts);
    embed_clear(&t->words);
    subjects_clear(&t->subject_parts);
    free(t->mixes);
    free(t->fold_of);
}

int training_run(const struct samples *s, const char *vectors, const char *path, void (*progress)(int done, int total), struct training *r, struct err *err)
{
    size_t count = (size_t)s->count;
    int groups = group_count(s);
    struct trainer t = {.s = s, .progress = progress, .total = FOLDS + groups + 1, .gauge = {.columns = s->label_count, .oos = s->oos}};
    *r = (struct training){.rows = s->count, .classes = s->label_count};
    if (fit_open(err) < 0)
        return -1;
    if ((double)count * s->label_count > SCORES_MOST)
        return err_set(err, ERR_LIMIT, "%d rows of %d labels are too many: rows × labels may be %.0f at most", s->count, s->label_count, SCORES_MOST);
    if (vectors && embed_read(&t.words, vectors, err) < 0) {
        embed_clear(&t.words);
        return -1;
    }
    if (vectors)
        t.embed = embed_of(&t.words);
    make_rows(&t);
    hear_subjects(&t);
    r->by_subjects = t.subjects.bits != NULL;
    t.scores = xcalloc(3 * count * (size_t)s->label_count, sizeof *t.scores);
    t.cases = xcalloc(3 * count, sizeof *t.cases);
    t.p = xcalloc(count, sizeof *t.p);
    t.is_right = xcalloc(count, sizeof *t.is_right);
    hold_out_rows(&t);
    gauge_fit(&t.gauge, t.cases, s->count);
    hold_out_labels(&t);
    int first = groups ? s->count : 0;
    gauge_fit_known(&t.gauge, t.cases + first, t.case_count - first);
    measure(&t, r);
    int result = write_model(&t, path, r, err);
    progress(t.total, t.total);
    clear(&t);
    return result;
}

void training_clear(struct training *r)
{
    free(r->confusion);
    free(r->sources);
}
