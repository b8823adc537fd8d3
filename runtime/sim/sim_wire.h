/*
 * sim_wire: one provider's format. sim.c finds it by the path; the answers it renders come from sim_answer.
 *
 * A stream is rendered whole, as frames: who plays them (sim_reply) decides when each leaves.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "sim/sim_answer.h"

struct sim_frames {
    struct buf text;
    size_t *ends; /* of each frame in text */
    int count, room;
    int first; /* the first frame with content */
    int last;  /* one past the last frame with content */
};

void sim_frames_clear(struct sim_frames *f);
/* The text up to here, since the last end, is a frame. */
void sim_frames_end(struct sim_frames *f);
struct str sim_frame(const struct sim_frames *f, int i);

struct sim_wire {
    /* Understands a valid JSON body; `path` is without the query. -1 with the words of a 400. */
    int (*read)(struct str path, struct str body, struct arena *arena, struct sim_ask *ask, struct err *err);
    void (*whole)(struct buf *out, const struct sim_ask *ask, const struct sim_answer *answers);
    void (*frames)(struct sim_frames *out, const struct sim_ask *ask,
                   const struct sim_answer *answers);
    /* `retry_after` in seconds, below 0 for none: where the wire has it in the body. */
    void (*error)(struct buf *out, int status, const char *message, double retry_after);
    void (*error_frame)(struct buf *out, int status, const char *message);
    const char *broken_frame; /* an event whose JSON is none, and what comes behind it */
};

extern const struct sim_wire SIM_OPENAI, SIM_EMBEDDINGS, SIM_ANTHROPIC, SIM_GEMINI, SIM_GEMINI_EMBEDDINGS;

/* The model that a path of Gemini's names. */
struct str sim_gemini_model(struct str path, struct arena *arena);

/* How many tokens the prompt counts as. */
size_t sim_prompt_tokens(const struct sim_ask *ask);
