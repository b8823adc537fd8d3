#include "trial/eval_lua.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "bind/bind.h"
#include "trial/eval_grade.h"
#include "trial/trial.h"
#include "serve/usage.h"

enum { CODE_MOST = 1 << 20, AGREED = 400, DISAGREED = 499, NAME = 200, SHOWN = 120 };

static const char PREFIX[] = "eval-lua-";

struct eval_lua {
    struct generation *generation;
    struct trial *trial;
    const struct eval_outcome *outcome; /* of the run */
};

static void name_of(char *out, const struct eval_cases *set, const struct eval_case *c)
{
    snprintf(out, NAME, "%s%s-%d", PREFIX, set->route, c->line);
}

/* The code stays on the lines that it has in the case. */
static void put_route(struct manifest *m, const struct eval_cases *set, const struct eval_case *c, const char *model, struct str code)
{
    char path[NAME + 8], name[NAME];
    struct buf text = BUF(CODE_MOST);
    name_of(name, set, c);
    snprintf(path, sizeof path, "%s.lua", name);
    buf_printf(&text, "local function expectation(reply, req) " STR_FMT "\nend\n", STR_ARG(code));
    buf_printf(&text, "local any = wye.model \"%s\"\n", model);
    buf_puts(&text, "return function(req)\n"
                    "  local reply = any:ask(req)\n"
                    "  local right, why = expectation(reply, req)\n"
                    "  if type(right) == \"function\" then right, why = right(reply, req) end\n");
    buf_printf(&text, "  return wye.refuse(right and %d or %d, why ~= nil and tostring(why):sub(1, 300) or \"the code says no\"), \"\"\nend\n", AGREED, DISAGREED);
    manifest_put(m, path, buf_str(&text));
    buf_clear(&text);
}

/* Words about "routes/eval-lua-ROUTE-12.lua:1: …" become words about line 12 of the set. */
static void relocate(const char *project, struct err *err)
{
    char words[sizeof err->message], name[NAME];
    snprintf(words, sizeof words, "%s", err->message);
    char *at = strstr(words, PREFIX), *end = at ? strstr(at, ".lua:") : NULL;
    if (end == NULL)
        return;
    snprintf(name, sizeof name, "%.*s", (int)(end - at), at);
    char *dash = strrchr(name, '-');
    int line = (int)strtol(dash + 1, NULL, 10);
    *dash = '\0';
    end += strlen(".lua:");
    end += strspn(end, "0123456789: ");
    err_set(err, ERR_SCRIPT, "%s/evals/%s.jsonl:%d: expect.lua: %s", project, name + strlen(PREFIX), line, end);
}

static void answer(struct trial *t, struct trial_ask *ask)
{
    const struct eval_outcome *o = ((struct eval_lua *)t->arg)->outcome;
    const struct model *served = config_model(t->generation->config, o->model);
    struct reply *r = ask->reply;
    if (served)
        r->model = served;
    if (json_type(o->reply) == JSON_OBJECT) {
        r->status = o->status;
        r->body = o->reply;
        r->usage = usage_read(json_get(o->reply, "usage"));
    } else {
        trial_text(t, r, o->text);
    }
    r->usd = o->usd;
    r->ms = o->ms > 0 ? (unsigned)o->ms : 0;
}

struct eval_lua *eval_lua_open(const char *project, const struct config *config, const struct eval_cases *sets, int count, struct err *err)
{
    static const struct generation_options OPTIONS = {.open = bind_open};
    struct manifest *files = manifest_new(project);
    for (int s = 0; s < count; s++)
        for (int i = 0; i < sets[s].count; i++) {
            const struct expectation *e = eval_case_expects(&sets[s].at[i], EXPECT_LUA);
            if (e)
                put_route(files, &sets[s], &sets[s].at[i], config->models[0].id, e->text);
        }
    struct generation *g = generation_load(1, files, &OPTIONS, err);
    if (g == NULL) {
        relocate(project, err);
        return NULL;
    }
    struct eval_lua *l = xcalloc(1, sizeof *l);
    l->generation = g;
    l->trial = trial_new(g);
    l->trial->answer = answer;
    l->trial->arg = l;
    return l;
}

void eval_lua_close(struct eval_lua *l)
{
    if (l == NULL)
        return;
    trial_free(l->trial);
    generation_release(l->generation);
    free(l);
}

/* What follows "routes/eval-lua-x-1.lua:1: ". */
static const char *words_of(const char *message)
{
    const char *end = strstr(message, ".lua:");
    return end ? end + strlen(".lua:") + strspn(end + strlen(".lua:"), "0123456789: ") : message;
}

/* Words in which the route that stands for the case is the line of the set: "(called from routes/evals/x.jsonl:1)". */
static void tell(char *why, size_t size, const char *message, const char *route, const struct eval_cases *set, const struct eval_case *c)
{
    char file[NAME + 8];
    struct buf out = BUF(CODE_MOST);
    size_t len = (size_t)snprintf(file, sizeof file, "%s.lua:", route);
    const char *at = message, *found, *start;
    for (; (found = strstr(at, file)); at = found + len + strspn(found + len, "0123456789")) {
        for (start = found; start > at && !strchr(" (", start[-1]);)
            start--;
        buf_append(&out, at, (size_t)(start - at));
        buf_printf(&out, "%s:%d", set->path, c->line);
    }
    buf_puts(&out, at);
    snprintf(why, size, "the code raised: %.*s", out.len > 300 ? 300 : (int)out.len, out.p ? out.p : "");
    buf_clear(&out);
}

bool eval_lua_grade(struct eval_lua *l, const struct eval_cases *set, const struct eval_case *c, const struct eval_outcome *o, char *why)
{
    char name[NAME];
    struct trial *t = l->trial;
    name_of(name, set, c);
    l->outcome = o;
    if (trial_run(t, generation_route(l->generation, str_of(name)), c->request) < 0) {
        tell(why, EVAL_WHY, words_of(t->err.message), name, set, c);
        return false;
    }
    bool is_right = t->decision.kind == DECIDE_REFUSAL && t->decision.status == AGREED;
    if (!is_right)
        snprintf(why, EVAL_WHY, STR_FMT "; got '%.*s'", STR_ARG(t->decision.message), o->text.len > SHOWN ? SHOWN : (int)o->text.len, o->text.p);
    return is_right;
}
