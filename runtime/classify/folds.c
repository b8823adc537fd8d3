#include "classify/folds.h"

#include <stdlib.h>

#include "base/alloc.h"

/* One by one, label for label; with `only`, the rows of the labels that it marks. */
static void deal_rows(const struct samples *s, int folds, const bool *only, int *of)
{
    int *met = xcalloc((size_t)s->label_count, sizeof *met);
    for (int i = 0; i < s->count; i++) {
        int label = s->at[i].label;
        if (only == NULL || only[label])
            of[i] = met[label]++ % folds;
    }
    free(met);
}

/* A fold for each source, those of a label in turn; a source that an earlier label has dealt stays where it is. */
static void deal_sources(const struct samples *s, int folds, int *fold)
{
    for (int k = 0; k < s->source_count; k++)
        fold[k] = -1;
    for (int label = 0; label < s->label_count; label++) {
        int turn = 0;
        for (int i = 0; i < s->count; i++)
            if (s->at[i].label == label && fold[s->at[i].source] < 0)
                fold[s->at[i].source] = turn++ % folds;
    }
}

/* Labels of which some fold would hold all texts. */
static void mark_narrow(const struct samples *s, const int *of, bool *is_narrow)
{
    int *first = xcalloc((size_t)s->label_count, sizeof *first);
    for (int label = 0; label < s->label_count; label++) {
        first[label] = -1;
        is_narrow[label] = true;
    }
    for (int i = 0; i < s->count; i++) {
        int label = s->at[i].label;
        if (first[label] < 0)
            first[label] = of[i];
        is_narrow[label] &= of[i] == first[label];
    }
    free(first);
}

void folds_deal(const struct samples *s, int folds, int *of)
{
    if (s->source_count == 0) {
        deal_rows(s, folds, NULL, of);
        return;
    }
    int *fold = xcalloc((size_t)s->source_count, sizeof *fold);
    bool *is_narrow = xcalloc((size_t)s->label_count, sizeof *is_narrow);
    deal_sources(s, folds, fold);
    for (int i = 0; i < s->count; i++)
        of[i] = fold[s->at[i].source];
    mark_narrow(s, of, is_narrow);
    deal_rows(s, folds, is_narrow, of);
    free(is_narrow);
    free(fold);
}

bool folds_part(const struct samples *s, const int *of, int source)
{
    int fold = -1;
    for (int i = 0; i < s->count; i++) {
        if (s->at[i].source != source)
            continue;
        if (fold >= 0 && of[i] != fold)
            return false;
        fold = of[i];
    }
    return true;
}
