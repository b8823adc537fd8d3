/*
 * opt: the command line and the environment, read by the one table in options.def.
 *
 * A verb is what cmd/ can run; opt knows only its name and how many arguments it takes. Later wins: default, environment, command line.
 *
 *     struct options o;
 *     if (opt_parse(&o, verb, argc - 1, argv + 1, &err) < 0) ...usage error: exit 2...
 *     if (o.help) manual_verb(stdout, verb);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct verb {
    const char *name;
    const char *args;    /* as help shows them: "G G", "[DIR]" */
    int least, most;     /* how many */
    const char *summary; /* one line, no full stop */
};

struct options {
    const struct verb *verb;
    char **args; /* what is not an option */
    int arg_count;
#define FLAG(field, ...) bool field;
#define TEXT(field, ...) const char *field;
#define NUMBER(field, ...) long field;
#define SECRET(field, ...) const char *field;
#include "options.def"
};

enum opt_type { OPT_FLAG, OPT_TEXT, OPT_NUMBER, OPT_SECRET };

/* One row of options.def. What does not apply is NULL or 0. */
struct opt {
    enum opt_type type;
    size_t offset; /* of the field in struct options */
    char letter;
    const char *name, *arg;
    const char *fallback; /* the default, as it would be typed */
    const char *env, *verbs, *help;
    long least, most;
};

/* Row `i` as the verb takes it (its own default, environment and help); false when it does not. NULL: as every
 * verb without its own takes it. */
bool opt_row(int i, const char *verb, struct opt *out);
int opt_count(void);

/* Reads the verb's options, whose names are not to be abbreviated; argv[0] is the verb. Pointers go into argv and the environment. -1 (err: one line that names the near option) on bad usage. The
 * count of arguments is not checked when --help is given. */
int opt_parse(struct options *o, const struct verb *verb, int argc, char **argv, struct err *err);
