/*
 * command: the verbs of `wye`. To add one: a line in commands.def and cmd/NAME.c with cmd_NAME.
 *
 * A command gets its options parsed and its arguments counted, prints results on standard output and complaints on standard error, and returns an exit status.
 */
#pragma once

#include "base/opt.h"

enum { EXIT_OK = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_NO_SERVER = 3, EXIT_INTERRUPTED = 130 };

struct command {
    struct verb verb;
    int (*run)(struct options *o);
};

#define COMMAND(name, ...) int cmd_##name(struct options *o);
#include "cmd/commands.def"
#undef COMMAND

/* In the order of commands.def. */
int command_count(void);
const struct verb *const *command_verbs(void);

/* NULL for an unknown name; then *near (may be NULL) is what was meant, or NULL. */
const struct command *command_find(const char *name, const char **near);

/* Parses what follows the verb and runs it: argv[1] is the verb. Returns the exit status. */
int command_run(int argc, char **argv);
