/*
 * check: does a project do what a server needs of it? Compiles everything, validates the configuration, reads the sources for names that do not exist (vm/lint.h), and sweeps each route under its limits:
 * built-in requests (short chat, long, image, tools, streamed) and recorded ones, times what the models that it asks can answer (sweep.h).
 *
 * Used by `wye check` and, in the throw-away child, as the gate of every reload. No network. The thread has its guard open (vm/guard.h).
 */
#pragma once

#include "trial/check_requests.h"
#include "vm/generation.h"

enum { CHECK_FINDINGS = 64, CHECK_ROUTES = 256 };

struct finding {
    char route[64];    /* "route"; "" for the project as a whole */
    char request[24];  /* which built-in request, or the id of a recorded one; "" while loading */
    bool is_recorded;
    char seen[400];    /* under which faults: "when ask 1 of local/8b answers timeout"; "" without any */
    char message[480]; /* without its place */
    char file[200];    /* "routes/route.lua"; "" when no place is known */
    int line;          /* 0: unknown */
    int column, width; /* of the token the message names, else of all that the line says; from 1; 0: unknown */
    bool is_warning;
};

struct checked_route {
    char name[64];
    int paths;   /* tried */
    bool is_cut; /* there were more */
};

struct check {
    struct finding findings[CHECK_FINDINGS];
    int count;         /* kept in findings */
    int errors;        /* all, kept or not */
    int routes;
    int paths;
    struct checked_route checked[CHECK_ROUTES];
    const struct check_recorded *recorded; /* set by the caller: requests to try besides the built-in ones; NULL: none */
    struct manifest *files; /* check_project's: what check_explain quotes from */
};

/* Takes words such as "routes/route.lua:3: message" apart into a finding; finds the column in `files` (NULL: none). */
void check_place(struct finding *f, const char *words, struct manifest *files);

/* Runs every route of g. Findings are appended; returns how many of them are errors. */
int check_generation(struct generation *g, struct check *check);

/* Loads the project and checks it. check_clear afterwards, whatever it returned: how many findings are errors. */
int check_project(const char *dir, struct check *check);
void check_clear(struct check *check);

/* Appends what a person reads: the place, the source line and an underline. */
void check_explain(const struct finding *f, struct manifest *files, struct buf *out);
