#include "sim/sim_reply.h"

#include <math.h>
#include <stdio.h>

enum { RESET_DELAY_MS = 20 };

/* What the reply holds outside the arena, and its timer. */
static void release(struct sim_reply *r)
{
    timer_clear(&r->timer);
    buf_clear(&r->plain);
    sim_frames_clear(&r->frames);
    r->model->open--;
}

static void reply_plain(struct sim_reply *r)
{
    char fields[64] = "";
    struct exchange *x = r->x;
    struct buf body = r->plain; /* the reply is the exchange's: it goes with it */
    if (r->retry_after >= 0)
        snprintf(fields, sizeof fields, "retry-after: %g\r\n", r->retry_after);
    r->plain = BUF(0);
    r->model->completed++;
    int status = r->status;
    const char *type = r->type;
    release(r);
    exchange_reply(x, status, type, str_of(fields), buf_str(&body));
    buf_clear(&body);
}

static void end(struct sim_reply *r)
{
    struct exchange *x = r->x;
    if (r->ending == SIM_HANGS)
        return;
    if (r->ending == SIM_ENDS) {
        r->model->completed++;
        release(r);
        exchange_end(x);
    } else if (r->is_resetting || r->play == SIM_PLAY_NOTHING) {
        release(r);
        exchange_abort(x);
    } else {
        r->is_resetting = true; /* what was written should leave before */
        timer_set(&r->timer, RESET_DELAY_MS);
    }
}

static double gap(struct sim_reply *r)
{
    bool is_content = r->at >= r->frames.first && r->at < r->frames.last;
    if (r->content_gap_ms > 0 && is_content)
        return -r->content_gap_ms * log(1 - sim_model_dice(&r->dice));
    return r->frame_gap_ms;
}

static void play(struct sim_reply *r)
{
    double now = (double)loop_now(r->timer.loop);
    r->is_paused = false;
    while (r->at < r->frames.count) {
        if (r->due > now) {
            timer_set(&r->timer, (uint64_t)ceil(r->due - now));
            return;
        }
        bool goes_on = exchange_write(r->x, sim_frame(&r->frames, r->at));
        r->due += gap(r);
        if (!r->is_endless || r->at + 1 < r->frames.count)
            r->at++;
        if (!goes_on) {
            r->is_paused = true;
            return;
        }
    }
    end(r);
}

static void begin(struct sim_reply *r)
{
    r->is_playing = true;
    r->due = (double)loop_now(r->timer.loop);
    if (r->play == SIM_PLAY_PLAIN) {
        reply_plain(r);
        return;
    }
    if (r->play == SIM_PLAY_STREAM)
        exchange_begin(r->x, r->status, r->type, str_of("cache-control: no-cache\r\n"), -1);
    else if (r->play == SIM_PLAY_RAW)
        exchange_begin_raw(r->x);
    play(r);
}

static void on_timer(void *arg)
{
    struct sim_reply *r = arg;
    if (!r->is_playing)
        begin(r);
    else if (r->is_resetting)
        end(r);
    else
        play(r);
}

void sim_reply_start(struct sim_reply *r, struct loop *loop, double latency_ms)
{
    timer_init(&r->timer, loop, on_timer, r);
    r->model->open++;
    if (latency_ms > 0)
        timer_set(&r->timer, (uint64_t)ceil(latency_ms));
    else
        begin(r);
}

void sim_reply_gone(struct sim_reply *r)
{
    r->model->cancelled++;
    release(r);
}

void sim_reply_drained(struct sim_reply *r)
{
    if (r->is_paused)
        play(r);
}
