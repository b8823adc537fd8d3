/*
 * sim_answer: what a simulated model says. No wire format here: a request came in as a sim_ask, the answer leaves as pieces.
 *
 * The same seed, model and question give the same answer. Whether a model knows the answer depends on the question and its quality alone, so that
 * a better model knows whatever a lesser one knows, and all that know agree.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct arena;
struct sim_model;

/* A request, understood. Views live as long as the exchange. */
struct sim_ask {
    struct str model;
    struct str prompt;   /* the text of the last user message */
    size_t prompt_bytes; /* of all messages */
    bool is_after_tool;  /* the last message brings a tool's result */
    bool is_stream, wants_usage, wants_logprobs;
    int top_logprobs;
    int choices;     /* n */
    long max_tokens; /* 0: none */
    bool wants_json;
    bool thinks;
    struct str schema;      /* of the JSON wanted; empty: any object */
    struct str tool;        /* to be called: its name (raw JSON text without quotes); empty: none */
    struct str tool_schema; /* of its arguments; may be empty */
    struct str input;       /* of embeddings: raw */
    int dimensions;
    bool is_base64;
};

enum sim_finish { SIM_STOP, SIM_LENGTH, SIM_TOOL, SIM_FILTERED };

struct sim_answer {
    struct buf text;
    size_t *ends; /* of each piece (about a token) in text */
    int count;
    enum sim_finish finish;
    bool knows;
    uint64_t seed; /* for whatever else has to be made up: ids, log probabilities */
};

/* `choice`: which of n. The caller clears the answer. */
struct sim_answer sim_answer_make(const struct sim_ask *ask, const struct sim_model *model,
                                  uint64_t seed, int choice);
void sim_answer_clear(struct sim_answer *a);

/* Keeps the first `count` pieces. */
void sim_answer_cut(struct sim_answer *a, int count, enum sim_finish finish);

struct str sim_answer_piece(const struct sim_answer *a, int i);

/* What a model that thinks says to itself. */
struct str sim_answer_thought(const struct sim_answer *a);

/* The log probability of piece i: near 0 where the model knows, lower where it does not. */
double sim_answer_logprob(const struct sim_answer *a, int i);
