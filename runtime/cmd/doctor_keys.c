/* doctor_keys: the project, and the secrets that its wye.lua names: are they there, and who else may read them? */
#include "cmd/doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "bind/bind.h"
#include "proc/places.h"
#include "vm/collector.h"
#include "vm/generation.h"
#include "vm/secret.h"

/* With --demo the simulator plays every provider: its address is never called here. */
static const struct generation_options PLAYED = {.open = bind_open, .sim_url = "http://127.0.0.1:9100", .is_demo = true};
static const struct generation_options ASKED = {.open = bind_open};

static const char SET_THERE[] = "set where the server runs, not here";
static const char PLAYED_THERE[] = "not set here; the server's simulator plays every provider, so whether it is set there is not known";

void doctor_project(struct doctor *d)
{
    struct err err;
    if (places_project(d->project, &err) < 0) {
        doctor_say(d, DOCTOR_FAIL, "project", NULL, "%s", err.message);
        return;
    }
    d->generation = generation_load(1, manifest_new(d->project), d->options->demo ? &PLAYED : &ASKED, &err);
    const struct generation *g = d->generation;
    if (g == NULL)
        doctor_say(d, DOCTOR_FAIL, "project", "`wye check` says more", "%s", err.message);
    else
        doctor_say(d, DOCTOR_OK, "project", NULL, "%s: %d route%s, %d model%s in %d file%s", d->project, g->route_count, g->route_count == 1 ? "" : "s",
                   g->config->model_count, g->config->model_count == 1 ? "" : "s", manifest_count(g->files), manifest_count(g->files) == 1 ? "" : "s");
}

/* What the server that runs says of a provider: it has an environment of its own. */
static bool has_server_key(const struct doctor *d, const char *provider)
{
    for (struct json_walk w = json_walk(json_get(d->models, "models")); json_next(&w);)
        if (str_eq(json_plain(json_get(w.value, "provider")), provider))
            return json_type(json_get(w.value, "problem")) == JSON_NULL;
    return false;
}

static void look_at_file(struct doctor *d, const char *of, const char *path)
{
    struct stat st;
    char *value = secret_read(&(struct secret){.file = path});
    bool has_value = value != NULL;
    secret_forget(value);
    if (stat(path, &st) < 0)
        doctor_say(d, DOCTOR_FAIL, "keys", "write it there, for the user that runs the server", "%s: %s: %s", of, path, strerror(errno));
    else if (!has_value)
        doctor_say(d, DOCTOR_FAIL, "keys", "it must be readable and hold the key", "%s: no key can be read in %s", of, path);
    else if (st.st_mode & (S_IROTH | S_IWOTH))
        doctor_say(d, DOCTOR_WARN, "keys", arena_printf(&d->arena, "chmod 600 %s", path), "%s: every user of this machine may %s %s", of,
                   st.st_mode & S_IWOTH ? "change" : "read", path);
    else
        doctor_say(d, DOCTOR_OK, "keys", NULL, "%s: %s holds one", of, path);
}

/* `server_has`: what a server that runs tells of a variable that is not set here; NULL: nothing. */
static void look_at(struct doctor *d, const char *of, const struct secret *s, const char *server_has)
{
    const char *value = s->env ? getenv(s->env) : NULL;
    if (s->file)
        look_at_file(d, of, s->file);
    else if (s->env && value && *value)
        doctor_say(d, DOCTOR_OK, "keys", NULL, "%s: %s is set", of, s->env);
    else if (s->env && server_has)
        doctor_say(d, DOCTOR_OK, "keys", NULL, "%s: %s is %s", of, s->env, server_has);
    else if (s->env)
        doctor_say(d, DOCTOR_FAIL, "keys", arena_printf(&d->arena, "export %s where the server is started, or write key = { file = … }", s->env), "%s: %s is not set", of, s->env);
}

static void look_at_provider(struct doctor *d, const struct provider *p)
{
    bool is_played = json_is_true(json_get(d->status, "demo"));
    const char *server_has = is_played ? PLAYED_THERE : has_server_key(d, p->name) ? SET_THERE : NULL;
    for (int i = 0; i < p->key_count; i++)
        look_at(d, p->key_count > 1 ? arena_printf(&d->arena, "%s, key %d", p->name, i + 1) : p->name, &p->keys[i], server_has);
    if (generation_key_in_clear(d->generation, p))
        doctor_say(d, DOCTOR_WARN, "keys", "write https://", "%s: its key goes out in clear to %s", p->name, p->base_url);
    look_at(d, arena_printf(&d->arena, "%s, secret", p->name), &p->secret, server_has);
    look_at(d, arena_printf(&d->arena, "%s, session", p->name), &p->session, server_has);
}

static void look_at_collector(struct doctor *d, const struct collector *c)
{
    for (int i = 0; i < c->header_count; i++) {
        const struct collector_header *h = &c->headers[i];
        struct secret s = {.env = h->from == COLLECTOR_ENV ? h->value : NULL, .file = h->from == COLLECTOR_FILE ? h->value : NULL};
        look_at(d, arena_printf(&d->arena, "otlp, header %s", h->name), &s, NULL);
    }
}

void doctor_keys(struct doctor *d)
{
    const struct config *c = d->generation ? d->generation->config : NULL;
    if (c == NULL)
        return;
    for (int i = 0; i < c->provider_count && !d->options->demo; i++)
        look_at_provider(d, &c->providers[i]);
    if (d->options->demo)
        doctor_say(d, DOCTOR_OK, "keys", NULL, "the simulator plays every provider: no key is needed");
    look_at(d, "admin token", &(struct secret){c->admin.token_env, c->admin.token_file}, d->status.p ? SET_THERE : NULL);
    if (c->otlp)
        look_at_collector(d, c->otlp);
}
