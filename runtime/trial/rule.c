#include "trial/rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_config(const char *dir)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/wye.lua", dir);
    return access(path, R_OK) == 0;
}

/* Cuts the file's path to the nearest folder above it that is a project. False: there is none. */
static bool find_project(char *path)
{
    for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
        *slash = '\0';
        if (has_config(path))
            return true;
    }
    return false;
}

static int read_file(const char *path, struct buf *out, struct err *err)
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(buf_room(out, MANIFEST_FILE), 1, MANIFEST_FILE, f) : 0;
    bool is_whole = f && !ferror(f) && n < MANIFEST_FILE;
    if (f)
        fclose(f);
    if (!is_whole)
        return err_set(err, ERR_SYSTEM, "cannot read %s: %s", path, f ? "it is no file, or over 8 MiB" : strerror(errno));
    buf_grow(out, n);
    return 0;
}

/* "rules/v2.lua" → return require "rules.v2" */
static void require_in_route(struct rule *rule, const char *inner)
{
    char source[600];
    int n = snprintf(source, sizeof source, "return require \"%.*s\"\n", (int)strlen(inner) - 4, inner);
    for (char *c = source; *c; c++)
        *c = *c == '/' ? '.' : *c;
    snprintf(rule->route, sizeof rule->route, "route");
    manifest_put(rule->files, "route.lua", str_n(source, (size_t)n));
}

static int join(struct rule *rule, const char *path, const char *fallback, struct err *err)
{
    struct buf text = BUF(MANIFEST_FILE + 1);
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (!has_config(fallback))
        return err_set(err, ERR_SYSTEM, "%s belongs to no project, and there is no %s/wye.lua to run it with", path, fallback);
    if (read_file(path, &text, err) < 0) {
        buf_clear(&text);
        return -1;
    }
    char own[4200];
    snprintf(own, sizeof own, "%s/%s", fallback, name);
    snprintf(rule->dir, sizeof rule->dir, "%s", fallback);
    snprintf(rule->route, sizeof rule->route, "%.*s", (int)strlen(name) - 4, name);
    rule->is_route = access(own, R_OK) == 0;
    rule->files = manifest_new(fallback);
    manifest_put(rule->files, name, buf_str(&text));
    buf_clear(&text);
    return 0;
}

static void run_inner(struct rule *rule, const char *inner)
{
    rule->files = manifest_new(rule->dir);
    rule->is_route = strchr(inner, '/') == NULL;
    if (rule->is_route)
        snprintf(rule->route, sizeof rule->route, "%.*s", (int)strlen(inner) - 4, inner);
    else
        require_in_route(rule, inner);
}

static int open_file(struct rule *rule, const char *path, const char *fallback, struct err *err)
{
    size_t len = strlen(path);
    if (len < 5 || strcmp(path + len - 4, ".lua") != 0)
        return err_set(err, ERR_BAD_REQUEST, "%s is no project folder and no .lua file", path);
    char *whole = realpath(path, NULL);
    if (whole == NULL || strlen(whole) >= sizeof rule->dir) {
        free(whole);
        return err_set(err, ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    }
    snprintf(rule->dir, sizeof rule->dir, "%s", whole);
    bool has_project = find_project(rule->dir);
    if (has_project)
        run_inner(rule, whole + strlen(rule->dir) + 1);
    free(whole);
    return has_project ? 0 : join(rule, path, fallback, err);
}

int rule_open(struct rule *rule, const char *path, const char *fallback, struct err *err)
{
    struct stat st;
    *rule = (struct rule){0};
    if (stat(path, &st) < 0)
        return err_set(err, ERR_SYSTEM, "cannot read %s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return open_file(rule, path, fallback, err);
    if (!has_config(path))
        return err_set(err, ERR_SYSTEM, "%s is no project: it has no wye.lua", path);
    snprintf(rule->dir, sizeof rule->dir, "%s", path);
    rule->files = manifest_new(path);
    return 0;
}
