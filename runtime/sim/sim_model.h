/*
 * sim_model: how each simulated model behaves, what it was asked so far, and its dice.
 *
 * Any name is a model: unknown ones appear when asked for, with settings between those of sim/fast and sim/smart.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/str.h"

struct sim_model {
    struct list link;
    char *name;
    /* Of the time to the reply (plain) or the first token (streamed): log-normal, cut at p99. */
    double p50_ms, p99_ms;
    double first_token_ms;    /* instead, for streams; below 0: not set */
    double tokens_per_second; /* of streams; 0: all at once */
    double error_rate, rate_limit_rate;
    double quality; /* share of questions that it knows */
    char *price;    /* raw JSON, shown by /v1/models; or NULL */
    unsigned open;
    uint64_t requests, completed, cancelled, faults;
};

struct sim_models {
    struct list all;
    unsigned count;
    uint64_t seed;
};

void sim_models_init(struct sim_models *models);
void sim_models_clear(struct sim_models *models);

/* The model of that name; makes it when new ("fast" is "sim/fast"). */
struct sim_model *sim_model_find(struct sim_models *models, struct str name);

/* A number in [0, 1) that depends on the state only; moves the state on. */
double sim_model_dice(uint64_t *state);

/* Mixes bytes into a hash that starts a state. */
uint64_t sim_model_hash(uint64_t start, struct str bytes);

/* Milliseconds until the model begins to answer. */
double sim_model_latency(const struct sim_model *m, bool is_stream, uint64_t *state);

/* {"sim/fast":{"requests":1,…},…} */
int sim_models_stats(const struct sim_models *models, struct buf *out);
