#include <stdint.h>
#include <stdio.h>

#include "base/json.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/table.h"

enum { TABLE_MOST = 1 << 20, HASH_SHOWN = 12 };

/* A member as people read it: a string without its quotes, anything else as written. */
static struct str member(struct str object, const char *name, struct arena *arena)
{
    struct str value = json_get(object, name);
    return json_type(value) == JSON_STRING ? json_text(value, arena) : value;
}

static void print_uptime(int64_t seconds)
{
    if (seconds >= 86400)
        printf("%lldd ", (long long)seconds / 86400);
    if (seconds >= 3600)
        printf("%lldh ", (long long)seconds / 3600 % 24);
    if (seconds >= 60)
        printf("%lldm ", (long long)seconds / 60 % 60);
    printf("%llds", (long long)seconds % 60);
}

static void print_head(struct str reply)
{
    struct arena arena = ARENA(TABLE_MOST);
    int64_t uptime = 0;
    json_integer(json_get(reply, "uptime_s"), &uptime);
    printf("wye " STR_FMT ", pid " STR_FMT ", up ", STR_ARG(member(reply, "version", &arena)),
           STR_ARG(member(reply, "pid", &arena)));
    print_uptime(uptime);
    printf("%s\n", json_is_true(json_get(reply, "ready")) ? "" : ", not ready");
    printf("serving " STR_FMT " on " STR_FMT ", admin on " STR_FMT "\n",
           STR_ARG(member(reply, "project", &arena)), STR_ARG(member(reply, "listen", &arena)),
           STR_ARG(member(reply, "admin", &arena)));
    arena_clear(&arena);
}

/* One line for each object of the list: `heads` names the columns, `members` what stands in them. */
static void print_list(struct str list, const char *const *heads, const char *const *members,
                       int count)
{
    struct table t = TABLE(TABLE_MOST);
    struct arena arena = ARENA(TABLE_MOST);
    struct str cells[TABLE_COLUMNS];
    for (int i = 0; i < count; i++)
        cells[i] = str_of(heads[i]);
    table_row(&t, count, cells);
    struct json_walk objects = json_walk(list);
    while (json_next(&objects)) {
        for (int i = 0; i < count; i++) {
            cells[i] = member(objects.value, members[i], &arena);
            if (strcmp(members[i], "hash") == 0 && cells[i].len > HASH_SHOWN)
                cells[i].len = HASH_SHOWN;
        }
        table_row(&t, count, cells);
    }
    putchar('\n');
    table_print(&t, stdout);
    arena_clear(&arena);
}

static void print_canary(struct str canary)
{
    static const char *const side[] = {"generation", "requests", "script_errors", "errors", "error_rate", "p95_ms", "usd_per_request"};
    static const char *const heads[] = {"generation", "requests", "script errors", "errors", "error rate", "p95 ms", "usd/request"};
    struct arena arena = ARENA(TABLE_MOST);
    struct str reason = member(canary, "reason", &arena);
    if (json_type(canary) != JSON_OBJECT)
        return;
    int64_t id = 0;
    json_integer(json_get(canary, "generation"), &id);
    if (id > 0)
        printf("\ncanary: generation %lld (%.12s)", (long long)id, member(canary, "hash", &arena).p);
    else
        printf("\ncanary: %.12s", member(canary, "hash", &arena).p); /* from before a restart: no number is its own now */
    printf(" at " STR_FMT " %% of units, " STR_FMT "%s" STR_FMT "\n", STR_ARG(member(canary, "percent", &arena)), STR_ARG(member(canary, "state", &arena)),
           reason.len ? ": " : "", STR_ARG(reason));
    print_list(json_get(canary, "sides"), heads, side, 7);
    arena_clear(&arena);
}

static void print_drift(struct str drift)
{
    static const char *const source[] = {"kind", "name", "readings", "psi", "drifted"};
    static const char *const heads[] = {"learnt", "name", "readings", "PSI", "drifted"};
    struct arena arena = ARENA(TABLE_MOST);
    struct str sources = json_get(drift, "sources"), failure = member(drift, "failure", &arena);
    struct json_walk any = json_walk(sources);
    if (json_next(&any))
        print_list(sources, heads, source, 5);
    if (json_type(json_get(drift, "failure")) == JSON_STRING)
        printf("\ndrift is not looked for: " STR_FMT "\n", STR_ARG(failure));
    arena_clear(&arena);
}

static void print_drained(struct str list)
{
    const char *before = "\ndrained:";
    struct json_walk w = json_walk(list);
    for (; json_next(&w); before = ",")
        printf("%s " STR_FMT " since " STR_FMT, before, STR_ARG(json_plain(json_get(w.value, "name"))), STR_ARG(json_plain(json_get(w.value, "since"))));
    if (*before == ',')
        putchar('\n');
}

static void print_otlp(struct str otlp)
{
    struct arena arena = ARENA(TABLE_MOST);
    struct str problem = member(otlp, "problem", &arena);
    if (json_type(otlp) == JSON_OBJECT)
        printf("spans to " STR_FMT ": " STR_FMT " sent, " STR_FMT " refused, " STR_FMT " events missed, " STR_FMT " s behind%s" STR_FMT "\n",
               STR_ARG(member(otlp, "url", &arena)), STR_ARG(json_get(otlp, "sent")), STR_ARG(json_get(otlp, "refused")), STR_ARG(json_get(otlp, "missed")),
               STR_ARG(json_get(otlp, "behind_s")), json_type(json_get(otlp, "problem")) == JSON_STRING ? ": " : "",
               STR_ARG(json_type(json_get(otlp, "problem")) == JSON_STRING ? problem : str_n("", 0)));
    arena_clear(&arena);
}

static void print_status(struct str reply)
{
    static const char *const generation[] = {"id",       "state",         "hash", "loaded_at",
                                             "requests", "script_errors", "files"};
    static const char *const generation_heads[] = {
        "generation", "state", "hash", "loaded at", "requests", "script errors", "files"};
    static const char *const worker[] = {"slot",       "pid",      "state",     "restarts",
                                         "generation", "requests", "in_flight", "connections"};
    static const char *const worker_heads[] = {
        "worker", "pid", "state", "restarts", "generation", "requests", "in flight", "connections"};
    struct arena arena = ARENA(TABLE_MOST);
    struct str trace = json_get(reply, "trace");
    print_head(reply);
    print_list(json_get(reply, "generations"), generation_heads, generation, 7);
    print_canary(json_get(reply, "canary"));
    print_list(json_get(reply, "workers"), worker_heads, worker, 8);
    print_drift(json_get(reply, "drift"));
    print_drained(json_get(reply, "drained"));
    printf("\ntrace in " STR_FMT ": " STR_FMT " events, " STR_FMT " dropped\n",
           STR_ARG(member(reply, "trace_dir", &arena)), STR_ARG(json_get(trace, "events")),
           STR_ARG(json_get(trace, "dropped")));
    print_otlp(json_get(reply, "otlp"));
    arena_clear(&arena);
}

int cmd_status(struct options *o)
{
    return client_call(o, "GET", "/status", CLIENT_QUICK_MS, print_status);
}
