/*
 * control: the master's end of the socket to the admin process. Requests become calls on reload, outcomes become the JSON that admin/admin.h describes.
 */
#pragma once

#include "proc/master.h"
#include "proc/reload.h"

struct control {
    const struct master_options *options;
    struct reload *reload;
    struct loop *loop;
    uint64_t started_ms;
    char listen[128], admin[128]; /* bound addresses */
    int socket;                   /* -1: no admin process now */
    struct watch watch;
};

/* Takes over the descriptor. */
void control_open(struct control *c, int socket);
void control_close(struct control *c);
