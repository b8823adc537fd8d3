/*
 * places: what `serve` needs before it begins: sockets, folders, descriptors. Each failure is told in words that say what to do.
 */
#pragma once

#include "base/err.h"

/*
 * One listening socket for each of `count` slots. The address is bound once without SO_REUSEPORT first, so that a port that another program (another wye, too)
 * serves is an error and not a silent share. Port 0: all take the port that the first one got. A Unix socket is shared by all.
 */
int places_listen(const char *address, int *fds, unsigned count, struct err *err);

/* Takes the file of a Unix socket away; nothing for other addresses. */
void places_unlisten(const char *address);

/* The project folder can be read and has a wye.lua. */
int places_project(const char *dir, struct err *err);

/*
 * Makes the two folders and takes them for this process alone, until it ends, however it does: two servers in one trace would lose what one of them decides,
 * and in one state directory overwrite each other's generations. Waits, at most half a minute, for workers that outlived their server in that trace.
 * -1: another server has one of them; err says which, and what to do.
 */
int places_claim(const char *trace_dir, const char *state_dir, unsigned workers, struct err *err);

/* The trace folder exists, can be written, and its disk has room for each worker's first segment. */
int places_trace(const char *dir, unsigned workers, struct err *err);

/* Raises the soft limit of open files to the hard one; warns when that is little, fails when nothing could run. */
int places_descriptors(unsigned workers, struct err *err);
