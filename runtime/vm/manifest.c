#include "vm/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/near.h"

enum { LONGEST_PATH = 512 };

static const char MAGIC[8] = "wyeman1\n";

struct file {
    char *path;
    char *bytes; /* NULL: looked for, not found */
    size_t len;
    int error; /* why not; 0 when another process looked */
};

struct list_of_files {
    struct file *at;
    int count, room;
};

struct manifest {
    char *root; /* NULL: nothing is read from disk */
    char *label;
    struct list_of_files found, missing;
    size_t total;
    const char **routes;
    char **route_names; /* what routes points to when they come from a folder */
    int route_count;
    char hash[65]; /* "" when files were added since */
};

static struct file *list_add(struct list_of_files *list, const char *path)
{
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 16;
        list->at = xrealloc(list->at, (size_t)list->room * sizeof *list->at);
    }
    struct file *f = &list->at[list->count++];
    *f = (struct file){.path = xstrdup(path)};
    return f;
}

static struct file *list_find(const struct list_of_files *list, const char *path)
{
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->at[i].path, path) == 0)
            return &list->at[i];
    return NULL;
}

static void list_clear(struct list_of_files *list)
{
    for (int i = 0; i < list->count; i++) {
        free(list->at[i].path);
        free(list->at[i].bytes);
    }
    free(list->at);
}

/* The last component of the real path: "routes", whatever way the folder was named. */
static char *label_of(const char *root)
{
    char real[PATH_MAX];
    const char *path = realpath(root, real) ? real : root;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *label = xstrdup(*name ? name : "project");
    for (char *c = label; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    return label;
}

struct manifest *manifest_new(const char *root)
{
    struct manifest *m = xcalloc(1, sizeof *m);
    m->root = xstrdup(root);
    m->label = label_of(root);
    return m;
}

static void forget_routes(struct manifest *m)
{
    for (int i = 0; m->route_names && i < m->route_count; i++)
        free(m->route_names[i]);
    free(m->route_names);
    free(m->routes);
    m->route_names = NULL;
    m->routes = NULL;
    m->route_count = 0;
}

void manifest_free(struct manifest *m)
{
    if (m == NULL)
        return;
    forget_routes(m);
    list_clear(&m->found);
    list_clear(&m->missing);
    free(m->root);
    free(m->label);
    free(m);
}

static bool is_component(const char *p, size_t len)
{
    if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)p[i] < ' ' || p[i] == 127 || p[i] == '\\')
            return false;
    return true;
}

static bool is_inside(const char *path)
{
    if (strlen(path) > LONGEST_PATH)
        return false;
    for (const char *p = path;; p++) {
        size_t len = strcspn(p, "/");
        if (!is_component(p, len))
            return false;
        p += len;
        if (*p == '\0')
            return true;
    }
}

/* For kernels and sandboxes without openat2: the resolved path must start with the resolved root. */
static int open_resolved(const char *root, const char *path)
{
    char joined[PATH_MAX], real_root[PATH_MAX], real[PATH_MAX];
    if ((size_t)snprintf(joined, sizeof joined, "%s/%s", root, path) >= sizeof joined) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (realpath(root, real_root) == NULL || realpath(joined, real) == NULL)
        return -1;
    size_t len = strlen(real_root);
    if (strncmp(real, real_root, len) != 0 || (real[len] != '/' && real[len] != '\0' && len > 1)) {
        errno = EXDEV;
        return -1;
    }
    return open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
}

static int open_inside(const char *root, const char *path)
{
    int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -1;
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    static bool is_unknown; /* some sandboxes do not let it through */
    int fd = is_unknown ? -1 : (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
    int error = errno;
    close(folder);
    if (fd < 0 && (is_unknown || error == ENOSYS || error == EPERM)) {
        is_unknown = true;
        return open_resolved(root, path);
    }
    errno = error;
    return fd;
}

/* The whole file, or NULL with errno; EFBIG over the limit, also when it grows while it is read. */
static char *slurp(int fd, size_t *len)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return NULL;
    if (!S_ISREG(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        return NULL;
    }
    if (st.st_size > MANIFEST_FILE) {
        errno = EFBIG;
        return NULL;
    }
    struct buf b = BUF(MANIFEST_FILE + 1);
    buf_append(&b, "", 0);
    for (;;) {
        size_t want = b.len < (size_t)st.st_size ? (size_t)st.st_size - b.len : 1;
        char *room = buf_room(&b, want);
        ssize_t n = room ? read(fd, room, want) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0)
            buf_grow(&b, (size_t)n);
        if (n > 0 && b.len <= MANIFEST_FILE)
            continue;
        if (n == 0 && b.len <= MANIFEST_FILE)
            break;
        int error = n < 0 ? errno : EFBIG;
        buf_clear(&b);
        errno = error;
        return NULL;
    }
    *len = b.len;
    return b.p;
}

static const char *reason(int error)
{
    if (error == EXDEV)
        return "a symbolic link leads out of the project";
    if (error == EFBIG)
        return "larger than 8 MiB";
    if (error == EINVAL)
        return "not a regular file";
    return strerror(error);
}

