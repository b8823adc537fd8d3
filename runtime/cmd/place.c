#include "cmd/place.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "net/fetch.h"

enum { STATUS_MAX = 1024 * 1024, STATUS_MS = 3000 };

static const char DEFAULT_ADMIN[] = "127.0.0.1:9090";

static int take_member(struct str status, const char *name, char *out, size_t size, struct err *err)
{
    struct arena arena = ARENA(64 * 1024);
    struct str text = json_text(json_get(status, name), &arena);
    bool fits = text.p && text.len > 0 && text.len < size;
    if (fits)
        snprintf(out, size, STR_FMT, STR_ARG(text));
    arena_clear(&arena);
    return fits ? 0 : err_set(err, ERR_MALFORMED, "the server's /status does not say %s", name);
}

static int ask_server(const struct options *o, struct place *out, struct err *err)
{
    struct buf reply = BUF(STATUS_MAX);
    int status, result = fetch(o->admin, "GET", "/status", str_of(NULL), o->token, STATUS_MS, &reply, &status, err);
    if (result == 0 && status != 200)
        result = err_set(err, ERR_AUTH, "%s answered /status with %d%s", o->admin, status,
                         status == 401 || status == 403 ? ": set WYE_TOKEN" : "");
    if (result == 0)
        result = json_validate(buf_str(&reply), err);
    if (result == 0)
        result = take_member(buf_str(&reply), "trace_dir", out->trace, sizeof out->trace, err);
    if (result == 0)
        result = take_member(buf_str(&reply), "state_dir", out->state, sizeof out->state, err);
    if (result == 0)
        result = take_member(buf_str(&reply), "project_dir", out->project, sizeof out->project, err);
    buf_clear(&reply);
    return result;
}

static bool look_in(const char *project, struct place *out)
{
    snprintf(out->project, sizeof out->project, "%s", project);
    snprintf(out->trace, sizeof out->trace, "%s/.wye/trace", project);
    snprintf(out->state, sizeof out->state, "%s/.wye/state", project);
    return access(out->trace, R_OK) == 0;
}

static int look_around(const char *project, struct place *out, struct err *err)
{
    if (look_in(project ? project : "routes", out) || look_in("routes", out) || look_in(".", out))
        return 0;
    return err_set(err, ERR_CONNECT, "no server at %s and no trace in %s%sroutes/.wye or .wye: start `wye serve`, or give --trace DIR", DEFAULT_ADMIN,
                   project ? project : "", project ? "/.wye, " : "");
}

static int find_trace(const struct options *o, const char *project, struct place *out, struct err *err)
{
    out->project[0] = '\0';
    if (o->trace) {
        snprintf(out->trace, sizeof out->trace, "%s", o->trace);
        snprintf(out->state, sizeof out->state, "%.3000s/../state", o->trace);
        return 0;
    }
    if (ask_server(o, out, err) == 0)
        return 0;
    if (err->kind == ERR_CONNECT && strcmp(o->admin, DEFAULT_ADMIN) != 0)
        return err_set(err, ERR_CONNECT, "no server at %s; --trace DIR reads a trace without one", o->admin);
    if (err->kind != ERR_CONNECT)
        return -1;
    return look_around(project, out, err);
}

int place_find_of(const struct options *o, const char *project, struct place *out, struct err *err)
{
    if (find_trace(o, project, out, err) < 0)
        return -1;
    if (o->state)
        snprintf(out->state, sizeof out->state, "%s", o->state);
    return 0;
}

int place_find(const struct options *o, struct place *out, struct err *err)
{
    return place_find_of(o, NULL, out, err);
}

const char *place_project(void)
{
    return access("routes", F_OK) < 0 && access("wye.lua", R_OK) == 0 ? "." : "routes";
}

bool place_is_foreign(const struct place *place, const char *project)
{
    char one[PATH_MAX], other[PATH_MAX];
    return place->project[0] && realpath(place->project, one) && realpath(project, other) && strcmp(one, other) != 0;
}
