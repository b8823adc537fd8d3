#include "shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *root(void)
{
    const char *places[] = {getenv("WYE_SHARED"), "../shared", "../../shared"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (places[i] != NULL && access(places[i], R_OK) == 0)
            return places[i];
    return "../shared";
}

const char *shared_path(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", root(), name);
    return path;
}

bool shared_has(const char *name)
{
    bool found = access(shared_path(name), R_OK) == 0;
    if (!found)
        fprintf(stderr, "skipped: no %s (WYE_SHARED names its folder)\n", shared_path(name));
    return found;
}

struct buf shared_read(const char *path)
{
    struct buf bytes = BUF(64 * 1024 * 1024);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        abort();
    }
    char part[65536];
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
        buf_append(&bytes, part, n);
    fclose(file);
    return bytes;
}
