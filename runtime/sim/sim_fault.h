/*
 * sim_fault: what shall go wrong. A list of rules; the first that matches a request and is not used up decides.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/str.h"

enum sim_fault_kind {
    SIM_FAULT_NONE,
    SIM_FAULT_STATUS, /* an HTTP error */
#define FAULT(name, ...) SIM_FAULT_##name,
#include "sim/sim_fault.def"
#undef FAULT
};

struct sim_fault {
    struct list link;
    char *model; /* "*", "gpt", "openai/gpt" */
    enum sim_fault_kind kind;
    int status;
    int64_t times;      /* left; below 0: for ever */
    int64_t after;      /* requests to let pass first */
    double retry_after; /* seconds; below 0: no such field */
};

struct sim_faults {
    struct list all;
};

void sim_faults_init(struct sim_faults *faults);
void sim_faults_clear(struct sim_faults *faults);

/* Adds the rules of a JSON array: [{"model":"*","kind":"429","times":2,"after":0,"retry_after":1.5}, …]. All or none. */
int sim_faults_add(struct sim_faults *faults, struct str json, struct err *err);

/*
 * The fault for this request, or NULL. `provider` is the first folder of the path, empty when there is none. Counts it.
 */
const struct sim_fault *sim_fault_for(struct sim_faults *faults, struct str provider,
                                      struct str model);

/* Does the pattern mean this model? "*", its name, "provider/name"; a provider on one side only is no obstacle. */
bool sim_fault_matches(const char *pattern, struct str provider, struct str model);
