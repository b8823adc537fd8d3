/*
 * modelfile: the file that training leaves: named parts, checked once, then read where they lie.
 *
 * Little-endian on every machine: a magic, the number of parts, a CRC32C over all that follows it, a table of names, offsets and lengths, and
 * the parts, each at a multiple of 64. The part "meta" is a JSON object; its "kind" says what the file is for ("text", "pairs", "similar", "embeddings"), its
 * "baseline" how scores and labels were spread in training, which drift is measured against. The other parts belong to the kind.
 *
 *     struct str bytes;
 *     struct modelfile m;
 *     if (modelfile_map(path, &bytes, &err) < 0 || modelfile_read(&m, bytes, &err) < 0) ...
 *     if (!str_eq(modelfile_kind(&m), "text")) ...
 *     modelfile_unmap(bytes);
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { MODELFILE_PARTS = 16, MODELFILE_NAME = 16, MODELFILE_MOST = 512 << 20 };

struct modelfile {
    struct str bytes; /* the caller's, outliving the model */
    struct str meta;  /* valid JSON, an object */
};

/* 0, or -1 with what is wrong: no model, another version, damaged. */
int modelfile_read(struct modelfile *m, struct str bytes, struct err *err);
struct str modelfile_kind(const struct modelfile *m);

/* The bytes of a part; {NULL, 0} when there is none. */
struct str modelfile_part(const struct modelfile *m, const char *name);

/* A file, read-only. */
int modelfile_map(const char *path, struct str *bytes, struct err *err);
void modelfile_unmap(struct str bytes);

struct modelfile_part {
    const char *name; /* up to 15 bytes */
    struct str bytes;
};

/* The first part must be "meta". The file appears whole or not at all. *size (may be NULL): its bytes. */
int modelfile_write(const char *path, const struct modelfile_part *parts, int count, size_t *size, struct err *err);

/* Item i of an array of little-endian numbers, wherever it lies. */
static inline uint32_t modelfile_u32(const char *p, size_t i)
{
    uint32_t n;
    memcpy(&n, p + 4 * i, 4);
    return le32toh(n);
}

static inline uint16_t modelfile_u16(const char *p, size_t i)
{
    uint16_t n;
    memcpy(&n, p + 2 * i, 2);
    return le16toh(n);
}

static inline float modelfile_f32(const char *p, size_t i)
{
    uint32_t bits = modelfile_u32(p, i);
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

/* Whether all numbers of a part of floats lie within -most and most; what is no number does not. */
bool modelfile_is_within(struct str part, float most);

/* Appends a number as the above read it. */
void modelfile_put_u32(struct buf *out, uint32_t n);
void modelfile_put_u16(struct buf *out, uint16_t n);
void modelfile_put_f32(struct buf *out, float f);
