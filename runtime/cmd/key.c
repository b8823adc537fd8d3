/* wye key add NAME | list | revoke NAME: the client keys in the state directory, and a word to the server that runs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/table.h"
#include "net/fetch.h"
#include "policy/keyfile.h"

enum { REPLY_MOST = 1 << 20, STATE_MOST = 3072, LIST_MOST = 4 << 20 };

struct keeping {
    const struct options *options;
    char state[STATE_MOST];
    bool has_server;
};

static int call(const struct options *o, const char *method, const char *path, struct buf *reply, struct err *err)
{
    int status;
    if (fetch(o->admin, method, path, str_of(""), o->token, CLIENT_QUICK_MS, reply, &status, err) < 0)
        return -1;
    if (status != 200 || json_validate(buf_str(reply), NULL) < 0)
        return err_set(err, ERR_AUTH, "%s answered %s with %d%s", o->admin, path, status, status == 401 ? ": set WYE_TOKEN" : "");
    return 0;
}

/* The server's own state directory when one runs, else what --state says or the project's here. */
static int find_state(struct keeping *k, struct err *err)
{
    static const char *const PROJECTS[] = {"routes/.wye/state", ".wye/state"};
    const struct options *o = k->options;
    struct buf reply = BUF(REPLY_MOST);
    struct arena arena = ARENA(REPLY_MOST);
    int result = call(o, "GET", "/status", &reply, err);
    k->has_server = result == 0;
    struct str state = result == 0 ? json_text(json_get(buf_str(&reply), "state_dir"), &arena) : str_of(o->state);
    if (result < 0 && err->kind == ERR_CONNECT)
        result = 0;
    for (int i = 0; i < 2 && state.p == NULL && !k->has_server; i++)
        if (access(PROJECTS[i], W_OK) == 0)
            state = str_of(PROJECTS[i]);
    if (o->state)
        state = str_of(o->state);
    if (result == 0 && (state.len == 0 || state.len >= sizeof k->state))
        result = err_set(err, ERR_CONNECT, "no server at %s and no state in routes/.wye or .wye: start `wye serve`, or give --state DIR", o->admin);
    if (result == 0)
        snprintf(k->state, sizeof k->state, STR_FMT, STR_ARG(state));
    arena_clear(&arena);
    buf_clear(&reply);
    return result;
}

/* The change is on disk already; a server that does not hear of it is worth a word. */
static int tell_server(const struct keeping *k, struct err *err)
{
    struct buf reply = BUF(REPLY_MOST);
    int result = k->has_server ? call(k->options, "POST", "/keys/reload", &reply, err) : 0;
    buf_clear(&reply);
    return result;
}

static int read_usd(const struct options *o, double *usd, struct err *err)
{
    char *end = NULL;
    *usd = o->usd_per_day ? strtod(o->usd_per_day, &end) : 0;
    if (o->usd_per_day && (end == o->usd_per_day || *end || !(*usd > 0 && *usd <= 1e9)))
        return err_set(err, ERR_BAD_REQUEST, "--usd-per-day '%.40s' is no amount of US dollars above 0", o->usd_per_day);
    return 0;
}

static void write_limit(struct buf *out, const char *name, double value)
{
    if (value > 0)
        buf_printf(out, ",\"%s\":%.9g", name, value);
    else
        buf_printf(out, ",\"%s\":null", name);
}

static void write_entry(struct buf *out, const char *name, const struct quota_limits *l)
{
    buf_puts(out, "\"name\":");
    json_quote(out, str_of(name));
    write_limit(out, "rpm", l->rpm);
    write_limit(out, "tpm", (double)l->tpm);
    write_limit(out, "concurrent", l->concurrent);
    write_limit(out, "usd_per_day", l->usd_per_day);
}

static void print_secret(const struct options *o, const char *name, const struct quota_limits *limits, const char *secret)
{
    if (!o->json) {
        printf("%s\n", secret);
        fprintf(stderr, "This is the key of %s. It is shown this once and kept nowhere.\n", name);
        return;
    }
    struct buf out = BUF(4096);
    buf_puts(&out, "{\"ok\":true,");
    write_entry(&out, name, limits);
    printf("%s,\"secret\":\"%s\"}\n", out.p, secret);
    buf_clear(&out);
}

