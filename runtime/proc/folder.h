/*
 * folder: notices that a project's files changed, for `serve --watch`.
 *
 * Looks (names, sizes, times, inodes; no content) every 100 ms and tells once two looks agree on something new, so that an editor's
 * several steps of one save are one change. Names that begin with a dot are not looked at. A poll needs no descriptor per folder and sees network file systems too.
 */
#pragma once

#include "net/loop.h"

struct folder {
    const char *path;
    uint64_t seen, told;
    struct timer tick;
    bool (*changed)(void *arg); /* false: not now, tell again */
    void *arg;
};

/* path, changed and arg are set. */
void folder_open(struct folder *f, struct loop *loop);
void folder_close(struct folder *f);
