/* doctor_server: what the server at --admin says of itself, and whether it runs what lies in the folder. Without one: are its ports free? */
#include "cmd/doctor.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/version.h"
#include "net/fetch.h"
#include "net/server.h"
#include "vm/generation.h"

enum { ASK_MS = 3000, HASH_SHOWN = 12 };

static struct str ask(struct doctor *d, const char *path, struct buf *reply)
{
    struct err err;
    int status;
    const struct options *o = d->options;
    bool is_answer = fetch(o->admin, "GET", path, str_of(NULL), o->token, ASK_MS, reply, &status, &err) == 0 && json_validate(buf_str(reply), NULL) == 0;
    d->answered = is_answer ? status : 0;
    return is_answer && status == 200 ? buf_str(reply) : str_n(NULL, 0);
}

static void take(struct str status, const char *name, char *out, size_t size)
{
    struct str text = json_plain(json_get(status, name));
    if (text.len > 0 && text.len < size)
        snprintf(out, size, STR_FMT, STR_ARG(text));
}

/* The folder that the server serves, when it is another one than that which is looked at. */
static const char *other_project(struct doctor *d)
{
    char own[PATH_MAX];
    struct str served = json_text(json_get(d->status, "project_dir"), &d->arena);
    return served.p && realpath(d->project, own) && !str_eq(served, own) ? served.p : NULL;
}

void doctor_ask_server(struct doctor *d)
{
    d->status = ask(d, "/status", &d->status_text);
    d->other = other_project(d);
    if (d->other)
        d->status = str_n(NULL, 0);
    if (d->status.p == NULL)
        return;
    take(d->status, "trace_dir", d->trace, sizeof d->trace);
    take(d->status, "state_dir", d->state, sizeof d->state);
    d->models = ask(d, "/models", &d->models_text);
}

static int64_t number(struct str object, const char *name)
{
    int64_t n = 0;
    json_integer(json_get(object, name), &n);
    return n;
}

static void look_at_workers(struct doctor *d)
{
    int64_t restarts = 0;
    int count = 0;
    for (struct json_walk w = json_walk(json_get(d->status, "workers")); json_next(&w); count++)
        restarts += number(w.value, "restarts");
    if (!json_is_true(json_get(d->status, "ready")))
        doctor_say(d, DOCTOR_FAIL, "server", "its log says why", "the server at %s is not ready: a worker does not serve", d->options->admin);
    else if (restarts > 0)
        doctor_say(d, DOCTOR_WARN, "server", "its log says why; a script that loops is named there", "%d workers serve; %lld had to be replaced", count, (long long)restarts);
    else
        doctor_say(d, DOCTOR_OK, "server", NULL, "%d workers serve at %.*s, none had to be replaced", count, (int)json_plain(json_get(d->status, "listen")).len,
                   json_plain(json_get(d->status, "listen")).p);
}

static void look_at_generations(struct doctor *d)
{
    struct str project = json_plain(json_get(d->status, "project"));
    for (struct json_walk w = json_walk(json_get(d->status, "generations")); json_next(&w);) {
        struct str state = json_plain(json_get(w.value, "state")), hash = json_plain(json_get(w.value, "hash"));
        if (str_eq(state, "quarantined"))
            doctor_say(d, DOCTOR_WARN, "server", "mend its script and reload", "generation %lld is quarantined: its script hung workers", (long long)number(w.value, "id"));
        if (!str_eq(state, "live"))
            continue;
        if (number(w.value, "script_errors") > 0)
            doctor_say(d, DOCTOR_WARN, "server", "`wye trace -q 'cause == script_error'` lists them", "scripts of the live generation failed %lld times in %lld requests",
                       (long long)number(w.value, "script_errors"), (long long)number(w.value, "requests"));
        if (d->generation && str_eq(project, d->project) && !str_eq(hash, manifest_hash(d->generation->files)))
            doctor_say(d, DOCTOR_WARN, "server", "`wye reload` takes them", "the files of %s are not what is live (%.*s)", d->project, HASH_SHOWN, hash.p);
    }
}

