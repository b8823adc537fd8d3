#include "cmd/command.h"

#include <stdio.h>
#include <string.h>

#include "base/manual.h"
#include "base/near.h"
#include "cmd/complain.h"
#include "net/server.h"

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

/* Whatever else is wrong with the line. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

static int check_address(const char *option, const char *address, struct err *err)
{
    struct err why;
    return address && listen_check(address, &why) < 0 ? err_set(err, ERR_BAD_REQUEST, "%s: %s", option, why.message) : 0;
}

int command_run(int argc, char **argv)
{
    if (argc < 2) {
        manual_all(stderr, command_verbs(), COUNT);
        return EXIT_USAGE;
    }
    const char *near = NULL;
    const struct command *command = command_find(verb_meant(argv[1]), &near);
    struct options o = {.json = wants_json(argc, argv)};
    struct err err;
    if (command == NULL)
        return complain(&o, EXIT_USAGE, "unknown verb '%s'%s%s%s; `wye help` lists them", argv[1], near ? " (did you mean '" : "", near ? near : "",
                        near ? "'?)" : "");
    if (opt_parse(&o, &command->verb, argc - 1, argv + 1, &err) < 0) {
        o.json = wants_json(argc, argv);
        return complain(&o, EXIT_USAGE, "%s; `wye %s --help` lists the options", err.message, command->verb.name);
    }
    if (o.help) {
        const struct verb *verb = &command->verb;
        o.json ? manual_json(stdout, &verb, 1) : manual_verb(stdout, verb);
        return EXIT_OK;
    }
    if (check_address("--listen", o.listen, &err) < 0 || check_address("--admin", o.admin, &err) < 0)
        return complain(&o, EXIT_USAGE, "%s", err.message);
    return command->run(&o);
}
