/*
 * experiments_file: the experiments on disk, STATE/experiments.json, so that a ramp holds over restarts and arms cannot change unnoticed.
 *
 * Written aside and renamed, in JSON: [{"name","salt","design","seen_us","origin","since_us","arms":[{"name","source","weight"}]}]. Both wait for the disk.
 */
#pragma once

#include "policy/experiments.h"

/* No file is no experiment. -1 with err when it cannot be read or is none. Before the fork. */
int experiments_file_load(struct experiments *e, const char *state_dir, struct err *err);
int experiments_file_save(struct experiments *e, const char *state_dir, struct err *err);
