#include <stdio.h>

#include "base/manual.h"
#include "cmd/command.h"
#include "cmd/complain.h"

static int help_verb(const struct options *o, const char *name)
{
    const char *near;
    const struct command *command = command_find(name, &near);
    if (command == NULL)
        return complain(o, EXIT_USAGE, "unknown verb '%s'%s%s%s; `wye help` lists them", name, near ? " (did you mean '" : "",
                        near ? near : "", near ? "'?)" : "");
    const struct verb *verb = &command->verb;
    if (o->json)
        manual_json(stdout, &verb, 1);
    else
        manual_verb(stdout, verb);
    return EXIT_OK;
}

int cmd_help(struct options *o)
{
    if (o->arg_count > 0)
        return help_verb(o, o->args[0]);
    if (o->json)
        manual_json(stdout, command_verbs(), command_count());
    else if (o->markdown)
        manual_markdown(stdout, command_verbs(), command_count());
    else
        manual_all(stdout, command_verbs(), command_count());
    return EXIT_OK;
}
