/* bind: opens the `wye` table in a fresh route VM. */
#pragma once

#include "base/err.h"

struct vm;
struct generation;

/* For generation_options.open. */
int bind_open(struct vm *vm, struct generation *g, struct err *err);
