/*
 * place: where the trace and the generations lie that a reading command is to look at.
 *
 * --trace DIR as given; else what the server at --admin says; else, when no server answers at the default address, the project
 * in `routes` or the current folder, if it has a trace.
 */
#pragma once

#include "base/err.h"
#include "base/opt.h"

struct place {
    char trace[3072];
    char state[3072];
    char project[3072]; /* whose trace it is, where a server says so or it lies in the project; "": not known */
};

/* 0, or -1 with err: ERR_CONNECT when a server was needed and none was there. */
int place_find(const struct options *o, struct place *out, struct err *err);

/* The same for a verb that was given a project: without a server, its trace goes before that of `routes` and of the current folder. NULL: none was given. */
int place_find_of(const struct options *o, const char *project, struct place *out, struct err *err);

/* The project of a verb that was given none: `routes`, or the folder that one stands in when there is no `routes` and it is a project. */
const char *place_project(void);

/* Whether the trace is known to be that of another project. */
bool place_is_foreign(const struct place *place, const char *project);
