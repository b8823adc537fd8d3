#include "cmd/frontier.h"

#include <math.h>

static const char *const NAMES[] = {"apgr", "cpt50", "cpt80", "matching"};
static const char *const WORDS[] = {"of the gap closed, mean over all shares (APGR)", "to the strong model close half of the gap (CPT 50 %)",
                                    "to the strong model close 80 % of it (CPT 80 %)", "to the strong model have 99.5 % of its quality"};

static const struct interval *nth(const struct frontier *f, int i)
{
    const struct interval *all[] = {&f->apgr, &f->cpt50, &f->cpt80, &f->matching};
    return all[i];
}

void frontier_print(const struct frontier *f, FILE *out)
{
    fprintf(out, "the weak model alone %.2f %%, the strong one %.2f %%\n", 100 * f->weak, 100 * f->strong);
    for (int i = 0; i < 4; i++) {
        const struct interval *v = nth(f, i);
        if (!isnan(v->value))
            fprintf(out, "  %5.1f %% (%.1f to %.1f) %s\n", 100 * v->value, 100 * v->low, 100 * v->high, WORDS[i]);
    }
}

void frontier_json(const struct frontier *f, struct buf *out)
{
    buf_printf(out, "{\"weak\":%.6f,\"strong\":%.6f", f->weak, f->strong);
    for (int i = 0; i < 4; i++) {
        const struct interval *v = nth(f, i);
        if (isnan(v->value))
            buf_printf(out, ",\"%s\":null", NAMES[i]);
        else
            buf_printf(out, ",\"%s\":{\"value\":%.6f,\"low\":%.6f,\"high\":%.6f}", NAMES[i], v->value, v->low, v->high);
    }
    buf_puts(out, ",\"curve\":[");
    for (int i = 0; i < FRONTIER_POINTS; i++)
        buf_printf(out, "%s[%.2f,%.6f]", i ? "," : "", (double)i / (FRONTIER_POINTS - 1), f->quality[i]);
    buf_puts(out, "]}");
}
