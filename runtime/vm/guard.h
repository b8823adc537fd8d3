/*
 * guard: ends Lua code that runs too long. One per thread that runs Lua.
 *
 * A thread-CPU-time timer (no wake-ups while idle, no system call per request) ticks each 5 ms of CPU; its signal handler arms a count hook once the running slice has used
 * its budget, and the hook raises in every coroutine and through every pcall until the task is dead. C functions that may run long (patterns) ask guard_is_over.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct vm;

/* Installs the timer and its signal for this thread. */
int guard_open(struct err *err);
void guard_close(void);

/* From here to guard_leave the VM's code runs with `ms` of CPU left. Not nested. */
void guard_enter(struct vm *vm, unsigned ms);

/* Returns the CPU microseconds used as counted by the monotonic clock; *over: the budget was passed and the code was stopped. */
uint64_t guard_leave(struct vm *vm, bool *over);

bool guard_is_over(void);
