/* wye decide FILE -i request.json: one decision, without the network. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "bind/bind.h"
#include "cmd/command.h"
#include "serve/decided.h"
#include "serve/rule.h"
#include "vm/guard.h"
#include "vm/lines.h"

enum { REQUEST_MAX = 32 << 20, PAGE = 40 << 20, PIECE = 64 * 1024 };

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

static void print_text(const struct trial *t)
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
        printf("because script: " STR_FMT, STR_ARG(d->reason));
        print_place(t);
    }
    for (int i = 0; i < t->ask_count; i++)
        printf("asked %s at " STR_FMT " (a stand-in answered)\n", t->asks[i].model->id, STR_ARG(t->asks[i].options.where));
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
    buf_printf(&out, ",\"route\":\"%s\",\"cause\":\"%s\"", t->route->name, t->has_failed ? "script_error" : "script");
    if (t->has_failed && fallback)
        buf_printf(&out, ",\"model\":\"%s\"", fallback->id);
    buf_puts(&out, "}\n");
    fwrite(out.p, 1, out.len, stdout);
    buf_clear(&out);
}

static int decide(const struct options *o, struct generation *g, const char *name, struct str request, struct err *err)
{
    struct trial *t = trial_new(g);
    const struct route *route = generation_route(g, str_of(name));
    int status = EXIT_OK;
    t->answer = trial_answer;
    if (route == NULL) {
        status = err_set(err, ERR_BAD_REQUEST, "the project has no route.lua: name a file");
    } else if (trial_run(t, route, request) < 0 && t->err.kind == ERR_BAD_REQUEST) {
        status = err_set(err, ERR_BAD_REQUEST, "the request is refused before any route runs: %s", t->err.message);
    } else if (o->json) {
        print_json(t);
    } else {
        print_text(t);
    }
    status = status < 0 || t->has_failed ? EXIT_REFUSED : fflush(stdout) == 0 ? EXIT_OK : EXIT_REFUSED;
    if (route == NULL || (t->has_failed && t->err.kind == ERR_BAD_REQUEST))
        log_error("%s", err->message);
    trial_free(t);
    return status;
}

int cmd_decide(struct options *o)
{
    static const struct generation_options OPTIONS = {.open = bind_open};
    struct rule rule;
    struct err err;
    struct buf request = BUF(REQUEST_MAX);
    struct generation *g = NULL;
    int status = EXIT_REFUSED;
    if (!o->input) {
        log_error("-i FILE: the request is needed, a chat completion's body; - reads standard input");
        return EXIT_USAGE;
    }
    if (read_request(o->input, &request, &err) == 0 && guard_open(&err) == 0 && rule_open(&rule, o->args[0], "routes", &err) == 0)
        g = generation_load(1, rule.files, &OPTIONS, &err);
    if (g)
        status = decide(o, g, rule.route[0] ? rule.route : "route", buf_str(&request), &err);
    else
        log_error("%s", err.message);
    if (g)
        generation_release(g);
    buf_clear(&request);
    guard_close();
    return status;
}
