/* trace_folder: a folder for one test, in *state, and a trace in it. */
#pragma once

#include <stdint.h>

struct trace;

int folder_make(void **state);
int folder_remove(void **state);

/* Slot 0 of the folder; 0 for the default sizes. Fails the test when it cannot. */
struct trace *folder_trace(const char *dir, uint64_t segment_bytes, uint64_t total_bytes);

/* A whole decision of three events; its reason repeats its id, so that a mixture shows. */
void folder_decide(struct trace *t, uint64_t number, const char *id);

/* Only its beginning. */
void folder_begin(struct trace *t, uint64_t number, const char *id);
