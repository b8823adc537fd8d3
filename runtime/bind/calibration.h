/*
 * calibration: wye.calibration "invoice", a function from a reply to the probability that it is right.
 *
 * Reads calibrations/invoice.json, which `wye calibrate` wrote (classify/calibration.h), while a file loads: a reload takes the new one.
 */
#pragma once

#include <lua.h>

void calibration_register(lua_State *L);

/* wye.calibration(name) → sure. */
int calibration_new(lua_State *L);