static void look_at_rest(struct doctor *d)
{
    struct str version = json_plain(json_get(d->status, "version")), canary = json_get(d->status, "canary"), otlp = json_get(d->status, "otlp");
    if (!str_eq(version, WYE_VERSION))
        doctor_say(d, DOCTOR_WARN, "server", "restart it to have it run what is installed", "the server is wye %.*s, this is " WYE_VERSION, STR_ARG(version));
    if (str_eq(json_plain(json_get(canary, "state")), "stepped back"))
        doctor_say(d, DOCTOR_WARN, "server", "`wye status` has the figures", "the last canary was taken back: %.*s", STR_ARG(json_plain(json_get(canary, "reason"))));
    for (struct json_walk w = json_walk(json_get(d->status, "drained")); json_next(&w);)
        doctor_say(d, DOCTOR_WARN, "server", "`wye model ready` brings it back", "%.*s is drained since %.*s", STR_ARG(json_plain(json_get(w.value, "name"))),
                   STR_ARG(json_plain(json_get(w.value, "since"))));
    for (struct json_walk w = json_walk(json_get(d->models, "models")); json_next(&w);)
        if (!str_eq(json_plain(json_get(w.value, "health")), "closed"))
            doctor_say(d, DOCTOR_WARN, "server", "`wye top --by error -q 'attempt.model == …'` tells why", "%.*s fails: it is %.*s", STR_ARG(json_plain(json_get(w.value, "id"))),
                       STR_ARG(json_plain(json_get(w.value, "health"))));
    if (json_type(json_get(otlp, "problem")) == JSON_STRING)
        doctor_say(d, DOCTOR_WARN, "server", "spans wait in the trace meanwhile", "%.*s", STR_ARG(json_plain(json_get(otlp, "problem"))));
    for (struct json_walk w = json_walk(json_get(json_get(d->status, "drift"), "sources")); json_next(&w);)
        if (json_is_true(json_get(w.value, "drifted")))
            doctor_say(d, DOCTOR_WARN, "server", "`wye drift` says since when", "%.*s '%.*s' has drifted", STR_ARG(json_plain(json_get(w.value, "kind"))),
                       STR_ARG(json_plain(json_get(w.value, "name"))));
}

void doctor_server(struct doctor *d)
{
    if (d->other)
        doctor_say(d, DOCTOR_WARN, "server", "--admin names the server of this one, if it has one", "the server at %s serves another project, %s", d->options->admin, d->other);
    else if (d->status.p == NULL && d->answered)
        doctor_say(d, DOCTOR_WARN, "server", d->answered == 401 ? "set WYE_TOKEN" : "is it wye?", "what listens at %s answers with %d", d->options->admin, d->answered);
    else if (d->status.p == NULL)
        doctor_say(d, DOCTOR_OK, "server", NULL, "none answers at %s", d->options->admin);
    if (d->status.p == NULL)
        return;
    look_at_workers(d);
    look_at_generations(d);
    look_at_rest(d);
}

static void look_at_port(struct doctor *d, const char *address, const char *option)
{
    struct err err;
    if (strncmp(address, "unix:", 5) == 0)
        return;
    int fd = listen_open(address, false, &err);
    if (fd >= 0) {
        close(fd);
        doctor_say(d, DOCTOR_OK, "ports", NULL, "%s is free", address);
    } else {
        doctor_say(d, DOCTOR_FAIL, "ports", arena_printf(&d->arena, "%s takes another", option), "%s", err.message);
    }
}

void doctor_ports(struct doctor *d)
{
    if (d->status.p || d->answered)
        return;
    look_at_port(d, d->options->listen, "--listen");
    look_at_port(d, d->options->admin, "--admin");
}
