/*
 * serving: turns a request's decision into the answer: attempts in turn until one commits, or the reply it already holds.
 */
#pragma once

struct request;

void serving_begin(struct request *rq);

/* The wait before a retry is over. */
void serving_again(struct request *rq);

/* The request's total deadline passed. */
void serving_timed_out(struct request *rq);

/* Ends a running attempt and records it; part of request_finish. */
void serving_cancel(struct request *rq);
