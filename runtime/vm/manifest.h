/*
 * manifest: the exact bytes of every file a generation loads, hashed. A throw-away child fills one from a folder; workers read only from it.
 *
 * Paths are relative to the project ("route.lua", "prompts/support.md"), never leave it (.., absolute, symbolic links out: refused). Files up to 8 MiB, 64 MiB and 4,096 files
 * together. Serialised as one block (manifest_pack) that the state directory keeps under its hash and that a descriptor hands to workers.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct manifest;

struct manifest *manifest_new(const char *root);                     /* reads files on demand and records them */
struct manifest *manifest_unpack(struct str packed, struct err *err); /* reads only what was recorded; copies packed */
void manifest_free(struct manifest *m);

/* The bytes of a file, owned by the manifest; {NULL, 0} and err ("cannot read …: No such file") otherwise. What was looked for and not found is recorded too. */
struct str manifest_read(struct manifest *m, const char *path, struct err *err);
bool manifest_has(struct manifest *m, const char *path);

/* Top-level *.lua files but wye.lua: the routes. Sorted; count returned. */
int manifest_routes(struct manifest *m, const char *const **paths);

/* A stable index of a path, for lines.h, and back; "?" for an unknown index. */
int manifest_index(struct manifest *m, const char *path);
const char *manifest_path(const struct manifest *m, int index);

int manifest_count(const struct manifest *m);
struct str manifest_at(const struct manifest *m, int i, const char **path);

/* How errors and the trace name a file: "routes/route.lua" when the project folder is called routes. */
const char *manifest_label(const struct manifest *m);

int manifest_pack(const struct manifest *m, struct buf *out);
const char *manifest_hash(struct manifest *m); /* 64 hex digits of SHA-256 over sorted paths and bytes */
