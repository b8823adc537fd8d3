/*
 * rule: what a command was given to decide by: a project's folder, or one file of Lua.
 *
 * A file at the top of a project (a folder with a wye.lua) is the route of its name; one below it, such as rules/v2.lua, is run in place of `route`; one
 * that belongs to no project joins the project `fallback` under its own name.
 *
 *     if (rule_open(&rule, "routes/rules/v2.lua", "routes", &err) == 0)
 *         g = generation_load(1, rule.files, &options, &err);      // takes the files over
 */
#pragma once

#include "base/err.h"
#include "vm/manifest.h"

struct rule {
    struct manifest *files;
    char dir[4096];  /* of the project */
    char route[128]; /* its name; "" for a folder: every route decides for itself */
    bool is_route;   /* the project has a route of that name of its own */
};

int rule_open(struct rule *rule, const char *path, const char *fallback, struct err *err);
