#include "policy/drains.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MOST = DRAIN_NAME + 24 };

struct drain *drains_find(struct drains *d, const char *name)
{
    for (int i = 0; i < DRAINS_MOST; i++)
        if (atomic_load(&d->all[i].since_us) && strcmp(d->all[i].name, name) == 0)
            return &d->all[i];
    return NULL;
}

/* "openai/x" for every model of openai. */
static bool is_of(const char *pattern, const char *model)
{
    size_t len = strlen(pattern);
    if (len > 1 && strcmp(pattern + len - 2, "/*") == 0)
        return strncmp(pattern, model, len - 1) == 0;
    return strcmp(pattern, model) == 0;
}

const struct drain *drains_match(const struct drains *d, const char *model)
{
    for (int i = 0; i < DRAINS_MOST; i++)
        if (atomic_load(&d->all[i].since_us) && is_of(d->all[i].name, model))
            return &d->all[i];
    return NULL;
}

int drains_add(struct drains *d, const char *name, uint64_t since_us, struct err *err)
{
    if (strlen(name) >= DRAIN_NAME)
        return err_set(err, ERR_BAD_REQUEST, "names of %d bytes and more cannot be drained; take all of the provider", DRAIN_NAME);
    for (int i = 0; i < DRAINS_MOST; i++) {
        if (atomic_load(&d->all[i].since_us))
            continue;
        strcpy(d->all[i].name, name);
        atomic_store(&d->all[i].since_us, since_us);
        return 0;
    }
    return err_set(err, ERR_LIMIT, "%d are drained already, as many as can be; take all of a provider by PROVIDER/*", DRAINS_MOST);
}

void drains_remove(struct drains *d, const char *name)
{
    struct drain *one = drains_find(d, name);
    if (one)
        atomic_store(&one->since_us, 0);
}

/* ---- on disk ---- */

int drains_load(struct drains *d, const char *state_dir, struct err *err)
{
    char path[PATH_MAX], line[LINE_MOST];
    snprintf(path, sizeof path, "%s/drained", state_dir);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return errno == ENOENT ? 0 : err_set(err, ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, f)) {
        char *blank = strrchr(line, ' '); /* names may have some */
        uint64_t since = blank ? strtoull(blank + 1, NULL, 10) : 0;
        if (since == 0)
            continue;
        *blank = '\0';
        if (strchr(line, '/') && drains_find(d, line) == NULL && drains_add(d, line, since, err) < 0)
            break;
    }
    fclose(f);
    return 0;
}

int drains_save(const struct drains *d, const char *state_dir, struct err *err)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    snprintf(path, sizeof path, "%s/drained", state_dir);
    snprintf(fresh, sizeof fresh, "%.4000s/drained.new", state_dir);
    FILE *f = fopen(fresh, "we");
    for (int i = 0; f && i < DRAINS_MOST; i++)
        if (atomic_load(&d->all[i].since_us))
            fprintf(f, "%s %" PRIu64 "\n", d->all[i].name, atomic_load(&d->all[i].since_us));
    bool is_written = f && !ferror(f);
    is_written &= f && fclose(f) == 0;
    if (is_written && rename(fresh, path) == 0)
        return 0;
    return err_set(err, ERR_SYSTEM, "cannot write %s: %s: it is as you said until the server ends", path, strerror(errno));
}
