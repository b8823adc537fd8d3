/* simulated: the simulator's models answer asks in this process, as `wye sim` would over HTTP: at once, and the same way each time. */
#pragma once

#include "trial/trial.h"

/* For recorded.h's `ask`: fills the reply. -1 when the ask is no chat completion. */
int simulated_ask(void *arg, struct trial *t, struct trial_ask *ask);
