#include "cmd/client.h"

#include <stdio.h>

#include "base/json.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "net/fetch.h"

enum {
    REPLY_MOST = 128 << 20,
    TEXT_MOST = 1 << 20,
    HASH_LEAST = 6,
    HASH_DIGITS = 64,
    NUMBER_DIGITS = 9
};

static void print_raw(struct str reply)
{
    fwrite(reply.p, 1, reply.len, stdout);
    if (reply.len == 0 || reply.p[reply.len - 1] != '\n')
        putchar('\n');
}

static void print_text(FILE *out, struct str reply, const char *member)
{
    struct arena arena = ARENA(TEXT_MOST);
    struct str text = json_text(json_get(reply, member), &arena);
    if (text.p)
        fprintf(out, STR_FMT "\n", STR_ARG(text));
    arena_clear(&arena);
}

static void print_message(struct str reply)
{
    print_text(stdout, reply, "message");
}

static int no_answer(const struct options *o, const struct err *err)
{
    if (err->kind != ERR_CONNECT)
        return complain(o, EXIT_REFUSED, "%s", err->message);
    complain_of(o, err);
    fprintf(stderr, "Start one with `wye serve`, or say where it is: --admin ADDR or WYE_ADMIN.\n");
    return EXIT_NO_SERVER;
}

static bool is_refused(struct str reply, int status)
{
    return status >= 300 || json_type(json_get(reply, "ok")) == JSON_FALSE;
}

/* The place first and alone on its line, where editors look for it. */
static void print_cause(struct str reply)
{
    struct arena arena = ARENA(TEXT_MOST);
    struct str error = json_get(reply, "error");
    struct str text = json_text(json_get(error, "message"), &arena);
    struct str file = json_text(json_get(error, "file"), &arena);
    int64_t line = 0;
    json_integer(json_get(error, "line"), &line);
    if (file.len > 0)
        fprintf(stderr, STR_FMT ":%lld: ", STR_ARG(file), (long long)line);
    if (text.p && (file.len > 0 || !str_same(text, json_text(json_get(reply, "message"), &arena))))
        fprintf(stderr, STR_FMT "\n", STR_ARG(text));
    arena_clear(&arena);
}

static int refusal(const struct options *o, struct str reply, int status)
{
    print_cause(reply);
    fprintf(stderr, "wye %s: ", o->verb->name);
    if (json_type(json_get(reply, "message")) == JSON_STRING)
        print_text(stderr, reply, "message");
    else
        fprintf(stderr, "%s answered with status %d\n", o->admin, status);
    if (status == 401)
        fprintf(stderr, "The token is taken from WYE_TOKEN.\n");
    return EXIT_REFUSED;
}

static int take_reply(const struct options *o, struct str reply, int status,
                      void (*print)(struct str))
{
    if (json_validate(reply, NULL) < 0)
        return complain(o, EXIT_REFUSED, "what listens at %s is not wye's admin API (status %d, no JSON)", o->admin, status);
    bool refused = is_refused(reply, status);
    if (o->json)
        print_raw(reply);
    else if (refused)
        return refusal(o, reply, status);
    else
        print(reply);
    return refused ? EXIT_REFUSED : EXIT_OK;
}

int client_call(const struct options *o, const char *method, const char *path, unsigned timeout_ms,
                void (*print)(struct str reply))
{
    struct buf reply = BUF(REPLY_MOST);
    struct err err;
    int status;
    int result =
        fetch(o->admin, method, path, str_of(""), o->token, timeout_ms, &reply, &status, &err);
    int exit_status =
        result < 0 ? no_answer(o, &err) : take_reply(o, buf_str(&reply), status, print);
    buf_clear(&reply);
    return exit_status;
}

int client_order(const struct options *o, const char *path, unsigned timeout_ms)
{
    return client_call(o, "POST", path, timeout_ms, print_message);
}

bool client_is_generation(const struct options *o, const char *text, bool or_hash)
{
    size_t digits = strspn(text, "0123456789"), hex = strspn(text, "0123456789abcdef");
    bool is_number = text[digits] == '\0' && digits > 0 && digits <= NUMBER_DIGITS && strspn(text, "0") < digits;
    if (is_number || (or_hash && text[hex] == '\0' && hex >= HASH_LEAST && hex <= HASH_DIGITS))
        return true;
    complain(o, EXIT_USAGE, "'%s' is no generation: give its number%s; `wye status` lists them", text,
             or_hash ? " or the first digits of its hash" : "");
    return false;
}
