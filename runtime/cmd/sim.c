#include "sim/sim.h"

#include <stdio.h>

#include "cmd/command.h"

int cmd_sim(struct options *o)
{
    struct sim_options options = {.listen = o->listen, .script = o->script};
    struct err err;
    if (sim_run(&options, &err) == 0)
        return EXIT_OK;
    fprintf(stderr, "wye sim: %s\n", err.message);
    return EXIT_REFUSED;
}
