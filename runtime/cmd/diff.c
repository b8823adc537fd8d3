#include <stdio.h>

#include "base/json.h"
#include "cmd/client.h"
#include "cmd/command.h"

enum { DIFF_MOST = 128 << 20 };

static void print_diff(struct str reply)
{
    struct arena arena = ARENA(DIFF_MOST);
    struct str text = json_text(json_get(reply, "text"), &arena);
    if (text.len > 0)
        fwrite(text.p, 1, text.len, stdout);
    else
        puts("no difference");
    arena_clear(&arena);
}

int cmd_diff(struct options *o)
{
    char path[256];
    if (!client_is_generation(o, o->args[0], true) || !client_is_generation(o, o->args[1], true))
        return EXIT_USAGE;
    snprintf(path, sizeof path, "/diff/%s/%s", o->args[0], o->args[1]);
    return client_call(o, "GET", path, CLIENT_QUICK_MS, print_diff);
}
