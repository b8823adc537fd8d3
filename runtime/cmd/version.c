#include "base/version.h"

#include <stdio.h>

#include "cmd/command.h"

int cmd_version(struct options *o)
{
    printf(o->json ? "{\"version\":\"%s\"}\n" : "wye %s\n", WYE_VERSION);
    return EXIT_OK;
}
