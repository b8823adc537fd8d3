#include "policy/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/near.h"

enum { FILE_MOST = KEYS_MOST * 256, PATH_MOST = 4096 };

static const char ALPHABET[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char NAME_BYTES[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._@-";

void keyfile_digest(struct str secret, unsigned char digest[KEY_DIGEST])
{
    static EVP_MD *sha256;
    static EVP_MD_CTX *ctx;
    if (ctx == NULL) {
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        ctx = EVP_MD_CTX_new();
    }
    EVP_DigestInit_ex(ctx, sha256, NULL);
    EVP_DigestUpdate(ctx, secret.p, secret.len);
    EVP_DigestFinal_ex(ctx, digest, NULL);
}

/* ---- one line ---- */

static bool read_hex(const char *hex, unsigned char *digest)
{
    for (int i = 0; i < KEY_DIGEST; i++) {
        unsigned byte;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return false;
        digest[i] = (unsigned char)byte;
    }
    return strlen(hex) == 2 * KEY_DIGEST;
}

static bool read_line(struct keyfile_entry *e, const char *line)
{
    char hex[2 * KEY_DIGEST + 2];
    int n = sscanf(line, "%63s %65s %" SCNu32 " %" SCNu64 " %" SCNu32 " %lf %" SCNu64, e->name, hex, &e->limits.rpm,
                   &e->limits.tpm, &e->limits.concurrent, &e->limits.usd_per_day, &e->created_s);
    return n == 7 && read_hex(hex, e->digest) && e->limits.usd_per_day >= 0;
}

static int write_line(struct buf *out, const struct keyfile_entry *e)
{
    buf_printf(out, "%s ", e->name);
    for (int i = 0; i < KEY_DIGEST; i++)
        buf_printf(out, "%02x", e->digest[i]);
    return buf_printf(out, " %" PRIu32 " %" PRIu64 " %" PRIu32 " %.9g %" PRIu64 "\n", e->limits.rpm, e->limits.tpm,
                      e->limits.concurrent, e->limits.usd_per_day, e->created_s);
}

/* ---- the file ---- */

static int read_lines(struct keyfile *f, FILE *in, const char *path, struct err *err)
{
    char line[512];
    for (int n = 1; fgets(line, sizeof line, in); n++) {
        if (f->count == KEYS_MOST)
            return err_set(err, ERR_LIMIT, "%s: more than %d keys", path, KEYS_MOST);
        struct keyfile_entry e = {0};
        if (!read_line(&e, line))
            return err_set(err, ERR_BAD_REQUEST, "%s:%d: this line is no key", path, n);
        f->entries[f->count++] = e;
    }
    return 0;
}

int keyfile_read(struct keyfile *f, const char *state_dir, struct err *err)
{
    char path[PATH_MOST];
    snprintf(path, sizeof path, "%s/keys", state_dir);
    *f = (struct keyfile){0};
    FILE *in = fopen(path, "re");
    if (in == NULL && errno == ENOENT)
        return 0;
    if (in == NULL)
        return err_set(err, ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    f->entries = xmalloc(KEYS_MOST * sizeof *f->entries);
    int result = read_lines(f, in, path, err);
    fclose(in);
    if (result < 0)
        keyfile_clear(f);
    return result;
}

void keyfile_clear(struct keyfile *f)
{
    free(f->entries);
    *f = (struct keyfile){0};
}

static int write_bytes(const char *path, struct str bytes, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, bytes.p ? bytes.p : "", bytes.len) == (ssize_t)bytes.len && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0)
        close(fd);
    return ok ? 0 : err_set(err, ERR_SYSTEM, "cannot write %s: %s", path, strerror(why));
}

static int write_file(const struct keyfile *f, const char *state_dir, struct err *err)
{
    char path[PATH_MOST], aside[PATH_MOST];
    snprintf(path, sizeof path, "%s/keys", state_dir);
    snprintf(aside, sizeof aside, "%s/keys.new", state_dir);
    struct buf out = BUF(FILE_MOST);
    for (int i = 0; i < f->count; i++)
        write_line(&out, &f->entries[i]);
    int result = write_bytes(aside, buf_str(&out), err);
    buf_clear(&out);
    if (result == 0 && rename(aside, path) < 0)
        result = err_set(err, ERR_SYSTEM, "cannot replace %s: %s", path, strerror(errno));
    return result;
}

/* ---- changes ---- */

/* -1 or a descriptor whose lock ends with it. */
static int lock_folder(const char *state_dir, struct err *err)
{
    char path[PATH_MOST];
    snprintf(path, sizeof path, "%s/keys.lock", state_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return fd;
    err_set(err, ERR_SYSTEM, "cannot lock %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static int find(const struct keyfile *f, const char *name)
{
    for (int i = 0; i < f->count; i++)
        if (strcmp(f->entries[i].name, name) == 0)
            return i;
    return -1;
}

/* 32 letters of 62: 190 bits. Bytes of 248 and above would favour some. */
static int make_secret(char *out, struct err *err)
{
    memcpy(out, "wye_", 4);
    for (int n = 4; n < KEY_SECRET;) {
        unsigned char byte;
        if (getrandom(&byte, 1, 0) != 1)
            return err_set(err, ERR_SYSTEM, "no random bytes: %s", strerror(errno));
        if (byte < 248)
            out[n++] = ALPHABET[byte % 62];
    }
    out[KEY_SECRET] = '\0';
    return 0;
}

bool keyfile_is_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < KEY_NAME && strspn(name, NAME_BYTES) == len;
}

static int append(struct keyfile *f, const char *name, const struct quota_limits *limits, char *secret, struct err *err)
{
    if (!keyfile_is_name(name))
        return err_set(err, ERR_BAD_REQUEST, "'%.80s' is no name of a key: up to %d letters, digits and . _ @ -", name, KEY_NAME - 1);
    if (find(f, name) >= 0)
        return err_set(err, ERR_BAD_REQUEST, "there is a key '%s' already: revoke it first, or choose another name", name);
    if (f->count == KEYS_MOST)
        return err_set(err, ERR_LIMIT, "there are %d keys already, which is the most", KEYS_MOST);
    if (make_secret(secret, err) < 0)
        return -1;
    if (f->entries == NULL)
        f->entries = xmalloc(KEYS_MOST * sizeof *f->entries);
    struct keyfile_entry *e = &f->entries[f->count++];
    *e = (struct keyfile_entry){.limits = *limits, .created_s = clock_wall_us() / 1000000};
    memcpy(e->name, name, strlen(name));
    keyfile_digest(str_n(secret, KEY_SECRET), e->digest);
    return 0;
}

int keyfile_add(const char *state_dir, const char *name, const struct quota_limits *limits, char *secret, struct err *err)
{
    struct keyfile f;
    int lock = lock_folder(state_dir, err);
    if (lock < 0)
        return -1;
    int result = keyfile_read(&f, state_dir, err);
    if (result == 0 && (result = append(&f, name, limits, secret, err)) == 0)
        result = write_file(&f, state_dir, err);
    keyfile_clear(&f);
    close(lock);
    return result;
}

static int refuse_unknown(const struct keyfile *f, const char *name, struct err *err)
{
    const char *names[KEYS_MOST];
    for (int i = 0; i < f->count; i++)
        names[i] = f->entries[i].name;
    const char *near = near_name(name, names, f->count);
    return err_set(err, ERR_BAD_REQUEST, "there is no key '%.80s'%s%s%s", name, near ? " (did you mean '" : "", near ? near : "",
                   near ? "'?)" : "");
}

int keyfile_revoke(const char *state_dir, const char *name, struct err *err)
{
    struct keyfile f;
    int lock = lock_folder(state_dir, err);
    if (lock < 0)
        return -1;
    int result = keyfile_read(&f, state_dir, err);
    int at = result == 0 ? find(&f, name) : -1;
    if (result == 0 && at < 0) {
        result = refuse_unknown(&f, name, err);
    } else if (result == 0) {
        memmove(&f.entries[at], &f.entries[at + 1], (size_t)(--f.count - at) * sizeof *f.entries);
        result = write_file(&f, state_dir, err);
    }
    keyfile_clear(&f);
    close(lock);
    return result;
}
