/* trace_folder: a folder for one test, in *state, and a trace in it. */
#pragma once

#include <stdint.h>

int folder_make(void **state);
int folder_remove(void **state);

/* Slot 0 of the folder; 0 for the default sizes. Fails the test when it cannot. */
struct trace *folder_trace(const char *dir, uint64_t segment_bytes, uint64_t total_bytes);
