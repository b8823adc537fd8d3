/* decided: what came of a trial as JSON, for the test kit and `wye decide --json`. */
#pragma once

#include "base/buf.h"
#include "trial/trial.h"

/* Appends {notes, arms, asks, decision, kind, model, models, reason, line, …} or, when the route failed, {notes, arms, asks, decision, script_error, models}. */
void decided_write(struct buf *out, struct trial *t);

/* Appends the members of an ask, the `n`th of its run, without the closing brace. */
void decided_ask(struct buf *out, const struct trial_ask *ask, int n);
