#include <stdio.h>

#include "base/manual.h"
#include "cmd/command.h"

static int help_verb(const char *name, bool json)
{
    const char *near;
    const struct command *command = command_find(name, &near);
    if (command == NULL) {
        fprintf(stderr, "wye help: unknown verb '%s'%s%s%s\n", name, near ? " (did you mean '" : "",
                near ? near : "", near ? "'?)" : "");
        return EXIT_USAGE;
    }
    const struct verb *verb = &command->verb;
    if (json)
        manual_json(stdout, &verb, 1);
    else
        manual_verb(stdout, verb);
    return EXIT_OK;
}

int cmd_help(struct options *o)
{
    if (o->arg_count > 0)
        return help_verb(o->args[0], o->json);
    if (o->json)
        manual_json(stdout, command_verbs(), command_count());
    else if (o->markdown)
        manual_markdown(stdout, command_verbs(), command_count());
    else
        manual_all(stdout, command_verbs(), command_count());
    return EXIT_OK;
}
