/* wye decide FILE -i request.json: one decision, without the network unless --live. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "base/json.h"
#include "base/log.h"
#include "bind/bind.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/live.h"
#include "trial/decided.h"
#include "trial/rule.h"
#include "vm/guard.h"
#include "vm/lines.h"

enum { REQUEST_MAX = 32 << 20, PAGE = 40 << 20, PIECE = 64 * 1024, SHOWN = 160 };

static int read_request(const char *path, struct buf *out, struct err *err)
{
    bool is_input = strcmp(path, "-") == 0;
    FILE *f = is_input ? stdin : fopen(path, "re");
    char piece[PIECE];
    int failed = 0;
    for (size_t n; f && (n = fread(piece, 1, sizeof piece, f)) > 0 && failed == 0;)
        failed = buf_append(out, piece, n);
    bool is_whole = f && !ferror(f);
    int error = errno;
    if (f && !is_input)
        fclose(f);
    if (failed)
        return err_set(err, ERR_LIMIT, "%s is over %d MiB", path, REQUEST_MAX >> 20);
    return is_whole ? 0 : err_set(err, ERR_SYSTEM, "cannot read %s: %s", path, strerror(error));
}

/* Whoever tries a file need not say which model clients would name. Anything that is no object is refused where all requests are. */
static int name_model(struct buf *request, struct err *err)
{
    struct iovec pieces[4];
    struct arena arena = ARENA(64 * 1024);
    struct str body = buf_str(request);
    bool has_none = json_validate(body, NULL) == 0 && json_type(body) == JSON_OBJECT && json_get(body, "model").p == NULL;
    int count = has_none ? json_splice(body, &(struct json_edit){"model", str_of("\"auto\"")}, 1, &arena, pieces, 4) : 0;
    struct buf named = BUF(REQUEST_MAX);
    int failed = 0;
    for (int i = 0; i < count && failed == 0; i++)
        failed = buf_append(&named, pieces[i].iov_base, pieces[i].iov_len);
    arena_clear(&arena);
    if (count > 0) {
        buf_clear(request);
        *request = named;
    }
    return failed ? err_set(err, ERR_LIMIT, "the request is over %d MiB", REQUEST_MAX >> 20) : 0;
}

/* Beyond its budgets an ask fails as one beyond req:limit does. */
static void answer_live(struct trial *t, struct trial_ask *ask)
{
    struct live *live = t->arg;
    if (live_ask(live, t, ask) < 0) {
        trial_fault(ask->reply, live_is_interrupted() ? ERR_CANCELLED : ERR_LIMIT);
        ask->reply->err.retryable = false;
    }
}

static void print_place(const struct trial *t)
{
    const struct manifest *files = t->generation->files;
    if (t->place)
        printf(", at %s/%s:%d", manifest_label(files), manifest_path(files, lines_file(t->place)), lines_line(t->place));
    putchar('\n');
}

static void print_models(const struct decision *d)
{
    for (int i = 0; i < d->count; i++)
        printf("%s%s", i ? ", then " : "", d->models[i]->id);
    putchar('\n');
}

static void print_said(struct trial *t, const struct reply *r)
{
    if (r->err.kind != ERR_NONE) {
        printf(": %s after %u ms (%s)\n", err_kind_name(r->err.kind), r->ms, r->err.message);
        return;
    }
    struct str text = json_text(json_pointer(r->body, "/choices/0/message/content"), &t->arena);
    bool is_long = text.len > SHOWN;
    printf(" in %u ms for $%.6f: " STR_FMT "%s\n", r->ms, r->usd, (int)(is_long ? SHOWN : text.len), text.p ? text.p : "", is_long ? "…" : "");
}

static void print_asks(struct trial *t)
{
    for (int i = 0; i < t->ask_count; i++) {
        struct trial_ask *a = &t->asks[i];
        printf("asked %s at " STR_FMT, a->model->id, STR_ARG(a->options.where));
        if (t->answer == answer_live)
            print_said(t, a->reply);
        else
            puts(" (a stand-in answered)");
    }
}

