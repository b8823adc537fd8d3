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
    /* Understands a valid JSON body. -1 with the words of a 400. */
    int (*read)(struct str body, struct arena *arena, struct sim_ask *ask, struct err *err);
    void (*whole)(struct buf *out, const struct sim_ask *ask, const struct sim_answer *answers);
    void (*frames)(struct sim_frames *out, const struct sim_ask *ask,
                   const struct sim_answer *answers);
    void (*error)(struct buf *out, int status, const char *message);
    void (*error_frame)(struct buf *out, const char *message);
};

extern const struct sim_wire SIM_OPENAI;
