/*
 * sim_reply: one reply in flight: frames that leave at their time, and how it ends. Lies in the exchange's arena.
 */
#pragma once

#include "net/server.h"
#include "sim/sim_fault.h"
#include "sim/sim_model.h"
#include "sim/sim_wire.h"

enum sim_play { SIM_PLAY_PLAIN, SIM_PLAY_STREAM, SIM_PLAY_RAW, SIM_PLAY_NOTHING };
enum sim_ending { SIM_ENDS, SIM_HANGS, SIM_RESETS };

struct sim_reply {
    struct exchange *x;
    struct sim_model *model;
    struct timer timer;
    enum sim_play play;
    enum sim_ending ending;
    bool is_stream; /* what was asked for */
    int status;
    const char *type;
    double retry_after;       /* seconds; below 0: none */
    struct buf plain;         /* the body of a plain reply */
    struct sim_frames frames; /* what a stream, or a raw reply with its head, consists of */
    double content_gap_ms;    /* mean, exponential, between content frames */
    double frame_gap_ms;      /* exactly, between all frames */
    bool is_endless;          /* the last frame again and again */
    bool is_playing, is_resetting, is_paused;
    int at;
    double due; /* loop_now */
    uint64_t dice;
};

/* Begins after `latency_ms`; at once, inside this call, when that is 0. The reply may be over on return. */
void sim_reply_start(struct sim_reply *r, struct loop *loop, double latency_ms);
void sim_reply_gone(struct sim_reply *r);
void sim_reply_drained(struct sim_reply *r);

/* Turns a good reply into what the fault makes of it. In sim_broken.c. */
void sim_broken_apply(struct sim_reply *r, const struct sim_wire *wire,
                      const struct sim_fault *fault);
