/*
 * guard: ends Lua code that runs too long. One per thread that runs Lua.
 *
 * A thread-CPU-time timer (no wake-ups while idle, no system call per request) ticks each 5 ms of CPU;
 * its signal handler arms a count hook once the running slice has used its budget, and the hook raises
 * in every coroutine and through every pcall until guard_leave. C functions that may run long
 * (patterns, sort) ask guard_is_over. CPU time, not the clock, is what counts: a thread that the
 * system put aside is not blamed.
 *
 * The same hook serves the memory cap: past a soft line it collects the garbage, past the cap it raises.
 *
 * Timers do not survive fork: call guard_open in the process that runs Lua. Without it nothing is limited.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "base/err.h"

struct vm;

/* Installs the timer and its signal for this thread. */
int guard_open(struct err *err);
void guard_close(void);

/* From here to guard_leave the VM's code runs with `ms` of CPU left. Not nested. */
void guard_enter(struct vm *vm, unsigned ms);

/*
 * Returns the microseconds used: what the monotonic clock says, but no more than the CPU ticks allow.
 * *over: the budget was passed and the code was stopped.
 */
uint64_t guard_leave(struct vm *vm, bool *over);

bool guard_is_over(void);

/* Makes the hook run before the next instruction, whatever the time, and notes the place of L: for the allocator. */
void guard_arm(struct vm *vm, lua_State *L);

/*
 * Where the code was when the hook first raised in this slice, else when memory was last short,
 * "file:line"; "" when neither happened. Valid until guard_enter.
 */
const char *guard_place(void);
