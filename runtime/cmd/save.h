/* save: wye trace save ID [DIR]. */
#pragma once

#include "base/opt.h"

/* Writes DIR/specs/ID_spec.lua (DIR: `routes` unless given). Returns the exit status. */
int save_decision(const struct options *o, const char *trace, const char *id, const char *dir);
