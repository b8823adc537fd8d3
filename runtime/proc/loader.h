/*
 * loader: tries a project in a throw-away child, so that nothing it does (loop, eat memory, crash) reaches the server.
 *
 * The child reads the folder into a manifest, builds the generation, runs the check gate, keeps the packed bytes in the state directory, and leaves them in a memory
 * file that the master later hands to the workers. It lives at most 10 s (40 s with specs and replay) and 1 GiB. The master only waits on its pipe.
 */
#pragma once

#include "base/err.h"
#include "net/loop.h"
#include "trial/gates.h"
#include "vm/collector.h"
#include "vm/generation.h"

struct loader_options {
    const char *project; /* the folder to read; or, when packed_fd >= 0, its label only */
    int packed_fd;       /* an earlier generation to try again */
    unsigned id;
    const char *state_dir;
    bool is_gated;       /* what the check finds refuses it; else it is a warning */
    const struct gates *gates; /* the others that it must pass, and which are left out; NULL: none */
    const char *live_hash; /* files of this hash pass without being tried again; NULL: none do */
    const struct generation_options *building;
};

struct loader_result {
    bool ok;
    char hash[65];
    int files;           /* how many it read */
    bool has_token;      /* the configuration names an admin token */
    char token[256];     /* the token, when it could be read */
    struct collector otlp; /* zeroed: the configuration names none */
    char error[1000];    /* !ok: "routes/route.lua:3: message" */
    char warnings[2000]; /* one a line */
    char gates[1200];    /* what they say, one a line */
};

struct loader {
    pid_t pid; /* 0: idle */
    int pipe;
    int memory; /* the memory file; the one who is told `done` takes it over */
    struct watch watch;
    struct timer deadline;
    size_t got;
    bool is_gated; /* by specs and replay: it may take longer */
    struct loader_result result;
    void (*done)(void *arg, struct loader_result *result, int memory);
    void *arg;
};

/* -1 when no child can be made; else `done` is called once from the loop, with memory -1 unless result->ok. */
int loader_start(struct loader *l, struct loop *loop, const struct loader_options *options,
                 void (*done)(void *arg, struct loader_result *result, int memory), void *arg, struct err *err);

/* Ends the child; `done` is not called. */
void loader_cancel(struct loader *l);
