#include "classify/modelfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/json.h"

/* magic, count, checksum; then for each part a name, an offset and a length. */
enum { MAGIC = 8, HEAD = MAGIC + 4 + 4, ENTRY = MODELFILE_NAME + 8 + 8, ALIGN = 64 };

static const char FAMILY[] = "wyemod", VERSION[] = "1\n";

static uint64_t u64_at(const char *p)
{
    return modelfile_u32(p, 0) | (uint64_t)modelfile_u32(p, 1) << 32;
}

static const char *entry_at(const struct modelfile *m, int i)
{
    return m->bytes.p + HEAD + (size_t)i * ENTRY;
}

static int part_count(const struct modelfile *m)
{
    return (int)modelfile_u32(m->bytes.p + MAGIC, 0);
}

struct str modelfile_part(const struct modelfile *m, const char *name)
{
    for (int i = 0; i < part_count(m); i++)
        if (strncmp(entry_at(m, i), name, MODELFILE_NAME) == 0)
            return str_n(m->bytes.p + u64_at(entry_at(m, i) + MODELFILE_NAME), u64_at(entry_at(m, i) + MODELFILE_NAME + 8));
    return (struct str){NULL, 0};
}

struct str modelfile_kind(const struct modelfile *m)
{
    return json_plain(json_get(m->meta, "kind"));
}

static bool has_sane_parts(const struct modelfile *m)
{
    int count = part_count(m);
    if (count < 1 || count > MODELFILE_PARTS || m->bytes.len < HEAD + (size_t)count * ENTRY)
        return false;
    for (int i = 0; i < count; i++) {
        uint64_t offset = u64_at(entry_at(m, i) + MODELFILE_NAME), len = u64_at(entry_at(m, i) + MODELFILE_NAME + 8);
        if (offset > m->bytes.len || len > m->bytes.len - offset)
            return false;
    }
    return true;
}

int modelfile_read(struct modelfile *m, struct str bytes, struct err *err)
{
    *m = (struct modelfile){.bytes = bytes};
    if (bytes.len < HEAD || memcmp(bytes.p, FAMILY, strlen(FAMILY)) != 0)
        return err_set(err, ERR_MALFORMED, "not a model: `wye train DATA -o MODEL` makes one");
    if (memcmp(bytes.p + strlen(FAMILY), VERSION, strlen(VERSION)) != 0)
        return err_set(err, ERR_MALFORMED, "the model has format %.1s, and this wye reads %.1s: train it again", bytes.p + strlen(FAMILY), VERSION);
    if (crc32c(0, bytes.p + HEAD, bytes.len - HEAD) != modelfile_u32(bytes.p + MAGIC, 1) || !has_sane_parts(m))
        return err_set(err, ERR_MALFORMED, "the model is damaged: its checksum is wrong");
    m->meta = modelfile_part(m, "meta");
    if (json_validate(m->meta, err) < 0 || json_type(m->meta) != JSON_OBJECT || modelfile_kind(m).p == NULL)
        return err_set(err, ERR_MALFORMED, "the model does not say what it is for");
    return 0;
}

int modelfile_map(const char *path, struct str *bytes, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        err_set(err, ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size > MODELFILE_MOST)
        err_set(err, ERR_SYSTEM, "%s is not a model: `wye train DATA -o MODEL` makes one", path);
    else
        *bytes = str_n(mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0), (size_t)st.st_size);
    bool is_mapped = fd >= 0 && bytes->p && bytes->p != MAP_FAILED;
    if (bytes->p == MAP_FAILED)
        err_set(err, ERR_SYSTEM, "cannot map %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return is_mapped ? 0 : -1;
}

void modelfile_unmap(struct str bytes)
{
    munmap((void *)bytes.p, bytes.len);
}

bool modelfile_is_within(struct str part, float most)
{
    for (size_t i = 0; i < part.len / 4; i++)
        if (!(modelfile_f32(part.p, i) >= -most && modelfile_f32(part.p, i) <= most))
            return false;
    return true;
}

void modelfile_put_u32(struct buf *out, uint32_t n)
{
    n = htole32(n);
    buf_append(out, &n, 4);
}

void modelfile_put_u16(struct buf *out, uint16_t n)
{
    n = htole16(n);
    buf_append(out, &n, 2);
}

void modelfile_put_f32(struct buf *out, float f)
{
    uint32_t bits;
    memcpy(&bits, &f, 4);
    modelfile_put_u32(out, bits);
}

static void put_u64(struct buf *out, uint64_t n)
{
    modelfile_put_u32(out, (uint32_t)n);
    modelfile_put_u32(out, (uint32_t)(n >> 32));
}

static void pad(struct buf *out)
{
    static const char ZEROS[ALIGN];
    buf_append(out, ZEROS, (ALIGN - out->len % ALIGN) % ALIGN);
}

static void put_parts(struct buf *out, const struct modelfile_part *parts, int count)
{
    size_t offset = HEAD + (size_t)count * ENTRY;
    for (int i = 0; i < count; i++) {
        char name[MODELFILE_NAME] = {0};
        snprintf(name, sizeof name, "%s", parts[i].name);
        offset = (offset + ALIGN - 1) / ALIGN * ALIGN;
        buf_append(out, name, sizeof name);
        put_u64(out, offset);
        put_u64(out, parts[i].bytes.len);
        offset += parts[i].bytes.len;
    }
    for (int i = 0; i < count; i++) {
        pad(out);
        buf_append(out, parts[i].bytes.p, parts[i].bytes.len);
    }
}

static int write_whole(const char *path, struct str bytes, struct err *err)
{
    char temporary[4096];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.tmp", path) >= sizeof temporary)
        return err_set(err, ERR_SYSTEM, "the path is too long");
    FILE *f = fopen(temporary, "we");
    if (f == NULL)
        return err_set(err, ERR_SYSTEM, "cannot write %s: %s", temporary, strerror(errno));
    bool is_written = fwrite(bytes.p, 1, bytes.len, f) == bytes.len && fflush(f) == 0 && fsync(fileno(f)) == 0;
    is_written = fclose(f) == 0 && is_written && rename(temporary, path) == 0;
    if (is_written)
        return 0;
    err_set(err, ERR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
    unlink(temporary);
    return -1;
}

int modelfile_write(const char *path, const struct modelfile_part *parts, int count, size_t *size, struct err *err)
{
    struct buf out = BUF(MODELFILE_MOST);
    buf_puts(&out, FAMILY);
    buf_puts(&out, VERSION);
    modelfile_put_u32(&out, (uint32_t)count);
    modelfile_put_u32(&out, 0);
    put_parts(&out, parts, count);
    uint32_t sum = htole32(crc32c(0, out.p + HEAD, out.len - HEAD));
    memcpy(out.p + MAGIC + 4, &sum, 4);
    if (size)
        *size = out.len;
    int result = write_whole(path, buf_str(&out), err);
    buf_clear(&out);
    return result;
}
