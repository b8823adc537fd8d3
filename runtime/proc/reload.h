/*
 * reload: which generations exist, and the one change to them that may be under way.
 *
 *     idle → checking (a throw-away child loads the project) → readying (every worker builds it) → using (every worker swaps) → idle
 *
 * All workers or none: one that fails or takes over 5 s while readying has the new generation dropped everywhere, and the live one never noticed. A worker that
 * starts meanwhile is told everything in order. Of the older generations the newest three stay warm.
 *
 * After a reload the new generation is on probation for 30 s: when its script errors exceed its predecessor's rate by 2 points over at least 50 requests, the
 * predecessor comes back. A generation in whose script the watchdog killed workers three times is quarantined: its predecessor comes back and its files are
 * refused until they change.
 */
#pragma once

#include "proc/crew.h"
#include "proc/loader.h"

enum { RELOAD_OLDER = 3, RELOAD_WARM = RELOAD_OLDER + 3, RELOAD_REFUSED = 16, RELOAD_KILLS = 3 };

enum reload_phase { RELOAD_IDLE, RELOAD_CHECKING, RELOAD_READYING, RELOAD_USING };

struct warm {
    unsigned id; /* 0: free */
    char hash[65];
    int files, memory;
    uint64_t loaded_us; /* wall */
    uint64_t touched;   /* order of last use */
    unsigned kills;
    bool is_quarantined;
};

/* What became of a change, for the one who asked for it. */
struct reload_outcome {
    int status; /* of HTTP: 200, or 404, 409, 422, 503 */
    bool is_unchanged;
    unsigned generation; /* concerned; 0: none */
    char hash[65];
    char message[300];
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

    enum reload_phase phase;
    unsigned changing;  /* the generation that comes, from readying on */
    unsigned replaced;  /* what was live before `using` */
    bool then_use, is_forced, is_reload, was_late;
    reload_done *done;
    void *done_arg;
    struct loader loader;
    struct timer deadline;

    unsigned live, previous, newest;
    uint64_t touches;
    struct warm warm[RELOAD_WARM];
    char refused[RELOAD_REFUSED][65];
    unsigned refused_count;
    char warnings[2000]; /* said last */
    char token[256];     /* of the admin API, as the newest configuration has it */
    bool has_token;

    struct {
        unsigned id; /* 0: nobody is on probation */
        uint64_t until_ms;
        struct timer tick;
    } probation;
};

void reload_open(struct reload *r); /* loop to building are set */
void reload_close(struct reload *r);

/* The first generation: from the folder, or from packed bytes kept earlier. Nothing is live yet: `done` is told once it is loaded; reload_begin goes on. */
void reload_first(struct reload *r, int packed_fd, reload_done *done, void *arg);

/* Workers were started: `done` is told when all of them use the first generation, or one could not. */
void reload_begin(struct reload *r, reload_done *done, void *arg);

/* `done` may be NULL, and may be called at once. */
void reload_start(struct reload *r, bool then_use, bool is_forced, reload_done *done, void *arg);
void reload_use(struct reload *r, unsigned id, reload_done *done, void *arg);
void reload_rollback(struct reload *r, reload_done *done, void *arg);
void reload_drop(struct reload *r, unsigned id, reload_done *done, void *arg);

/* From the crew. */
void reload_spawned(struct reload *r, struct crew_slot *s);
void reload_told(struct reload *r, struct crew_slot *s, const struct order_message *m);

/* From the watchdog. */
void reload_blame(struct reload *r, unsigned id);

struct warm *reload_find(struct reload *r, unsigned id);

/* Requests and script errors of a generation over all workers. */
struct tally {
    uint64_t requests, script_errors;
};
struct tally reload_tally(const struct stats_board *board, unsigned id);
