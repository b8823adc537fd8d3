/*
 * Records of decisions as a damaged or hostile trace could hold them: deciding again ends, one way or another, and what can be said as a spec compiles.
 *
 * The input is lines: "R{…}" the client's body, "H{…}" its headers, "M/…" a mask, "P2" the protocol, "S" a step whose fields are parted by tabs (kind, key, value,
 * model, reply, error, why, n, flags, at_us, us). A key "@1" stands for that of the first ask that the route makes over this request.
 */
#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "bind/bind.h"
#include "serve/capture.h"
#include "trace/saved.h"
#include "trial/recorded.h"
#include "vm/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS = 64, MASKS = 4, FIELDS = 11, KEYS = 8, RECORD_ARENA = 16 << 20 };

static const char CONFIG[] = "return { models = { [\"sim/fast\"] = {}, [\"sim/smart\"] = {} }, default = \"sim/fast\" }\n";
static const char ROUTE[] =
    "local fast, smart = wye.model \"sim/fast\", wye.model \"sim/smart\"\n"
    "local trial = wye.experiment(\"t\", { unit = \"user\", { \"a\", 50, function() return fast end }, { \"b\", 50, function() return smart end } })\n"
    "return function(req)\n"
    "  if wye.kv.get(\"k\") then return trial(req) end\n"
    "  local one, err = fast:ask(req)\n"
    "  local said = { wye.now(), tostring(wye.kv.add(\"n\", 1)), req.prompt, tostring(req.user), tostring(req.has_image), req.headers[\"x-a\"] or \"\" }\n"
    "  if one then\n"
    "    said[#said + 1] = tostring(one.json) .. one.text .. tostring(one.finish) .. wye.score.confidence(one)\n"
    "    for _, call in ipairs(one.tool_calls or {}) do said[#said + 1] = tostring(call) end\n"
    "  end\n"
    "  local two = wye.first({ fast, smart }, req, { hedge = \"p95\" })\n"
    "  local drafts = wye.gather({ smart, fast, smart }, req, { n = 2 })\n"
    "  return two or drafts[1] or smart, table.concat(said, \" \") .. tostring(err and err.message)\n"
    "end\n";

static struct generation *generation;
static struct trial *trial;
static lua_State *compiler;

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    require(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void open_project(void)
{
    static const struct generation_options OPTIONS = {.open = bind_open};
    static char dir[] = "/tmp/wye-fuzz-XXXXXX";
    char command[128];
    struct err err;
    require(mkdtemp(dir) && guard_open(&err) == 0);
    write_file(dir, "wye.lua", CONFIG);
    write_file(dir, "route.lua", ROUTE);
    generation = generation_load(1, manifest_new(dir), &OPTIONS, &err);
    require(generation != NULL);
    trial = trial_new(generation);
    compiler = luaL_newstate();
    snprintf(command, sizeof command, "rm -r %s", dir);
    require(system(command) == 0);
}

/* ---- the input as a record ---- */

struct input {
    struct captured captured;
    struct captured_step steps[STEPS];
    struct str masks[MASKS];
    char keys[KEYS][20];
    int key_count;
};

static struct str part(struct str *rest, char end)
{
    const char *at = rest->len ? memchr(rest->p, end, rest->len) : NULL;
    size_t len = at ? (size_t)(at - rest->p) : rest->len;
    struct str one = str_n(rest->p, len);
    *rest = str_n(rest->p + len + (at != NULL), rest->len - len - (at != NULL));
    return one.len ? one : str_n(NULL, 0);
}

static int64_t number(struct str text)
{
    char digits[24];
    snprintf(digits, sizeof digits, STR_FMT, STR_ARG(text));
    return strtoll(digits, NULL, 10);
}

static void read_step(struct input *in, struct str line)
{
    struct captured_step *s = &in->steps[in->captured.step_count];
    struct str f[FIELDS];
    if (in->captured.step_count == STEPS)
        return;
    for (int i = 0; i < FIELDS; i++)
        f[i] = part(&line, '\t');
    *s = (struct captured_step){.kind = f[0], .key = f[1], .value = f[2], .model = f[3], .reply = f[4], .error = f[5], .why = f[6], .n = (int)number(f[7]),
                                .flags = (unsigned)number(f[8]), .at_us = (uint64_t)number(f[9]), .us = (uint64_t)number(f[10])};
    int key = f[1].len == 2 && f[1].p[0] == '@' ? f[1].p[1] - '1' : -1;
    if (key >= 0 && key < in->key_count)
        s->key = str_of(in->keys[key]);
    in->captured.step_count++;
}

static void read_line(struct input *in, struct str line)
{
    struct captured *c = &in->captured;
    struct str rest = line.len ? str_n(line.p + 1, line.len - 1) : line;
    switch (line.len ? line.p[0] : 0) {
    case 'R': c->request = rest; break;
    case 'H': c->headers = rest; break;
    case 'P': c->protocol = (int)number(rest); break;
    case 'S': read_step(in, rest); break;
    case 'M':
        if (c->mask_count < MASKS)
            in->masks[c->mask_count++] = rest;
        break;
    default: break;
    }
}

static void read_input(struct input *in, struct str text)
{
    in->captured = (struct captured){.number = 7, .began_us = 1700000000000000, .id = str_of("1k0xa28mv4n00"), .route = str_of("route"), .headers = str_of("{}"),
                                     .masks = in->masks, .steps = in->steps, .weight = 1};
    while (text.len) {
        struct str line = part(&text, '\n');
        read_line(in, line);
    }
}

/* ---- deciding again ---- */

static void decide(struct input *in)
{
    struct arena arena = ARENA(RECORD_ARENA);
    static struct recorded r;
    in->key_count = 0;
    if (recorded_open(&r, &in->captured, &arena) == RECORDED_READY) {
        recorded_mount(&r, trial);
        trial_run(trial, generation_route(generation, str_of("route")), in->captured.request);
        require(recorded_verdict(&r) < RECORDED_PROBLEM_COUNT);
        for (; in->key_count < trial->ask_count && in->key_count < KEYS; in->key_count++)
            snprintf(in->keys[in->key_count], sizeof *in->keys, "%016llx",
                     (unsigned long long)capture_ask_key(trial->asks[in->key_count].model, &trial->asks[in->key_count].options));
    }
    arena_clear(&arena);
}

/* Nothing of a record may stand in a spec as code. */
static void save(struct input *in)
{
    struct buf out = BUF(SAVED_MAX);
    struct err err;
    if (saved_write(&out, &in->captured, &err) == 0) {
        if (luaL_loadbuffer(compiler, out.p, out.len, "spec") != 0)
            fprintf(stderr, "%s\n%s\n", lua_tostring(compiler, -1), out.p);
        require(lua_isfunction(compiler, -1));
        lua_settop(compiler, 0);
    }
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct input in;
    if (generation == NULL)
        open_project();
    struct str text = str_n((const char *)data, size);
    in.key_count = 0;
    read_input(&in, text);
    decide(&in); /* which asks the route makes is known from here on */
    read_input(&in, text);
    decide(&in);
    save(&in);
    return 0;
}
