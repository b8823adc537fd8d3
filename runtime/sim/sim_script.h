/* sim_script: reads the file of `wye sim --script`: a Lua file that returns { seed =, models = {…}, faults = {…} } (README.md). */
#pragma once

#include "base/err.h"
#include "sim/sim_fault.h"
#include "sim/sim_model.h"

int sim_script_load(const char *path, struct sim_models *models, struct sim_faults *faults,
                    struct err *err);
