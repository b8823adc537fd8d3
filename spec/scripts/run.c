/* Runs the adapters' specs (*_spec.lua beside this file) under busted in a VM like the host's: `build/spec/scripts [ARGS OF BUSTED]`. */
#include <stdio.h>

#include "bind/kit.h"

enum { MOST_ARGS = 32 };

int main(int argc, char **argv)
{
    const char *args[MOST_ARGS] = {"spec/scripts"};
    int count = 1;
    struct err err;
    for (int i = 1; i < argc && count < MOST_ARGS; i++)
        args[count++] = argv[i];
    int outcome = kit_run_adapters(args, count, &err);
    if (outcome == KIT_BROKEN)
        fprintf(stderr, "%s\n", err.message);
    return outcome;
}
