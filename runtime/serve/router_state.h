/* router_state: what serve/'s files share of the router. Not for others. */
#pragma once

#include "serve/pace.h"
#include "serve/request.h"
#include "serve/router.h"
#include "serve/shadow.h"

struct router {
    struct router_options options;
    struct stats_slot *stats;
    struct generation *live;
    struct list active, free; /* struct request by link */
    uint64_t number;          /* of the newest decision */
    uint64_t turned_second;   /* in which `turned` were turned away and recorded */
    unsigned turned;
    struct lookup *lookup;    /* NULL until feedback asks for an old decision */
    struct scored *scored;    /* NULL until there is a score */
    uint64_t scored_second;   /* when it was tried to be opened last */
    uint64_t seed[4];
    const struct exchange *headed; /* whose head came last, and the key it named */
    struct key *headed_key;
    uint64_t capture_below;  /* a random number up to it has its request captured; 0: none is */
    unsigned running; /* let in here and not over */
    struct pace pace;
    struct shadows shadows;
    struct translator *translator; /* NULL until a request needs it */
};

struct request *router_take(struct router *r);
void router_give(struct router *r, struct request *rq);

/* A decision number: microseconds of wall time, never twice in a worker. */
uint64_t router_number(struct router *r);
uint64_t router_random(struct router *r);

/* The id that x-wye-id says: 13 characters and a NUL. */
void router_write_id(const struct router *r, uint64_t number, char id[20]);

/* The host VM of this worker. NULL with err when it cannot be made. */
struct translator *router_translator(struct router *r, struct err *err);

/* A VM that stays near its memory cap after a collection is retired: new requests get a fresh one of the same generation. */
void router_refresh_vm(struct router *r, struct generation *g);
