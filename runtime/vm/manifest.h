/*
 * manifest: the exact bytes of every file a generation loads, hashed. A throw-away child fills one
 * from a folder; workers read only from it.
 *
 * Paths are relative to the project ("route.lua", "prompts/support.md") and never leave it: "..",
 * absolute paths and symbolic links that lead out are refused. Files up to 8 MiB; 64 MiB and 4,096
 * files together. A file is read once; later reads give the same bytes, whatever became of it on disk.
 *
 *     struct manifest *m = manifest_new("routes");
 *     struct str text = manifest_read(m, "prompts/support.md", &err);
 *     struct buf packed = BUF(MANIFEST_PACKED);
 *     manifest_pack(m, &packed);        // the state directory keeps this under manifest_hash(m)
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum {
    MANIFEST_FILE = 8 << 20,   /* bytes of one file */
    MANIFEST_TOTAL = 64 << 20, /* bytes of all */
    MANIFEST_FILES = 4096,
    MANIFEST_PACKED = 72 << 20 /* no packed manifest is larger */
};

struct manifest;

/* Reads files on demand and records them. A root that cannot be read shows with the first file. */
struct manifest *manifest_new(const char *root);

/* Reads only what was recorded; copies packed. NULL with err when packed is damaged. */
struct manifest *manifest_unpack(struct str packed, struct err *err);
void manifest_free(struct manifest *m);

/*
 * The bytes of a file, followed by a NUL and owned by the manifest; {NULL, 0} and err ("cannot read
 * routes/x.lua: No such file or directory") otherwise. What was not found is recorded too, and stays so.
 */
struct str manifest_read(struct manifest *m, const char *path, struct err *err);
bool manifest_has(struct manifest *m, const char *path);

/* Takes `text` for the file at `path`, whatever the folder holds: before anything is read. A top-level NAME.lua is a route then. */
void manifest_put(struct manifest *m, const char *path, struct str text);

/* The file of the same folder whose name is nearest to one that cannot be read: "prompts/support.md". False when none is near, or there is no folder to look in. */
bool manifest_near(struct manifest *m, const char *path, char *out, size_t size);

/* Top-level *.lua files but wye.lua: the routes. Sorted; count returned. Valid until the next call. */
int manifest_routes(struct manifest *m, const char *const **paths);

/* A stable index of a recorded file, for lines.h, and back; -1 and "?" for an unknown one. */
int manifest_index(struct manifest *m, const char *path);
const char *manifest_path(const struct manifest *m, int index);

/* The recorded files, in index order. */
int manifest_count(const struct manifest *m);
struct str manifest_at(const struct manifest *m, int i, const char **path);

/* How errors and the trace name the project: "routes", so that a file is "routes/route.lua". */
const char *manifest_label(const struct manifest *m);

/* 0, or -1 at the buffer's ceiling. Little-endian, positions stable. */
int manifest_pack(const struct manifest *m, struct buf *out);

/* 64 hex digits of SHA-256 over sorted paths and bytes. */
const char *manifest_hash(struct manifest *m);
