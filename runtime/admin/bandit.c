#include "admin/bandit.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "bind/analysis.h"
#include "admin/rows.h"

enum { LOOK_MS = 250, MOST_SECONDS = 60, TEXT_MOST = 4096 };

/* "0.1,0.9" into the split; false when there is nothing to change. */
static bool read_weights(const struct experiment *x, const char *text, struct split *split)
{
    for (int i = 0; i < x->count; i++) {
        char *end;
        split->weights[i] = strtod(text, &end);
        if (end == text)
            return false;
        text = *end == ',' ? end + 1 : end;
    }
    return true;
}

static int count(struct bandit *b, struct experiment *x)
{
    struct err err;
    struct buf options = BUF(TEXT_MOST), out = BUF(TEXT_MOST);
    struct split split = {.origin = SPLIT_BANDIT, .since_us = clock_wall_us()};
    buf_puts(&options, "{\"name\":");
    json_quote(&options, str_of(x->name));
    buf_putc(&options, '}');
    struct analysis *a = analysis_open("stats.ab", buf_str(&options), &err);
    if (a == NULL || rows_feed(a, b->trace_dir, x->name, NULL, &err) < 0 || analysis_call(a, "bandit", str_of(""), &out, &err) < 0) {
        log_warn("experiment '%s': weights stay: %s", x->name, err.message);
        return 1;
    }
    if (out.len > 0 && read_weights(x, out.p, &split) && experiment_split(x).origin != SPLIT_STOP)
        experiment_set(b->experiments, x, &split);
    return 0;
}

static void start(struct bandit *b, struct experiment *x)
{
    pid_t child = fork();
    if (child != 0) {
        b->child = child > 0 ? child : 0;
        return;
    }
    close_range(STDERR_FILENO + 1, UINT_MAX, 0);
    alarm(MOST_SECONDS);
    _exit(count(b, x));
}

/* Seconds; 0: it is no bandit, or it was stopped. */
static double period_of(const struct experiment *x)
{
    double seconds = 0;
    json_number(json_get(str_of(x->design), "bandit"), &seconds);
    return experiment_split(x).origin == SPLIT_STOP ? 0 : seconds;
}

static void on_look(void *arg)
{
    struct bandit *b = arg;
    timer_set(&b->timer, LOOK_MS);
    if (b->child && waitpid(b->child, NULL, WNOHANG) == 0)
        return;
    b->child = 0;
    for (int i = 0; i < EXPERIMENTS_MOST && b->child == 0; i++) {
        struct experiment *x = experiments_at(b->experiments, i);
        double seconds = x ? period_of(x) : 0;
        uint64_t period = seconds > 0 ? (uint64_t)((double)clock_wall_us() / 1e6 / seconds) : 0;
        bool is_new = period > b->periods[i] && b->periods[i] > 0 && experiments_find(b->experiments, x->name) == x;
        b->periods[i] = period;
        if (is_new)
            start(b, x);
    }
}

void bandit_open(struct bandit *b, struct loop *loop)
{
    timer_init(&b->timer, loop, on_look, b);
    timer_set(&b->timer, LOOK_MS);
}

void bandit_close(struct bandit *b)
{
    timer_clear(&b->timer);
}
