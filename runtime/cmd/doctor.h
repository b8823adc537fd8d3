/*
 * doctor: what `wye doctor` knows while it looks, and how each look adds its lines. A look is a file of its own, doctor_NAME.c, and never shows a secret.
 *
 *     doctor_say(d, DOCTOR_WARN, "disk", "free some", "%s has %llu MiB left", path, left);
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/opt.h"

struct generation;

enum doctor_state { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_line {
    struct doctor_line *next;
    enum doctor_state state;
    const char *look, *words, *advice; /* advice: what to do; NULL: nothing */
};

struct doctor {
    const struct options *options;
    const char *project;
    char trace[3072], state[3072];
    struct generation *generation;  /* of the project; NULL: it does not load */
    struct buf status_text, models_text;
    struct str status, models;      /* what the server says; {NULL, 0}: none answers */
    const char *other;              /* the folder that this server serves, when it is not `project`: nothing else of it is told; NULL: it is */
    int answered;                   /* with which status of HTTP, when it says nothing; 0: nobody is there */
    struct arena arena;
    struct doctor_line *first, **end;
    int counts[3]; /* by state */
};

void doctor_say(struct doctor *d, enum doctor_state state, const char *look, const char *advice, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Asks the server at --admin first of all; its lines come later. */
void doctor_ask_server(struct doctor *d);

/* The looks, in their order. The first loads d->generation; those below it that need one do nothing without. */
void doctor_project(struct doctor *d);
void doctor_keys(struct doctor *d);
void doctor_providers(struct doctor *d);
void doctor_server(struct doctor *d);
void doctor_ports(struct doctor *d);
void doctor_disk(struct doctor *d);
void doctor_descriptors(struct doctor *d);
void doctor_libraries(struct doctor *d);
void doctor_trace(struct doctor *d);
