#include "admin/metrics.h"

#include <string.h>

#include "base/version.h"

static void write_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static unsigned workers_of(const struct stats_board *board)
{
    return atomic_load_explicit(&board->workers, memory_order_relaxed);
}

static uint64_t read_counter(const struct stats_board *board, unsigned slot, enum stats_counter which)
{
    return atomic_load_explicit(&board->slots[slot].counters[which], memory_order_relaxed);
}

/* Counters are sums; gauges say which worker. */
static void write_stat(struct buf *out, const struct stats_board *board, enum stats_counter which)
{
    const char *name = stats_metric(which);
    write_head(out, name, stats_type(which), stats_help(which));
    uint64_t sum = 0;
    for (unsigned i = 0; i < workers_of(board); i++) {
        uint64_t value = read_counter(board, i, which);
        sum += value;
        if (strcmp(stats_type(which), "gauge") == 0)
            buf_printf(out, "%s{worker=\"%u\"} %llu\n", name, i + 1, (unsigned long long)value);
    }
    if (strcmp(stats_type(which), "gauge") == 0)
        return;
    if (strstr(name, "_seconds_"))
        buf_printf(out, "%s %.6f\n", name, (double)sum / 1e6);
    else
        buf_printf(out, "%s %llu\n", name, (unsigned long long)sum);
}

static uint64_t sum_bucket(const struct stats_board *board, size_t offset, int bucket)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < workers_of(board); i++) {
        const _Atomic uint64_t *buckets = (const void *)((const char *)&board->slots[i] + offset);
        sum += atomic_load_explicit(&buckets[bucket], memory_order_relaxed);
    }
    return sum;
}

/* Bucket i holds what took at most 2^i × 100 µs; the last one is open. */
static void write_histogram(struct buf *out, const struct stats_board *board, size_t offset, const char *name,
                            const char *help)
{
    write_head(out, name, "histogram", help);
    uint64_t count = 0;
    for (int b = 0; b < STATS_BUCKETS - 1; b++) {
        count += sum_bucket(board, offset, b);
        buf_printf(out, "%s_bucket{le=\"%.10g\"} %llu\n", name, 1e-4 * (double)(1ull << b), (unsigned long long)count);
    }
    count += sum_bucket(board, offset, STATS_BUCKETS - 1);
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)count);
    buf_printf(out, "%s_sum %.6f\n%s_count %llu\n", name, (double)sum_bucket(board, offset, STATS_BUCKETS) / 1e6, name,
               (unsigned long long)count);
}

static void write_workers(struct buf *out, const struct stats_board *board, const struct host_board *host)
{
    write_head(out, "wye_worker_up", "gauge", "1 while the worker serves");
    for (unsigned i = 0; i < workers_of(board); i++)
        buf_printf(out, "wye_worker_up{worker=\"%u\"} %d\n", i + 1,
                   atomic_load(&host->workers[i].state) == WORKER_SERVING);
    write_head(out, "wye_worker_restarts_total", "counter", "Workers replaced because they ended or hung");
    for (unsigned i = 0; i < workers_of(board); i++)
        buf_printf(out, "wye_worker_restarts_total{worker=\"%u\"} %u\n", i + 1, atomic_load(&host->workers[i].restarts));
}

static void write_generation(struct buf *out, const struct host_board *host)
{
    unsigned live = atomic_load(&host->live);
    write_head(out, "wye_generation", "gauge", "The live generation");
    buf_printf(out, "wye_generation %u\n", live);
    write_head(out, "wye_generation_info", "gauge", "The live generation's hash, as a label");
    if (live && atomic_load(&host->history[live % HOST_HISTORY].id) == live)
        buf_printf(out, "wye_generation_info{generation=\"%u\",hash=\"%.12s\"} 1\n", live,
                   host->history[live % HOST_HISTORY].hash);
    write_head(out, "wye_reloads_total", "counter", "Reloads by what became of them");
    buf_printf(out, "wye_reloads_total{result=\"done\"} %llu\n", (unsigned long long)atomic_load(&host->reloads_done));
    buf_printf(out, "wye_reloads_total{result=\"unchanged\"} %llu\n",
               (unsigned long long)atomic_load(&host->reloads_unchanged));
    buf_printf(out, "wye_reloads_total{result=\"refused\"} %llu\n", (unsigned long long)atomic_load(&host->reloads_refused));
    buf_printf(out, "wye_reloads_total{result=\"reverted\"} %llu\n",
               (unsigned long long)atomic_load(&host->reloads_reverted));
}

static void write_region(struct buf *out, const struct region *region)
{
    write_head(out, "wye_limited_total", "counter", "Requests not let in, by the limit that they met");
    for (int why = 0; why < LIMITED_COUNT; why++)
        buf_printf(out, "wye_limited_total{why=\"%s\"} %llu\n", limited_name(why),
                   (unsigned long long)atomic_load(&region->limited.counts[why]));
    struct table_counts kv = table_counts(region->kv);
    write_head(out, "wye_kv_entries", "gauge", "Entries of wye.kv");
    buf_printf(out, "wye_kv_entries %llu\n", (unsigned long long)kv.entries);
    write_head(out, "wye_kv_evictions_total", "counter", "Entries of wye.kv that made room for others");
    buf_printf(out, "wye_kv_evictions_total %llu\n", (unsigned long long)kv.evictions);
    write_head(out, "wye_cache_evictions_total", "counter", "Answers in the response cache that made room for others");
    buf_printf(out, "wye_cache_evictions_total %llu\n", (unsigned long long)table_counts(region->cache).evictions);
    write_head(out, "wye_client_keys", "gauge", "Client keys; with none, nobody is asked for one");
    buf_printf(out, "wye_client_keys %u\n", atomic_load(&region->keys.live));
}