static struct str missing(struct manifest *m, const char *path, struct err *err, const char *why)
{
    err_set(err, ERR_SYSTEM, "cannot read %s/%s: %s", m->label, path, why);
    return (struct str){NULL, 0};
}

static struct str read_new(struct manifest *m, const char *path, struct err *err)
{
    if (m->found.count >= MANIFEST_FILES)
        return missing(m, path, err, "a project has at most 4,096 files");
    size_t len = 0;
    int fd = open_inside(m->root, path);
    char *bytes = fd < 0 ? NULL : slurp(fd, &len);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (bytes == NULL) {
        if (m->missing.count < MANIFEST_FILES)
            list_add(&m->missing, path)->error = error;
        return missing(m, path, err, reason(error));
    }
    if (len > MANIFEST_TOTAL - m->total) {
        free(bytes);
        return missing(m, path, err, "the files of a project are at most 64 MiB together");
    }
    struct file *f = list_add(&m->found, path);
    f->bytes = bytes;
    f->len = len;
    m->total += len;
    m->hash[0] = '\0';
    return str_n(bytes, len);
}

struct str manifest_read(struct manifest *m, const char *path, struct err *err)
{
    struct file *f = list_find(&m->found, path);
    if (f)
        return str_n(f->bytes, f->len);
    if (!is_inside(path))
        return missing(m, path, err, "a path must stay inside the project");
    f = list_find(&m->missing, path);
    if (f || m->root == NULL)
        return missing(m, path, err, reason(f && f->error ? f->error : ENOENT));
    return read_new(m, path, err);
}

void manifest_put(struct manifest *m, const char *path, struct str text)
{
    struct file *f = list_add(&m->found, path);
    f->bytes = xstrndup(text.p, text.len);
    f->len = text.len;
    m->total += text.len;
    m->hash[0] = '\0';
}

bool manifest_has(struct manifest *m, const char *path)
{
    return manifest_read(m, path, NULL).p != NULL;
}

