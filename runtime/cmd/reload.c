#include <stdio.h>

#include "base/json.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/span.h"
#include "trial/gates.h"

static void print(struct str reply)
{
    struct arena arena = ARENA(64 * 1024);
    struct str message = json_text(json_get(reply, "message"), &arena);
    printf(STR_FMT "\n", STR_ARG(message));
    for (struct json_walk w = json_walk(json_get(reply, "gates")); json_next(&w);) {
        struct str line = json_text(w.value, &arena);
        fprintf(stderr, STR_FMT "\n", STR_ARG(line));
    }
    arena_clear(&arena);
}

int cmd_reload(struct options *o)
{
    char path[200];
    unsigned skip;
    double most = 0;
    struct err err;
    if ((o->skip && gates_parse(o->skip, &skip, &err) < 0) || (o->max_change && span_percent(o->max_change, "--max-change", &most, &err) < 0))
        return complain(o, EXIT_USAGE, "%s", err.message);
    int n = snprintf(path, sizeof path, "/reload?force=%d", o->force);
    if (o->skip)
        n += snprintf(path + n, sizeof path - (size_t)n, "&skip=%.60s", o->skip);
    if (o->max_change)
        snprintf(path + n, sizeof path - (size_t)n, "&max_change=%g", most);
    return client_call(o, "POST", path, CLIENT_CHECK_MS, print);
}
