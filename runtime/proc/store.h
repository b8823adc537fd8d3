/*
 * store: the state directory's memory of generations, so that a broken project can start from the last good one and `wye why`
 * can show the source a decision ran, however old.
 *
 *     DIR/generations/HASH   a packed manifest, named by the 64 hex digits of its hash; the newest 20 are kept
 *     DIR/current            the hash of the last generation that went live
 *     DIR/canary             the last canary and how it ended (rollout.h)
 *
 * Files are written aside, synced and renamed: a reader sees the old one or the new one, never half. Everything here waits for the disk.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum { STORE_HASH = 64, STORE_KEEP = 20 };

/* Makes the folders and tries a write. -1 with words: not writable, disk full. */
int store_open(const char *dir, struct err *err);

/* Keeps packed bytes under their hash (again: renews its age) and ends the oldest above STORE_KEEP, never the current. */
int store_write(const char *dir, const char *hash, struct str packed, struct err *err);

/* Names the last good generation. */
int store_set_current(const char *dir, const char *hash, struct err *err);

/* The last good generation's hash into out[STORE_HASH + 1]; -1 when there is none. */
int store_current(const char *dir, char *out, struct err *err);

/* Appends the packed manifest whose hash begins with `prefix` (at least 6 digits). -1: none such, or several. */
int store_read(const char *dir, const char *prefix, struct buf *out, struct err *err);

/* A small file beside them, replaced whole; read whole, -1 when it is not there. */
int store_put(const char *dir, const char *name, struct str bytes, struct err *err);
int store_get(const char *dir, const char *name, struct buf *out, struct err *err);
