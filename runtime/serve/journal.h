/*
 * journal: writes one request's story into the trace, as it happens.
 *
 * What is not known yet is left out; journal_decision comes last and publishes the whole.
 */
#pragma once

#include "trace/record.h"

#include "vm/config.h"

struct request;
struct attempt;
struct exposure;

void journal_begin(struct request *rq);
void journal_note(struct request *rq, struct str text, struct str data, struct str where);
void journal_candidate(struct request *rq, const struct model *model, const char *state, const char *why);

void journal_arm(struct request *rq, const struct exposure *e);

/* Before the call; and after it with what came of it. `next` is one of the words of ROUTES.md section 6. */
void journal_attempt_start(struct request *rq, const struct attempt *a);
void journal_attempt(struct request *rq, const struct attempt *a, const char *next);

/* That ask's reply, recorded before, is what the client gets. */
void journal_served(struct request *rq, int attempt);

void journal_decision(struct request *rq);