static int make(struct keeping *k, const char *name)
{
    const struct options *o = k->options;
    char secret[KEY_SECRET + 1];
    struct err err;
    struct quota_limits limits = {.rpm = (uint32_t)o->rpm, .tpm = (uint64_t)o->tpm, .concurrent = (uint32_t)o->concurrent};
    if (read_usd(o, &limits.usd_per_day, &err) < 0)
        return complain(o, EXIT_USAGE, "%s", err.message);
    if (keyfile_add(k->state, name, &limits, secret, &err) < 0)
        return complain_of(o, &err);
    print_secret(o, name, &limits, secret);
    if (tell_server(k, &err) == 0)
        return EXIT_OK;
    log_error("the key is kept, but the server was not told: %s", err.message);
    return EXIT_REFUSED;
}

static int warn_of_none(const struct keeping *k)
{
    struct keyfile f;
    if (keyfile_read(&f, k->state, NULL) == 0 && f.count == 0)
        log_warn("that was the last key: from now on everybody is served without one; `wye key add NAME` asks for keys again");
    keyfile_clear(&f);
    return EXIT_OK;
}

static int take_away(struct keeping *k, const char *name)
{
    struct err err;
    if (keyfile_revoke(k->state, name, &err) < 0)
        return complain_of(k->options, &err);
    if (tell_server(k, &err) < 0)
        return complain_of(k->options, &err);
    printf(k->options->json ? "{\"ok\":true,\"name\":\"%s\"}\n" : "revoked %s\n", name);
    return warn_of_none(k);
}

static void print_json(const struct keyfile *f)
{
    struct buf out = BUF(LIST_MOST);
    for (int i = 0; i < f->count; i++) {
        char at[32];
        buf_puts(&out, i ? ",{" : "{");
        write_entry(&out, f->entries[i].name, &f->entries[i].limits);
        buf_printf(&out, ",\"created\":\"%s\"}", clock_format(f->entries[i].created_s * 1000000, at, sizeof at));
    }
    printf("{\"keys\":[" STR_FMT "]}\n", STR_ARG(buf_str(&out)));
    buf_clear(&out);
}

static struct str amount(struct arena *arena, double value)
{
    return str_of(value > 0 ? arena_printf(arena, "%.9g", value) : "-");
}

static void print_table(const struct keyfile *f)
{
    static const char *const HEADS[] = {"name", "per minute", "tokens per minute", "concurrent", "usd per day", "created"};
    struct table t = TABLE(LIST_MOST);
    struct arena arena = ARENA(LIST_MOST);
    struct str cells[6];
    for (int i = 0; i < 6; i++)
        cells[i] = str_of(HEADS[i]);
    table_row(&t, 6, cells);
    for (int i = 0; i < f->count; i++) {
        const struct keyfile_entry *e = &f->entries[i];
        char at[32];
        cells[0] = str_of(e->name);
        cells[1] = amount(&arena, e->limits.rpm);
        cells[2] = amount(&arena, (double)e->limits.tpm);
        cells[3] = amount(&arena, e->limits.concurrent);
        cells[4] = amount(&arena, e->limits.usd_per_day);
        cells[5] = str_of(clock_format(e->created_s * 1000000, at, sizeof at));
        table_row(&t, 6, cells);
    }
    table_print(&t, stdout);
    arena_clear(&arena);
}

static int list(const struct keeping *k)
{
    struct keyfile f;
    struct err err;
    if (keyfile_read(&f, k->state, &err) < 0)
        return complain_of(k->options, &err);
    if (k->options->json)
        print_json(&f);
    else if (f.count == 0)
        printf("no keys: nobody is asked for one\n");
    else
        print_table(&f);
    keyfile_clear(&f);
    return EXIT_OK;
}

int cmd_key(struct options *o)
{
    static const char *const WORDS[] = {"add", "list", "revoke"};
    struct keeping k = {.options = o};
    struct err err;
    bool is_list = strcmp(o->args[0], "list") == 0, is_add = strcmp(o->args[0], "add") == 0;
    if ((!is_list && !is_add && strcmp(o->args[0], "revoke") != 0) || o->arg_count != (is_list ? 1 : 2))
        return complain_word(o, WORDS, 3, "`wye key add NAME`, `wye key list` or `wye key revoke NAME`");
    if (is_add && !keyfile_is_name(o->args[1]))
        return complain(o, EXIT_USAGE, "'%.80s' is no name of a key: up to %d letters, digits and . _ @ -", o->args[1], KEY_NAME - 1);
    if (find_state(&k, &err) < 0)
        return complain_of(o, &err);
    if (is_list)
        return list(&k);
    return is_add ? make(&k, o->args[1]) : take_away(&k, o->args[1]);
}
