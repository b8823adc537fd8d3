#include "project.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

struct project *project_new(void)
{
    struct project *p = xcalloc(1, sizeof *p);
    strcpy(p->root, "/tmp/wye-test-XXXXXX");
    if (mkdtemp(p->root) == NULL)
        abort();
    strcat(p->root, "/routes");
    mkdir(p->root, 0700);
    return p;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void project_free(struct project *p)
{
    vm_free(p->vm);
    manifest_free(p->files);
    *strrchr(p->root, '/') = '\0';
    nftw(p->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(p);
}

void project_write_bytes(struct project *p, const char *path, const char *bytes, size_t len)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", p->root, path);
    for (char *c = full + strlen(p->root) + 1; (c = strchr(c, '/')) != NULL; *c++ = '/') {
        *c = '\0';
        mkdir(full, 0700);
    }
    FILE *f = fopen(full, "w");
    if (f == NULL || fwrite(bytes, 1, len, f) != len || fclose(f) != 0)
        abort();
}

void project_write(struct project *p, const char *path, const char *text)
{
    project_write_bytes(p, path, text, strlen(text));
}

struct vm *project_vm(struct project *p, unsigned ms, size_t mebibytes)
{
    vm_free(p->vm);
    manifest_free(p->files);
    p->files = manifest_new(p->root);
    struct vm_limits limits = {ms, mebibytes << 20};
    struct err err;
    p->vm = vm_new(&limits, p->files, &err);
    if (p->vm == NULL)
        abort();
    return p->vm;
}
