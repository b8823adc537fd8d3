/* ramp: how the admin API lists experiments and changes their weights. */
#pragma once

#include "base/buf.h"
#include "policy/experiments.h"

void ramp_list(struct buf *out, struct experiments *e);

/*
 * Both append {"ok":true,"message",…} or return -1: ERR_LIMIT when there is no experiment of that name (err names the near one), ERR_BAD_REQUEST for weights
 * that are none. `weights`: "80,20", one for each arm; "v2=20,v3=5", where the control takes the rest; "20", the treatment of two arms. In percent.
 */
int ramp_weights(struct experiments *e, struct str name, struct str weights, struct buf *out, struct err *err);
int ramp_stop(struct experiments *e, struct str name, struct str arm, struct buf *out, struct err *err);
