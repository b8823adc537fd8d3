/* wye model list | drain M | ready M: the models of a running server: what they are, how they do, which of them are out of service. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/table.h"

enum { LIST_MOST = 4 << 20, PATH_MOST = 1024, LONGEST_NAME = 300 };

/* ---- list ---- */

static struct str dash(struct str value)
{
    return value.p == NULL || json_type(value) == JSON_NULL ? str_of("-") : value;
}

static struct str price_of(struct arena *a, struct str model)
{
    struct str price = json_get(model, "price");
    if (json_type(price) != JSON_OBJECT)
        return str_of("-");
    return str_of(arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(json_get(price, "input")), STR_ARG(json_get(price, "output"))));
}

/* "tools vision", "?" for what nobody said. */
static struct str abilities(struct arena *a, struct str model)
{
    static const char *const NAMES[] = {"tools", "vision", "structured"};
    const char *words = "";
    for (int i = 0; i < 3; i++) {
        enum json_type type = json_type(json_get(model, NAMES[i]));
        if (type == JSON_TRUE || type == JSON_NULL)
            words = arena_printf(a, "%s%s%s%s", words, *words ? " " : "", NAMES[i], type == JSON_NULL ? "?" : "");
    }
    return str_of(*words ? words : "-");
}

/* What it does now: the operator's word first. */
static struct str state_of(struct arena *a, struct str model, struct str *since)
{
    struct str drained = json_get(model, "drained"), problem = json_get(model, "problem");
    double cooling = 0;
    *since = json_plain(json_get(model, "since"));
    if (json_type(drained) == JSON_OBJECT) {
        *since = json_plain(json_get(drained, "since"));
        return str_of("drained");
    }
    if (json_type(problem) == JSON_STRING)
        return str_of(arena_printf(a, "cannot be asked: " STR_FMT, STR_ARG(json_plain(problem))));
    json_number(json_get(model, "cooling_ms"), &cooling);
    if (cooling > 0)
        return str_of(arena_printf(a, "open for %.1f s", cooling / 1000));
    return json_plain(json_get(model, "health"));
}

static struct str p95_of(struct arena *a, struct str model, const char *times)
{
    double ms;
    if (!json_number(json_get(json_get(model, times), "p95_ms"), &ms))
        return str_of("-");
    return str_of(arena_printf(a, "%.0f", ms));
}

static void add_model(struct table *t, struct str model)
{
    struct arena *a = &t->arena;
    struct str since, state = state_of(a, model, &since);
    bool is_default = json_is_true(json_get(model, "default"));
    struct str id = json_plain(json_get(model, "id"));
    table_row(t, 10, (struct str[]){is_default ? str_of(arena_printf(a, STR_FMT " (default)", STR_ARG(id))) : id, json_plain(json_get(model, "kind")), price_of(a, model),
                                    dash(json_get(model, "context")), abilities(a, model), json_get(model, "in_flight"), p95_of(a, model, "first_token"),
                                    p95_of(a, model, "duration"), state, since.p ? since : str_of("")});
}

static void print_list(struct str reply)
{
    static const char *const HEADS[] = {"model", "kind", "usd/M in/out", "context", "can", "in flight", "p95 first ms", "p95 ms", "state", "since"};
    struct table t = TABLE(LIST_MOST);
    struct str heads[10];
    for (int i = 0; i < 10; i++)
        heads[i] = str_of(HEADS[i]);
    table_row(&t, 10, heads);
    for (struct json_walk w = json_walk(json_get(reply, "models")); json_next(&w);)
        add_model(&t, w.value);
    table_print(&t, stdout);
}

/* ---- drain, ready ---- */

static int set(const struct options *o, const char *verb, const char *name)
{
    char path[PATH_MOST];
    if (strlen(name) > LONGEST_NAME)
        return complain(o, EXIT_USAGE, "'%.80s…' is no model's name", name);
    int n = snprintf(path, sizeof path, "/models/%s?", verb);
    for (; *name; name++)
        n += snprintf(path + n, sizeof path - (size_t)n, isalnum((unsigned char)*name) || strchr("-._~/*:", *name) ? "%c" : "%%%02X", (unsigned char)*name);
    return client_order(o, path, CLIENT_QUICK_MS);
}

int cmd_model(struct options *o)
{
    static const char *const WORDS[] = {"list", "drain", "ready"};
    bool is_list = strcmp(o->args[0], "list") == 0, is_known = is_list || strcmp(o->args[0], "drain") == 0 || strcmp(o->args[0], "ready") == 0;
    if (!is_known || o->arg_count != (is_list ? 1 : 2))
        return complain_word(o, WORDS, 3, "`wye model list`, `wye model drain MODEL` or `wye model ready MODEL`; MODEL is PROVIDER/ID, or 'PROVIDER/*'");
    return is_list ? client_call(o, "GET", "/models", CLIENT_QUICK_MS, print_list) : set(o, o->args[0], o->args[1]);
}
