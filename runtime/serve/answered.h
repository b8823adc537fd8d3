/*
 * answered: shadows that are answered: the rule runs as a request without a client, and beside it the route once more, so that what two answers of one rule differ by (the noise
 * floor) is known when the rule's answer is compared with what the client got.
 *
 * Such a request (request_start_answer) goes the way of all others, with these differences. It is never streamed and not tried again. It has its own 120 s and its own money:
 * `usd` of wye.shadow for each answer, limits.shadow_usd a day for all. Nothing of it is billed to a key, counted among requests, cached, scored or said to
 * health: a failure of a shadow cools no model, and it calls none that cools. Its calls leave three quarters of each provider's connections to requests. Two pairs run at a
 * time in a worker and 16 wait; a shadow that comes then only decides, and so does one whose money is spent. What an answer says is compared here and kept nowhere.
 */
#pragma once

#include "serve/shadow.h"

struct answer_run;
struct attempt;
struct event;

/* wye.shadow asked for an answer: keeps what the client gets from here on. Does nothing when too many wait. */
void answered_note(struct shadow *s, struct request *rq, double usd);

/* The request is over. False when the shadow is only to decide. */
bool answered_queue(struct shadow *s, struct request *rq);

void answered_turn(struct shadows *all);
void answered_stop(struct shadows *all);
void answered_close(struct shadows *all); /* nothing runs any more */

/* Its part of the shadow's event. */
void answered_write(const struct shadow *s, struct event *e);

/* ---- for the code that serves requests: rq->run is set ---- */

/* The function that decides. */
int answered_rule(const struct answer_run *run);

/* Before it runs, in a protected call: notes which source its rule has. */
void answered_mark(struct answer_run *run, lua_State *L);

/* What it decided (or why it failed), which is bounded here to what a shadow may do. */
void answered_decided(struct request *rq, const struct err *failed);

/* Room for one more call? -1 with err. Then around the call, and what it cost. */
int answered_admit(const struct request *rq, const struct model *model, struct err *err);
void answered_began(struct answer_run *run);
void answered_ended(struct answer_run *run);
void answered_used(struct answer_run *run, const struct attempt *a);

const char *answered_key(const struct answer_run *run);

/* The answer, as a client would get it; the request ends. */
void answered_take(struct answer_run *run, int status, struct str body);
