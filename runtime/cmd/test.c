/* test: runs the specs of a project. */
#include "cmd/command.h"
#include "cmd/complain.h"
#include "proc/places.h"
#include "trial/specs.h"
#include "vm/guard.h"

int cmd_test(struct options *o)
{
    struct err err;
    const char *dir = o->arg_count ? o->args[0] : "routes";
    if (places_project(dir, &err) < 0 || guard_open(&err) < 0)
        return complain_of(o, &err);
    int outcome = specs_run(dir, o->json, &err);
    if (outcome == KIT_BROKEN)
        complain_of(o, &err);
    guard_close();
    return outcome == KIT_PASSED ? EXIT_OK : EXIT_REFUSED;
}
