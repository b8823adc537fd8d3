#include "classify/reliability.h"

#include <string.h>

static void end_group(struct reliability *group)
{
    group->said /= group->rows;
    group->right /= group->rows;
}

int reliability_table(const struct scored *rows, const double *p, struct reliability out[RELIABILITY_ROWS])
{
    struct scored by_p = {0};
    int groups = 0;
    for (int i = 0; i < rows->count; i++)
        scored_add(&by_p, (struct answer){p[i], rows->items[i].correct, false});
    struct scored sorted = scored_sorted(&by_p);
    for (int i = 0; i < sorted.count;) {
        struct reliability *group = &out[groups++];
        int until = groups == RELIABILITY_ROWS ? sorted.count : (int)((long)sorted.count * groups / RELIABILITY_ROWS);
        *group = (struct reliability){.least = sorted.items[i].score};
        do {
            group->rows++;
            group->said += sorted.items[i].score;
            group->right += sorted.items[i].correct;
            group->most = sorted.items[i++].score;
        } while (i < sorted.count && (i < until || sorted.items[i].score == group->most));
        end_group(group);
    }
    scored_clear(&by_p);
    scored_clear(&sorted);
    return groups;
}
