/*
 * project: a folder of route files for a test, and a VM over it.
 *
 *     struct project *p = project_new();
 *     project_write(p, "route.lua", "return function() return 1 end");
 *     struct vm *vm = project_vm(p, 50, 32);
 *     ...
 *     project_free(p);
 */
#pragma once

#include <stddef.h>

#include "vm/manifest.h"
#include "vm/state.h"

struct project {
    char root[64]; /* a temporary folder whose last component is "routes" */
    struct manifest *files;
    struct vm *vm;
};

struct project *project_new(void);

/* Removes the folder, the VM and the manifest. */
void project_free(struct project *p);

/* Folders on the way are made. A file that the manifest has read stays as it was there. */
void project_write(struct project *p, const char *path, const char *text);
void project_write_bytes(struct project *p, const char *path, const char *bytes, size_t len);

/* A new VM (the one before is freed) that reads the folder anew. */
struct vm *project_vm(struct project *p, unsigned ms, size_t mebibytes);
