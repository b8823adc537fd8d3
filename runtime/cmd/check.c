/* wye check [DIR]: compiles the project, validates its configuration and tries every route. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "proc/places.h"
#include "trial/check.h"
#include "vm/guard.h"

enum { CHECK_OUTPUT = 1 << 20, WORDS = 4096 };

static int print(struct buf *out)
{
    bool is_written = fwrite(out->p, 1, out->len, stdout) == out->len && fflush(stdout) == 0;
    buf_clear(out);
    return is_written ? 0 : -1;
}

static void member(struct buf *out, const char *before, const char *text)
{
    buf_puts(out, before);
    json_quote_z(out, text[0] ? text : NULL);
}

/* The first error stands for all of them. */
static void write_error(struct buf *out, const struct check *check)
{
    char words[WORDS];
    for (int i = 0; i < check->count; i++) {
        const struct finding *f = &check->findings[i];
        if (f->is_warning)
            continue;
        snprintf(words, sizeof words, "%s:%d:%d: %s", f->file, f->line, f->column, f->message);
        complain_member(out, f->file[0] ? words : f->message);
        return;
    }
}

static void write_json(struct buf *out, const struct check *check)
{
    buf_printf(out, "{\"ok\":%s,\"routes\":%d,\"paths\":%d,\"errors\":%d,\"findings\":[", check->errors ? "false" : "true",
               check->routes, check->paths, check->errors);
    for (int i = 0; i < check->count; i++) {
        const struct finding *f = &check->findings[i];
        buf_printf(out, "%s{\"level\":\"%s\"", i ? "," : "", f->is_warning ? "warning" : "error");
        member(out, ",\"message\":", f->message);
        member(out, ",\"file\":", f->file);
        buf_printf(out, ",\"line\":%d,\"column\":%d,\"width\":%d", f->line, f->column, f->width);
        member(out, ",\"route\":", f->route);
        member(out, ",\"request\":", f->request);
        member(out, ",\"seen\":", f->seen);
        buf_puts(out, "}");
    }
    buf_puts(out, "],\"cut\":[");
    bool is_first = true;
    for (int i = 0; i < check->routes; i++) {
        if (!check->checked[i].is_cut)
            continue;
        buf_printf(out, "%s\"%s\"", is_first ? "" : ",", check->checked[i].name);
        is_first = false;
    }
    buf_puts(out, "]");
    write_error(out, check);
    buf_puts(out, "}\n");
}

static bool has_error(const struct check *check, const char *route)
{
    for (int i = 0; i < check->count; i++)
        if (!check->findings[i].is_warning && strcmp(check->findings[i].route, route) == 0)
            return true;
    return false;
}

static void write_text(struct buf *out, const struct check *check)
{
    for (int i = 0; i < check->count; i++)
        check_explain(&check->findings[i], check->files, out);
    for (int i = 0; i < check->routes; i++) {
        const struct checked_route *r = &check->checked[i];
        buf_printf(out, "%s  %s, %d %s%s\n", has_error(check, r->name) ? "FAIL" : "ok  ", r->name, r->paths, r->paths == 1 ? "path" : "paths",
                   r->is_cut ? "; there are more, which were not tried" : "");
    }
}

int cmd_check(struct options *o)
{
    struct err err;
    const char *dir = o->arg_count ? o->args[0] : "routes";
    struct check_recorded recorded = {0};
    if (places_project(dir, &err) < 0 || (o->trace && check_recorded_read(&recorded, o->trace, false, &err) < 0) || guard_open(&err) < 0)
        return complain_of(o, &err);
    struct check *check = xcalloc(1, sizeof *check);
    struct buf out = BUF(CHECK_OUTPUT);
    check->recorded = &recorded;
    int errors = check_project(dir, check);
    if (o->json)
        write_json(&out, check);
    else
        write_text(&out, check);
    int status = print(&out) == 0 && errors == 0 ? EXIT_OK : EXIT_REFUSED;
    check_recorded_clear(&recorded);
    check_clear(check);
    free(check);
    guard_close();
    return status;
}
