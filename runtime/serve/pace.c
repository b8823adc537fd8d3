#include "serve/pace.h"

#include <math.h>

static const uint64_t NS_IN_MS = 1000000;
static const double TOLERANCE = 2, STEEPEST = 0.2;

void pace_reset(struct pace *p, unsigned ceiling, uint64_t now_ns)
{
    if (p->ceiling != ceiling)
        *p = (struct pace){.limit = ceiling, .ceiling = ceiling, .changed_ns = now_ns, .epoch_ns = now_ns};
}

bool pace_admits(struct pace *p, unsigned running)
{
    if (running >= p->limit) {
        p->was_full = true;
        p->is_binding = p->is_binding || p->resumes == 0;
        return false;
    }
    if (running + 1 > p->peak)
        p->peak = running + 1;
    return true;
}

static void open_window(struct pace *p, uint64_t now_ns)
{
    p->changed_ns = now_ns;
    p->samples = p->peak = 0;
    p->log_sum = 0;
    p->was_full = false;
}

static double least_of(const struct pace *p)
{
    double now = p->least[0], before = p->least[1];
    return before > 0 && (now == 0 || before < now) ? before : now;
}

static unsigned bounded(const struct pace *p, double limit)
{
    unsigned floor = p->ceiling < PACE_FLOOR ? p->ceiling : PACE_FLOOR;
    return limit < floor ? floor : limit > p->ceiling ? p->ceiling : (unsigned)limit;
}

static unsigned judge(const struct pace *p, double mean)
{
    double gradient = TOLERANCE * least_of(p) / mean;
    if (gradient >= 1)
        return p->was_full ? bounded(p, p->limit + sqrt(p->limit)) : p->limit;
    double from = p->peak < p->limit ? p->peak : p->limit;
    double to = from * (gradient < STEEPEST ? STEEPEST : gradient) + sqrt(from);
    return to < p->limit || p->was_full ? bounded(p, to) : p->limit;
}

static void turn_epoch(struct pace *p, uint64_t now_ns)
{
    p->least[1] = p->least[0];
    p->least[0] = 0;
    p->epoch_ns = now_ns;
    p->windows = 0;
    if (p->is_binding) {
        p->resumes = p->limit;
        p->limit = p->limit < 8 ? 2 : p->limit / 4;
    }
    p->is_binding = false;
}

static void close_window(struct pace *p, uint64_t now_ns)
{
    double mean = exp(p->log_sum / p->samples);
    if (p->least[0] == 0 || mean < p->least[0])
        p->least[0] = mean;
    if (p->resumes) {
        p->limit = p->resumes;
        p->resumes = 0;
    } else {
        p->limit = judge(p, mean);
        if (++p->windows >= PACE_EPOCH_WINDOWS && now_ns - p->epoch_ns >= PACE_EPOCH_MS * NS_IN_MS)
            turn_epoch(p, now_ns);
    }
    open_window(p, now_ns);
}

bool pace_served(struct pace *p, uint64_t began_ns, uint64_t now_ns)
{
    unsigned before = p->limit;
    if (began_ns < p->changed_ns)
        return false;
    p->log_sum += log((double)(now_ns - began_ns) / 1000 + 1);
    p->samples++;
    if (p->samples >= PACE_WINDOW_SAMPLES && now_ns - p->changed_ns >= PACE_WINDOW_MS * NS_IN_MS)
        close_window(p, now_ns);
    return p->limit != before;
}
