/*
 * keyfile: the client keys on disk: STATE/keys, mode 0600, one line for each: NAME SHA256 RPM TPM CONCURRENT USD_PER_DAY CREATED.
 *
 * Written aside and renamed, under a lock on the folder's keys.lock, so that two commands at once lose nothing. Everything here waits for the disk.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "policy/keys.h"

struct keyfile_entry {
    char name[KEY_NAME];
    unsigned char digest[KEY_DIGEST];
    struct quota_limits limits;
    uint64_t created_s; /* since 1970 */
};

struct keyfile {
    struct keyfile_entry *entries; /* heap */
    int count;
};

/* No file is no keys. -1 with err: unreadable, or a line that is none. keyfile_clear afterwards. */
int keyfile_read(struct keyfile *f, const char *state_dir, struct err *err);
void keyfile_clear(struct keyfile *f);

/* May a key be called so? */
bool keyfile_is_name(const char *name);

/* Adds a key with a new secret, which is written to secret[KEY_SECRET + 1] and kept nowhere. -1: a bad or taken name, too many keys, the disk. */
int keyfile_add(const char *state_dir, const char *name, const struct quota_limits *limits, char *secret, struct err *err);

/* -1 when there is none of that name; err names the near one. */
int keyfile_revoke(const char *state_dir, const char *name, struct err *err);

/* SHA-256. */
void keyfile_digest(struct str secret, unsigned char digest[KEY_DIGEST]);
