#include "sim/sim.h"

#include "cmd/command.h"
#include "cmd/complain.h"

int cmd_sim(struct options *o)
{
    struct sim_options options = {.listen = o->listen, .script = o->script, .prints_json = o->json};
    struct err err;
    if (sim_run(&options, &err) == 0)
        return EXIT_OK;
    return complain_of(o, &err);
}
