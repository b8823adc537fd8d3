#include "cmd/command.h"

#include <stdio.h>
#include <string.h>

#include "base/manual.h"
#include "base/near.h"

static const struct command COMMANDS[] = {
#define COMMAND(name, args, least, most, summary) {{#name, args, least, most, summary}, cmd_##name},
#include "cmd/commands.def"
#undef COMMAND
};

enum { COUNT = sizeof COMMANDS / sizeof COMMANDS[0] };

int command_count(void)
{
    return COUNT;
}

const struct verb *const *command_verbs(void)
{
    static const struct verb *verbs[COUNT];
    for (int i = 0; i < COUNT; i++)
        verbs[i] = &COMMANDS[i].verb;
    return verbs;
}

const struct command *command_find(const char *name, const char **near)
{
    const char *names[COUNT];
    for (int i = 0; i < COUNT; i++) {
        names[i] = COMMANDS[i].verb.name;
        if (strcmp(names[i], name) == 0)
            return &COMMANDS[i];
    }
    if (near)
        *near = near_name(name, names, COUNT);
    return NULL;
}

/* `wye --help` and `wye --version` are what every program answers to. */
static const char *verb_meant(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return "version";
    return word;
}

int command_run(int argc, char **argv)
{
    if (argc < 2) {
        manual_all(stderr, command_verbs(), COUNT);
        return EXIT_USAGE;
    }
    const char *near;
    const struct command *command = command_find(verb_meant(argv[1]), &near);
    if (command == NULL) {
        fprintf(stderr, "wye: unknown verb '%s'%s%s%s; `wye help` lists them\n", argv[1],
                near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
        return EXIT_USAGE;
    }
    struct options o;
    struct err err;
    if (opt_parse(&o, &command->verb, argc - 1, argv + 1, &err) < 0) {
        fprintf(stderr, "wye %s: %s; `wye %s --help` lists the options\n", command->verb.name,
                err.message, command->verb.name);
        return EXIT_USAGE;
    }
    if (o.help) {
        manual_verb(stdout, &command->verb);
        return EXIT_OK;
    }
    return command->run(&o);
}
