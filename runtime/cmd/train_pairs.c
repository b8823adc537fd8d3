#include "cmd/train_pairs.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "classify/pairs.h"
#include "cmd/amount.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/frontier.h"

enum { REPORT_MOST = 1 << 16 };

static void warn_of_constant(const struct pairs *p)
{
    for (int i = 0; i < p->count; i++)
        if (!p->at[i].strong)
            return;
    fprintf(stderr, "wye train: 'strong' is 1 in every row: only what the weak model can do is learnt, not where the strong one fails too\n");
}

static void progress(int done, int total)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, done < total ? "\rtraining: step %d of %d " : "\r\033[K", done + 1, total);
}

static void print_json(const struct pairs_report *r, int rows, double seconds)
{
    struct buf out = BUF(REPORT_MOST);
    buf_printf(&out, "{\"rows\":%d,\"suffices\":%.6f,\"ece\":%.6f,\"threshold\":%.6f,\"frontier\":", rows, r->suffices, r->ece, r->threshold);
    frontier_json(&r->frontier, &out);
    printf("%s,\"bytes\":%zu,\"seconds\":%.3f}\n", out.p, r->bytes, seconds);
    buf_clear(&out);
}

static void print_text(const struct options *o, const struct pairs_report *r, int rows, double seconds)
{
    frontier_print(&r->frontier, stdout);
    printf("the weak model suffices in %.1f %%; calibration error %.4f (all of it cross-validated)\n", 100 * r->suffices, r->ece);
    printf("labels a question \"strong\" below p = %.4f\n%s: %d rows, %.1f KiB, %.1f s\n", r->threshold, o->out, rows, (double)r->bytes / 1024,
           seconds);
}

int train_pairs(const struct options *o)
{
    struct pairs pairs;
    struct pairs_report report;
    struct err err;
    uint64_t start = clock_ms();
    double share = 0.5;
    if (o->share && amount_read("share", o->share, 1, &share, &err) < 0)
        return complain(o, EXIT_USAGE, "%s", err.message);
    int result = pairs_read(&pairs, o->args[0], &err);
    if (result == 0) {
        warn_of_constant(&pairs);
        result = pairs_train(&pairs, o->out, share, progress, &report, &err);
    }
    double seconds = (double)(clock_ms() - start) / 1000;
    if (result == 0 && o->json)
        print_json(&report, pairs.count, seconds);
    else if (result == 0)
        print_text(o, &report, pairs.count, seconds);
    else
        complain_of(o, &err);
    pairs_clear(&pairs);
    return result == 0 ? EXIT_OK : EXIT_REFUSED;
}
