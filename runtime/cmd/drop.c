#include <stdio.h>

#include "cmd/client.h"
#include "cmd/command.h"

int cmd_drop(struct options *o)
{
    char path[64];
    if (!client_is_generation(o, o->args[0], false))
        return EXIT_USAGE;
    snprintf(path, sizeof path, "/drop/%s", o->args[0]);
    return client_order(o, path, CLIENT_QUICK_MS);
}
