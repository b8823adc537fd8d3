/*
 * trial: one run of a route without the network. The only way that check, the fault sweep, `wye test`, `wye decide` and replay run one.
 *
 * The caller says how each model answers; nothing else of a route's world is made up. The guard of the thread is open
 * (vm/guard.h). Nothing waits: what a route waits for is answered as soon as it waits.
 *
 *     struct trial *t = trial_new(g);
 *     t->answer = my_answers;
 *     if (trial_run(t, route, body) < 0) ...t->err: "routes/route.lua:3: message"...
 *     else ...t->decision, t->asks...
 *     trial_free(t);                       // after the last run of any route of g
 */
#pragma once

#include "bind/decision.h"
#include "bind/scope.h"
#include "vm/generation.h"

enum { TRIAL_ASKS = 64, TRIAL_MOST_ASKS = 128, TRIAL_NOTES = 64, TRIAL_PAUSES = 128, TRIAL_ARMS = 16 };

struct trial_ask {
    const struct model *model;
    struct ask_options options;
    struct reply *reply; /* to be filled; its model is set */
    struct op *op;       /* NULL: the route no longer waits for it */
    int n;               /* of the operations that the route started, from 1 */
};

/* A wait for the time to pass: a hedge's. */
struct trial_pause {
    unsigned ms;
    struct op *op; /* as above */
    int n;
};

struct trial_note {
    struct str text, data, where;
};

struct trial_arm {
    const char *experiment, *arm;
    double p;
};

struct trial {
    struct scope scope; /* first: bind/ hands it back */
    struct generation *generation;

    /* Fills ask->reply, whose memory is t->arena's. Called for at most TRIAL_ASKS asks: further ones answer `limit`, and one after TRIAL_MOST_ASKS ends the run. */
    void (*answer)(struct trial *t, struct trial_ask *ask);
    void *arg; /* the caller's */
    enum protocol protocol; /* that the request is written in */
    const struct http_head *head; /* the request's; NULL: a plain one whose user is u-1 */

    /* Which call of wye.shadow gives the rule that runs once the route has decided, and is then what the run is about; 0: none, shadows do not run. */
    int shadow;

    /* The next two may be NULL. Before the route starts: what else it finds (scope.seed, scope.tape, parts of scope.view). */
    void (*prepare)(struct trial *t);
    /*
     * Which ask, its reply filled, or pause ends next, NULL when none can; `is_joined`: only one that ends before the route, which was woken, goes
     * on. Without it asks are answered in turn, and pauses never end first.
     */
    struct op *(*next)(struct trial *t, bool is_joined);

    /* Of the last run; valid until the next. */
    struct arena arena;
    struct trial_ask asks[TRIAL_MOST_ASKS];
    int ask_count;
    struct trial_pause pauses[TRIAL_PAUSES];
    int pause_count;
    struct trial_note notes[TRIAL_NOTES];
    int note_count;
    struct trial_arm arms[TRIAL_ARMS]; /* of experiments, that the request's unit was dealt to */
    int arm_count;
    struct decision decision;
    int place;      /* of the return that decided (vm/lines.h); 0: unknown */
    int rule_place; /* of the return in an experiment's arm, where that chose; else the same */
    int shadow_calls;        /* of wye.shadow, by the route */
    bool is_shadow;          /* the rule of the shadow runs, or ran: the rest is about it */
    struct str shadow_where; /* who called it: "routes/trial.lua:9" */
    bool has_failed;
    bool is_arms;            /* an experiment's arm chose what the route returned */
    bool is_endless; /* it failed because it ran over its time or asked on and on */
    struct err err;

    /* trial.c's own. */
    struct task task;
    const struct route *route;
    int shadow_rule; /* in the registry; 0: not called */
    int answered, operations;
    bool is_posted, is_over;
};

struct trial *trial_new(struct generation *g);
void trial_free(struct trial *t);

/* 0 when the route decided. -1 with t->err when it raised, ran over its limits, returned no decision, or `body` is no request of t->protocol. */
int trial_run(struct trial *t, const struct route *route, struct str body);

/* A request's head with these fields, a JSON object of texts. Views into it, or in the arena. */
void trial_head(struct http_head *head, enum protocol protocol, struct str fields, struct arena *arena);

/* Makes the reply that of a model which does well: text that is JSON too and follows
 * the schema of the ask, so that routes which read reply.json find what they want. */
void trial_answer(struct trial *t, struct trial_ask *ask);

/* Makes the reply an ordinary completion with this text. */
void trial_text(struct trial *t, struct reply *reply, struct str text);

/* What the ask would send: the client's body in chat's shape or the route's own, with the edits of the route and of the model. In the trial's arena. */
struct str trial_body(struct trial *t, const struct trial_ask *ask);

/* Makes the reply a failure of that kind. */
void trial_fault(struct reply *reply, enum err_kind kind);
