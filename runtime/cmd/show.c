#include <stdio.h>

#include "base/json.h"
#include "cmd/client.h"
#include "cmd/command.h"

enum { FILE_MOST = 16 << 20 };

static void print_file(struct str file)
{
    struct arena arena = ARENA(FILE_MOST);
    struct str path = json_text(json_get(file, "path"), &arena);
    struct str bytes = json_get(file, "bytes"), text = json_text(json_get(file, "text"), &arena);
    printf("\n==> " STR_FMT " (" STR_FMT " bytes)\n", STR_ARG(path), STR_ARG(bytes));
    if (text.p)
        printf(STR_FMT "%s", STR_ARG(text),
               text.len > 0 && text.p[text.len - 1] != '\n' ? "\n" : "");
    else
        printf("(not text)\n");
    arena_clear(&arena);
}

static void print_generation(struct str reply)
{
    struct str id = json_get(reply, "id"), hash = json_plain(json_get(reply, "hash"));
    if (json_type(id) == JSON_NUMBER)
        printf("generation " STR_FMT ", ", STR_ARG(id));
    printf("hash " STR_FMT "\n", STR_ARG(hash));
    struct json_walk files = json_walk(json_get(reply, "files"));
    while (json_next(&files))
        print_file(files.value);
}

int cmd_show(struct options *o)
{
    char path[128];
    if (!client_is_generation(o, o->args[0], true))
        return EXIT_USAGE;
    snprintf(path, sizeof path, "/generations/%s", o->args[0]);
    return client_call(o, "GET", path, CLIENT_QUICK_MS, print_generation);
}