static void print_text(struct trial *t)
{
    const struct decision *d = &t->decision;
    const struct model *fallback = t->generation->config->fallback;
    if (t->has_failed) {
        printf("%s\nbecause script_error: %s\n", fallback ? fallback->id : "status 500: wye.lua sets no default model", t->err.message);
    } else {
        if (d->kind == DECIDE_REFUSAL)
            printf("refused with %d: %s\n", d->status, d->message.p);
        else if (d->kind == DECIDE_REPLY)
            printf("%s, whose answer the route held\n", d->reply->model->id);
        else
            print_models(d);
        printf("because %s: " STR_FMT, t->is_arms ? "experiment" : "script", STR_ARG(d->reason));
        print_place(t);
    }
    for (int i = 0; i < t->arm_count; i++)
        printf("in arm %s of %s, p %g\n", t->arms[i].arm, t->arms[i].experiment, t->arms[i].p);
    print_asks(t);
    for (int i = 0; i < t->note_count; i++)
        printf("noted " STR_FMT " " STR_FMT " at " STR_FMT "\n", STR_ARG(t->notes[i].text), STR_ARG(t->notes[i].data),
               STR_ARG(t->notes[i].where));
}

static void print_json(struct trial *t)
{
    struct buf out = BUF(PAGE);
    const struct model *fallback = t->generation->config->fallback;
    decided_write(&out, t);
    if (out.len)
        out.len--; /* its closing brace: more follows */
    buf_printf(&out, ",\"route\":\"%s\",\"cause\":\"%s\"", t->route->name, t->has_failed ? "script_error" : t->is_arms ? "experiment" : "script");
    if (t->has_failed && fallback)
        buf_printf(&out, ",\"model\":\"%s\"", fallback->id);
    buf_puts(&out, "}\n");
    fwrite(out.p, 1, out.len, stdout);
    buf_clear(&out);
}

static int decide(const struct options *o, struct generation *g, const char *name, struct str request, struct live *live, struct err *err)
{
    struct trial *t = trial_new(g);
    const struct route *route = generation_route(g, str_of(name));
    int status = EXIT_OK;
    t->answer = live ? answer_live : trial_answer;
    t->arg = live;
    if (route == NULL) {
        status = err_set(err, ERR_BAD_REQUEST, "the project has no route.lua: name a file");
    } else if (trial_run(t, route, request) < 0 && t->err.kind == ERR_BAD_REQUEST) {
        status = err_set(err, ERR_BAD_REQUEST, "the request is refused before any route runs: %s", t->err.message);
    } else if (o->json) {
        print_json(t);
    } else {
        print_text(t);
    }
    if (status < 0)
        complain_of(o, err);
    status = status < 0 || t->has_failed || fflush(stdout) != 0 ? EXIT_REFUSED : EXIT_OK;
    trial_free(t);
    return status;
}

static int decide_live(const struct options *o, struct generation *g, const char *name, struct str request, struct live *live, struct err *err)
{
    if (live_open(live, g, o->demo, err) < 0)
        return complain_of(o, err);
    int status = decide(o, g, name, request, live, err);
    if (live->stopped)
        log_warn("asks failed: %s", live->stopped);
    live_close(live);
    return live_is_interrupted() ? EXIT_INTERRUPTED : status;
}

int cmd_decide(struct options *o)
{
    static const struct generation_options OPTIONS = {.open = bind_open};
    struct rule rule = {.route = ""};
    struct err err;
    struct buf request = BUF(REQUEST_MAX);
    struct generation *g = NULL;
    struct live live = {0};
    int status = EXIT_REFUSED;
    if (!o->input)
        return complain(o, EXIT_USAGE, "-i FILE: the request is needed, a chat completion's body; - reads standard input");
    if (live_options(&live, o, &err) < 0)
        return complain(o, EXIT_USAGE, "%s", err.message);
    if (read_request(o->input, &request, &err) == 0 && name_model(&request, &err) == 0 && guard_open(&err) == 0 && rule_open(&rule, o->args[0], "routes", &err) == 0)
        g = generation_load(1, rule.files, &OPTIONS, &err);
    const char *name = rule.route[0] ? rule.route : "route";
    if (g)
        status = o->live ? decide_live(o, g, name, buf_str(&request), &live, &err) : decide(o, g, name, buf_str(&request), NULL, &err);
    else
        complain_of(o, &err);
    if (g)
        generation_release(g);
    buf_clear(&request);
    guard_close();
    return status;
}
