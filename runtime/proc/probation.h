/*
 * probation: takes back a generation that does worse than its predecessor, or that hangs workers.
 *
 * For 30 s after a reload: when script errors exceed the predecessor's rate by 2 points over at least 50 requests, the
 * predecessor comes back. At any time: a generation in whose script the watchdog killed workers three times is quarantined: its predecessor comes back and its files are
 * refused until they change.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/loop.h"

enum { PROBATION_REFUSED = 16 };

struct reload;
struct warm;

struct probation {
    struct reload *reload;
    unsigned id; /* 0: nobody */
    uint64_t until_ms;
    struct timer tick;
    char refused[PROBATION_REFUSED][65]; /* hashes */
    unsigned refused_count;
};

void probation_open(struct probation *p, struct reload *r);
void probation_close(struct probation *p);

/* The live generation came by a reload. */
void probation_begin(struct probation *p);
void probation_end(struct probation *p);

bool probation_refuses(const struct probation *p, const char *hash);

/* The watchdog killed a worker while this generation's script ran. */
void probation_blame(struct probation *p, unsigned id);

/* The live generation is quarantined and no change is under way: go back. */
void probation_leave(struct probation *p);