/* Models by their id, which has a slash; providers' keys have none. */
static bool is_model(const struct health_target *t)
{
    const char *name = health_name(t);
    return name && strchr(name, '/') && strpbrk(name, "\"\\\n") == NULL;
}

static void write_cooling(struct buf *out, const struct health *h)
{
    write_head(out, "wye_model_cooling", "gauge", "1 while the model is left out of lists after failures");
    for (int i = 0; i < HEALTH_TARGETS; i++)
        if (is_model(&h->targets[i]))
            buf_printf(out, "wye_model_cooling{model=\"%s\"} %d\n", health_name(&h->targets[i]), !health_is_closed(&h->targets[i]));
}

static void write_models(struct buf *out, const struct health *h)
{
    write_head(out, "wye_model_drained", "gauge", "1 while the operator keeps the model out of service");
    for (int i = 0; i < HEALTH_TARGETS; i++)
        if (is_model(&h->targets[i]))
            buf_printf(out, "wye_model_drained{model=\"%s\"} %d\n", health_name(&h->targets[i]), health_is_drained(&h->targets[i]));
    write_head(out, "wye_model_in_flight", "gauge", "Calls to the model that have not ended");
    for (int i = 0; i < HEALTH_TARGETS; i++)
        if (is_model(&h->targets[i]))
            buf_printf(out, "wye_model_in_flight{model=\"%s\"} %u\n", health_name(&h->targets[i]), health_busy(&h->targets[i]));
}

/* By place in the provider's list, never by the key. */
static void write_keys(struct buf *out, const struct health *h)
{
    write_head(out, "wye_key_cooling", "gauge", "1 while a provider's key is left out because it was refused or limited");
    for (int i = 0; i < HEALTH_TARGETS; i++) {
        const char *name = health_name(&h->targets[i]);
        if (name == NULL || strchr(name, '/'))
            continue;
        size_t len = strcspn(name, "#");
        buf_printf(out, "wye_key_cooling{provider=\"%.*s\",key=\"%s\"} %d\n", (int)len, name, name[len] ? name + len + 1 : "1",
                   !health_is_closed(&h->targets[i]));
    }
}

static void write_experiments(struct buf *out, struct region *region)
{
    struct experiments *e = &region->experiments;
    write_head(out, "wye_experiment_exposures_total", "counter", "Requests whose rule was an arm of an experiment");
    for (int i = 0; i < EXPERIMENTS_MOST; i++) {
        struct experiment *x = experiments_at(e, i);
        for (int arm = 0; x && arm < x->count; arm++)
            buf_printf(out, "wye_experiment_exposures_total{experiment=\"%s\",salt=\"%s\",arm=\"%s\"} %llu\n", x->name, x->salt, x->arms[arm],
                       (unsigned long long)atomic_load(&x->exposures[arm]));
    }
    write_head(out, "wye_shadow_usd_total", "counter", "US dollars that answers of shadows cost, which no request is billed");
    buf_printf(out, "wye_shadow_usd_total %.9f\n", purse_total(&region->shadows));
    write_head(out, "wye_feedback_total", "counter", "POST /v1/feedback by what became of it");
    for (int i = 0; i < FEEDBACK_RESULT_COUNT; i++)
        buf_printf(out, "wye_feedback_total{result=\"%s\"} %llu\n", feedback_result_name((enum feedback_result)i),
                   (unsigned long long)atomic_load(&region->feedback.counts[i]));
    write_head(out, "wye_experiment_unitless_total", "counter", "Requests without the unit of their experiment: the control served, nobody was exposed");
    for (int i = 0; i < EXPERIMENTS_MOST; i++) {
        struct experiment *x = experiments_at(e, i);
        if (x)
            buf_printf(out, "wye_experiment_unitless_total{experiment=\"%s\",salt=\"%s\"} %llu\n", x->name, x->salt,
                       (unsigned long long)atomic_load(&x->unitless));
    }
}

void metrics_write(struct buf *out, const struct stats_board *board, const struct host_board *host,
                   struct region *region)
{
    write_head(out, "wye_build_info", "gauge", "The version, as a label");
    buf_puts(out, "wye_build_info{version=\"" WYE_VERSION "\"} 1\n");
    for (int which = 0; which < STAT_COUNT; which++)
        write_stat(out, board, (enum stats_counter)which);
    write_histogram(out, board, offsetof(struct stats_slot, duration), "wye_request_duration_seconds",
                    "From the first byte of the request to the last of the reply");
    write_histogram(out, board, offsetof(struct stats_slot, first_token), "wye_first_token_seconds",
                    "From the first byte of the request to the first content");
    write_workers(out, board, host);
    write_generation(out, host);
    write_region(out, region);
    write_cooling(out, &region->health);
    write_models(out, &region->health);
    write_keys(out, &region->health);
    write_experiments(out, region);
    exporter_metrics(&host->otlp, out);
}
