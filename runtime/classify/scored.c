#include "classify/scored.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "classify/jsonl.h"

enum { NAME_MAX_BYTES = 128 };

void scored_add(struct scored *s, struct answer answer)
{
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 1024;
        s->items = xrealloc(s->items, (size_t)s->room * sizeof *s->items);
    }
    s->items[s->count++] = answer;
}

void scored_clear(struct scored *s)
{
    free(s->items);
    *s = (struct scored){0};
}

/* "m0_conf" → "m0_correct": what belongs to that score. */
static const char *partner(const char *score, char *name)
{
    size_t cut = strcspn(score, "_.");
    const char *last = strrchr(score, '_') ? strrchr(score, '_') : strrchr(score, '.');
    if (last)
        cut = (size_t)(last - score);
    if (score[cut] == '\0' || cut + sizeof "_correct" > NAME_MAX_BYTES)
        return "correct";
    snprintf(name, NAME_MAX_BYTES, "%.*s%ccorrect", (int)cut, score, score[cut]);
    return name;
}

static int read_row(struct scored *s, const struct jsonl *j, struct str row, const struct columns *c, struct err *err)
{
    struct answer a = {0};
    if (jsonl_number(j, row, c->score, &a.score, err) < 0 || jsonl_bit(j, row, c->correct, &a.correct, err) < 0)
        return -1;
    if (s->has_strong && jsonl_bit(j, row, c->strong, &a.strong, err) < 0)
        return -1;
    if (s->count == SCORED_MOST)
        return jsonl_fail(j, err, "more than %d rows", SCORED_MOST);
    scored_add(s, a);
    return 0;
}

static int check_rows(const struct scored *s, const char *path, const char *correct, struct err *err)
{
    double mean = scored_mean(s);
    if (s->count < SCORED_LEAST)
        return err_set(err, ERR_MALFORMED, "%s: %d row%s; a calibration needs at least %d", path, s->count, s->count == 1 ? "" : "s",
                       SCORED_LEAST);
    if (mean == 0 || mean == 1)
        return err_set(err, ERR_MALFORMED, "%s: '%s' is %d in every row; a calibration needs right and wrong answers", path, correct,
                       mean == 1);
    return 0;
}

int scored_read(struct scored *s, const char *path, const struct columns *columns, struct err *err)
{
    char name[NAME_MAX_BYTES];
    struct columns c = *columns;
    c.score = c.score ? c.score : "score";
    struct jsonl *j = jsonl_open(path, err);
    struct str row;
    int got = -1;
    bool is_first = true;
    while (j && (got = jsonl_next(j, &row, err)) > 0) {
        if (is_first && c.correct == NULL)
            c.correct = json_get(row, partner(c.score, name)).p ? partner(c.score, name) : "correct";
        if (is_first && (c.strong || json_get(row, "strong").p))
            s->has_strong = true;
        c.strong = c.strong ? c.strong : "strong";
        is_first = false;
        if (read_row(s, j, row, &c, err) < 0) {
            got = -1;
            break;
        }
    }
    jsonl_close(j);
    return got < 0 ? -1 : check_rows(s, path, c.correct, err);
}

static int compare(const void *a, const void *b)
{
    const struct answer *x = a, *y = b;
    return (x->score > y->score) - (x->score < y->score);
}

struct scored scored_sorted(const struct scored *s)
{
    struct scored copy = {xmalloc((size_t)s->count * sizeof *s->items), s->count, s->count, s->has_strong};
    memcpy(copy.items, s->items, (size_t)s->count * sizeof *s->items);
    qsort(copy.items, (size_t)copy.count, sizeof *copy.items, compare);
    return copy;
}

double scored_mean(const struct scored *s)
{
    int right = 0;
    for (int i = 0; i < s->count; i++)
        right += s->items[i].correct;
    return s->count ? (double)right / s->count : 0;
}

double scored_auroc(const struct scored *s)
{
    struct scored sorted = scored_sorted(s);
    double sum = 0, right = 0;
    for (int i = 0, end; i < s->count; i = end) {
        int here = 0;
        for (end = i; end < s->count && sorted.items[end].score == sorted.items[i].score; end++)
            here += sorted.items[end].correct;
        sum += here * (i + (end - i + 1) / 2.0); /* the mean of the ranks i + 1 to end */
        right += here;
    }
    double wrong = s->count - right;
    scored_clear(&sorted);
    return right > 0 && wrong > 0 ? (sum - right * (right + 1) / 2) / (right * wrong) : 0.5;
}