bool manifest_near(struct manifest *m, const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char parent[LONGEST_PATH + 1];
    if (m->root == NULL || !is_inside(path))
        return false;
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    int fd = open_inside(m->root, parent);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    int best = near_reach(name) + 1;
    for (struct dirent *e; folder && (e = readdir(folder)) != NULL;) {
        int distance = near_distance(name, e->d_name);
        if (e->d_name[0] == '.' || distance >= best)
            continue;
        best = distance;
        snprintf(out, size, "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, e->d_name);
    }
    if (folder)
        closedir(folder);
    else if (fd >= 0)
        close(fd);
    return best <= near_reach(name);
}

static bool is_route(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && name[0] != '.' && strcmp(name + len - 4, ".lua") == 0 &&
           strcmp(name, "wye.lua") != 0 && strchr(name, '/') == NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_route(struct manifest *m, const char *name)
{
    if (!is_route(name) || m->route_count >= MANIFEST_FILES)
        return;
    for (int i = 0; i < m->route_count; i++)
        if (strcmp(m->route_names[i], name) == 0)
            return;
    if (m->route_count % 16 == 0)
        m->route_names = xrealloc(m->route_names, (size_t)(m->route_count + 16) * sizeof *m->route_names);
    m->route_names[m->route_count++] = xstrdup(name);
}

static void list_folder(struct manifest *m)
{
    DIR *folder = opendir(m->root);
    for (struct dirent *e; folder && (e = readdir(folder)) != NULL;)
        add_route(m, e->d_name);
    if (folder)
        closedir(folder);
    for (int i = 0; i < m->found.count; i++) /* those that were put there */
        add_route(m, m->found.at[i].path);
}

int manifest_routes(struct manifest *m, const char *const **paths)
{
    forget_routes(m);
    if (m->root)
        list_folder(m);
    int most = m->root ? m->route_count : m->found.count;
    m->routes = xcalloc((size_t)most + 1, sizeof *m->routes);
    if (m->root) {
        for (int i = 0; i < most; i++)
            m->routes[i] = m->route_names[i];
    } else {
        for (int i = 0; i < most; i++)
            if (is_route(m->found.at[i].path))
                m->routes[m->route_count++] = m->found.at[i].path;
    }
    qsort(m->routes, (size_t)m->route_count, sizeof *m->routes, by_name);
    *paths = m->routes;
    return m->route_count;
}

int manifest_index(struct manifest *m, const char *path)
{
    struct file *f = list_find(&m->found, path);
    return f ? (int)(f - m->found.at) : -1;
}

const char *manifest_path(const struct manifest *m, int index)
{
    return index >= 0 && index < m->found.count ? m->found.at[index].path : "?";
}

int manifest_count(const struct manifest *m)
{
    return m->found.count;
}

struct str manifest_at(const struct manifest *m, int i, const char **path)
{
    if (path)
        *path = m->found.at[i].path;
    return str_n(m->found.at[i].bytes, m->found.at[i].len);
}

const char *manifest_label(const struct manifest *m)
{
    return m->label;
}

static int pack_number(struct buf *out, uint64_t n)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(n >> (8 * i));
    return buf_append(out, bytes, 8);
}

static int pack_str(struct buf *out, const char *p, size_t len)
{
    return pack_number(out, len) < 0 ? -1 : buf_append(out, p, len);
}

int manifest_pack(const struct manifest *m, struct buf *out)
{
    if (buf_append(out, MAGIC, sizeof MAGIC) < 0 || pack_str(out, m->label, strlen(m->label)) < 0 ||
        pack_number(out, (uint64_t)m->found.count) < 0 ||
        pack_number(out, (uint64_t)m->missing.count) < 0)
        return -1;
    for (int i = 0; i < m->found.count; i++) {
        const struct file *f = &m->found.at[i];
        if (pack_str(out, f->path, strlen(f->path)) < 0 || pack_str(out, f->bytes, f->len) < 0)
            return -1;
    }
    for (int i = 0; i < m->missing.count; i++)
        if (pack_str(out, m->missing.at[i].path, strlen(m->missing.at[i].path)) < 0)
            return -1;
    return 0;
}

static bool take_number(struct str *in, uint64_t most, uint64_t *out)
{
    if (in->len < 8)
        return false;
    *out = 0;
    for (int i = 0; i < 8; i++)
        *out |= (uint64_t)(unsigned char)in->p[i] << (8 * i);
    *in = str_n(in->p + 8, in->len - 8);
    return *out <= most;
}

static bool take_str(struct str *in, size_t most, struct str *out)
{
    uint64_t len;
    if (!take_number(in, most, &len) || len > in->len)
        return false;
    *out = str_n(in->p, len);
    *in = str_n(in->p + len, in->len - len);
    return true;
}

static bool take_path(struct str *in, char *path)
{
    struct str s;
    if (!take_str(in, LONGEST_PATH, &s) || memchr(s.p, '\0', s.len))
        return false;
    memcpy(path, s.p, s.len);
    path[s.len] = '\0';
    return is_inside(path);
}

static bool take_files(struct manifest *m, struct str *in)
{
    uint64_t found, absent;
    char path[LONGEST_PATH + 1];
    if (!take_number(in, MANIFEST_FILES, &found) || !take_number(in, MANIFEST_FILES, &absent))
        return false;
    for (uint64_t i = 0; i < found; i++) {
        struct str bytes;
        if (!take_path(in, path) || !take_str(in, MANIFEST_FILE, &bytes) ||
            list_find(&m->found, path))
            return false;
        struct file *f = list_add(&m->found, path);
        f->bytes = xstrndup(bytes.p, bytes.len);
        f->len = bytes.len;
        m->total += bytes.len;
        if (m->total > MANIFEST_TOTAL)
            return false;
    }
    for (uint64_t i = 0; i < absent; i++) {
        if (!take_path(in, path))
            return false;
        list_add(&m->missing, path);
    }
    return in->len == 0;
}

struct manifest *manifest_unpack(struct str packed, struct err *err)
{
    struct manifest *m = xcalloc(1, sizeof *m);
    struct str label = {NULL, 0};
    bool is_ours = packed.len > sizeof MAGIC && memcmp(packed.p, MAGIC, sizeof MAGIC) == 0;
    if (is_ours) {
        packed = str_n(packed.p + sizeof MAGIC, packed.len - sizeof MAGIC);
        if (take_str(&packed, NAME_MAX, &label) && !memchr(label.p, '\0', label.len)) {
            m->label = xstrndup(label.p, label.len);
            if (take_files(m, &packed))
                return m;
        }
    }
    err_set(err, ERR_SYSTEM, "the stored project is damaged%s", is_ours ? "" : ": not a manifest");
    manifest_free(m);
    return NULL;
}

static int by_path(const void *a, const void *b)
{
    return strcmp((*(const struct file *const *)a)->path, (*(const struct file *const *)b)->path);
}

/* Lengths go in as well, so that no two lists of files give the same bytes. */
static void digest_str(EVP_MD_CTX *ctx, const char *p, size_t len)
{
    uint64_t n = htole64(len);
    EVP_DigestUpdate(ctx, &n, sizeof n);
    EVP_DigestUpdate(ctx, p, len);
}

const char *manifest_hash(struct manifest *m)
{
    if (m->hash[0])
        return m->hash;
    struct file **sorted = xcalloc((size_t)m->found.count + 1, sizeof *sorted);
    for (int i = 0; i < m->found.count; i++)
        sorted[i] = &m->found.at[i];
    qsort(sorted, (size_t)m->found.count, sizeof *sorted, by_path);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    for (int i = 0; i < m->found.count; i++) {
        digest_str(ctx, sorted[i]->path, strlen(sorted[i]->path));
        digest_str(ctx, sorted[i]->bytes, sorted[i]->len);
    }
    EVP_DigestFinal_ex(ctx, digest, &len);
    EVP_MD_CTX_free(ctx);
    free(sorted);
    for (unsigned i = 0; i < 32; i++)
        snprintf(m->hash + 2 * i, 3, "%02x", digest[i]);
    return m->hash;
}
