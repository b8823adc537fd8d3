/*
 * trust: the authorities whose certificates a connector accepts, loaded once and again when their file has changed.
 *
 * libcurl would load them for each multi; the system's bundle takes OpenSSL 25 ms and a megabyte, too much for a
 * loop that serves others meanwhile.
 */
#pragma once

#include <sys/types.h>
#include <time.h>

#include "base/err.h"

struct x509_store_st;

/* Zero-initialised is empty. */
struct trust {
    struct x509_store_st *store;
    struct timespec changed; /* of the file, when it was loaded */
    off_t size;
    ino_t inode;
};

/* Loads `ca_file` (NULL: the system's bundle) unless it is loaded and unchanged. -1 with ERR_CONNECT. */
int trust_load(struct trust *t, const char *ca_file, struct err *err);
void trust_clear(struct trust *t);
