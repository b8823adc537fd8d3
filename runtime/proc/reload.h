/*
 * reload: which generations exist, and the one change to them that may be under way.
 *
 *     idle → checking (a throw-away child loads the project) → readying (every worker builds it) → using (every worker swaps) → idle
 *
 * All workers or none: one that fails or takes over 5 s while readying has the new generation dropped everywhere, and the live one never noticed. A worker that
 * starts meanwhile is told everything in order. Of the older generations the newest three stay warm.
 */
#pragma once

#include "proc/crew.h"
#include "proc/loader.h"
#include "proc/probation.h"
#include "proc/rollout.h"
#include "proc/warm.h"

enum reload_phase { RELOAD_IDLE, RELOAD_CHECKING, RELOAD_READYING, RELOAD_USING };

/* What became of a change, for the one who asked for it. */
struct reload_outcome {
    int status; /* of HTTP: 200, or 404, 409, 422, 503 */
    bool is_unchanged;
    unsigned generation; /* concerned; 0: none */
    char hash[65];
    char message[300];
    char gates[1200]; /* what specs and replay said, one a line */
    char error[1000]; /* of the project: "routes/route.lua:3: message" */
};

typedef void reload_done(void *arg, const struct reload_outcome *outcome);

struct reload {
    struct loop *loop;
    struct crew *crew;
    struct host_board *host;
    struct stats_board *board;
    const char *project, *state_dir;
    struct generation_options building;
    struct gates gates; /* of every reload, unless the one who asks says otherwise */

    enum reload_phase phase;
    unsigned changing;  /* the generation that comes, from readying on */
    unsigned replaced;  /* what was live before `using` */
    bool then_use, is_forced, is_reload, was_late;
    reload_done *done;
    void *done_arg;
    struct loader loader;
    char told[1200]; /* by the gates of this change */
    struct timer deadline;

    unsigned live, previous;
    struct warm_table warm;
    struct probation probation;
    struct rollout rollout; /* shared and guard are set before reload_open */
    char warnings[2000]; /* said last */
    char token[256];     /* of the admin API, as the newest configuration has it */
    bool has_token;
};

void reload_open(struct reload *r); /* loop to building are set */
void reload_close(struct reload *r);

/* The first generation: from the folder, or from packed bytes kept earlier. Nothing is live yet: `done` is told once it is loaded; reload_begin goes on. */
void reload_first(struct reload *r, int packed_fd, reload_done *done, void *arg);

/* Starts the workers: `done` is told when all of them use this generation, or one could not. */
void reload_begin(struct reload *r, unsigned id, reload_done *done, void *arg);

/* `done` may be NULL, and may be called at once. */
void reload_start(struct reload *r, bool then_use, bool is_forced, reload_done *done, void *arg);
/* The same with gates of its own. */
void reload_gated(struct reload *r, const struct gates *gates, bool is_forced, reload_done *done, void *arg);
void reload_use(struct reload *r, unsigned id, reload_done *done, void *arg);
/* G serves a share of units. */
void reload_percent(struct reload *r, unsigned id, double percent, reload_done *done, void *arg);
void reload_rollback(struct reload *r, reload_done *done, void *arg);
void reload_drop(struct reload *r, unsigned id, reload_done *done, void *arg);

/* From the crew. */
void reload_spawned(struct reload *r, struct crew_slot *s);
void reload_told(struct reload *r, struct crew_slot *s, const struct order_message *m);

/* From probation. Back to the predecessor of `from`, or the newest other that is good; false when there is none. */
bool reload_go_back(struct reload *r, unsigned from);

/* While using: what comes turned out to be bad. */
void reload_take_back(struct reload *r);
