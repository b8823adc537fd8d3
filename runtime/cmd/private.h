/*
 * private: a server of one's own for as long as a command runs: this program as `wye serve` over a copy of a project, on a free port of loopback.
 *
 * The copy is of the exact bytes that a generation has loaded, so that edits meanwhile change nothing, and lies with its trace and state in a
 * temporary folder. The server ends with the command, however that ends.
 *
 *     struct private_server s;
 *     if (private_open(&s, generation->files, extra, count, true, &err) < 0) ...
 *     fetch(s.address, …); private_close(&s);
 */
#pragma once

#include <sys/types.h>

#include "vm/manifest.h"

struct private_server {
    pid_t pid;
    char folder[64];
    char address[80], admin[128];
};

/* A file that the project gets besides. */
struct private_file {
    char path[80];
    char text[400];
};

/* Waits until it is ready. -1 with the server's last words. */
int private_open(struct private_server *s, struct manifest *project, const struct private_file *extra, int count, bool is_demo, struct err *err);

/* Ends it at once, with all that it does. */
void private_kill(struct private_server *s);
void private_close(struct private_server *s);
