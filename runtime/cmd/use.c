#include <stdio.h>

#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/span.h"

int cmd_use(struct options *o)
{
    char path[96];
    double percent = 0;
    struct err err;
    if (!client_is_generation(o, o->args[0], false))
        return EXIT_USAGE;
    if (o->percent && span_percent(o->percent, "--percent", &percent, &err) == 0 && percent == 0)
        err_set(&err, ERR_BAD_REQUEST, "--percent takes a number over 0, up to 100; `wye rollback` ends a canary");
    if (o->percent && !(percent > 0 && percent <= 100))
        return complain(o, EXIT_USAGE, "%s", err.message);
    int n = snprintf(path, sizeof path, "/use/%.20s", o->args[0]);
    if (o->percent)
        snprintf(path + n, sizeof path - (size_t)n, "?percent=%.10g", percent);
    return client_order(o, path, CLIENT_QUICK_MS);
}
