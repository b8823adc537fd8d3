/* train_pairs: `wye train --pairs DATA -o MODEL`, from whether two models were right to when the weak one will do. */
#pragma once

#include "base/opt.h"

/* The exit status. */
int train_pairs(const struct options *o);
