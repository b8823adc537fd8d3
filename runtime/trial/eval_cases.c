#include "trial/eval_cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/near.h"
#include "bind/view.h"
#include "classify/jsonl.h"

enum { ARENA_MOST = 512 << 20, VIEW_MOST = 64 << 20, FILE_MOST = 1 << 20, NEAR_MODELS = 1 };

const char *const EXPECT_NAMES[] = {
#define X(name, text) text,
    EXPECTATIONS(X)
#undef X
};

/* What reading one file needs. */
struct reading {
    struct eval_cases *set;
    const char *project;
    const struct config *config;
    struct jsonl *lines;
    struct eval_case *c;
};

#define FAIL(r, err, ...) jsonl_fail((r)->lines, err, __VA_ARGS__)

const struct expectation *eval_case_expects(const struct eval_case *c, enum expect_kind kind)
{
    for (int i = 0; i < c->expect_count; i++)
        if (c->expect[i].kind == kind)
            return &c->expect[i];
    return NULL;
}

/* Every key of `object` must be among the names. */
static int check_keys(struct reading *r, struct str object, const char *where, const char *const *names, int count, struct err *err)
{
    for (struct json_walk w = json_walk(object); json_next(&w);) {
        char key[80];
        bool is_known = false;
        for (int i = 0; i < count; i++)
            is_known |= json_key_is(w.key, str_of(names[i]));
        if (is_known)
            continue;
        snprintf(key, sizeof key, STR_FMT, STR_ARG(w.key));
        const char *near = near_name(key, names, count);
        return FAIL(r, err, "unknown field '%s%s'%s%s%s", where, key, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
    }
    return 0;
}

/* ---- expectations ---- */

static bool is_texts(struct str value)
{
    if (json_type(value) == JSON_STRING)
        return true;
    int count = 0;
    for (struct json_walk w = json_walk(value); json_type(value) == JSON_ARRAY && json_next(&w); count++)
        if (json_type(w.value) != JSON_STRING)
            return false;
    return count > 0;
}

static int find_model(struct reading *r, struct str quoted, const char *where, const struct model **out, struct err *err)
{
    struct str id = json_text(quoted, &r->set->arena);
    const char *near = NULL;
    if (id.p && (*out = config_model(r->config, id.p)))
        return 0;
    int count = id.p ? config_near_models(r->config, id.p, &near, NEAR_MODELS) : 0;
    return FAIL(r, err, "%s: the project has no model '%s'%s%s%s", where, id.p ? id.p : "", count ? " (did you mean '" : "", count ? near : "",
                count ? "'?)" : "");
}

static int read_models(struct reading *r, struct expectation *e, struct err *err)
{
    const struct model *model;
    if (!is_texts(e->raw))
        return FAIL(r, err, "expect.model: a text or a list of texts is needed");
    if (json_type(e->raw) == JSON_STRING)
        return find_model(r, e->raw, "expect.model", &model, err);
    for (struct json_walk w = json_walk(e->raw); json_next(&w);)
        if (find_model(r, w.value, "expect.model", &model, err) < 0)
            return -1;
    return 0;
}

static int read_number(struct reading *r, struct expectation *e, struct err *err)
{
    static const char *const names[] = {"value", "tolerance"};
    struct str value = e->raw, tolerance = {0};
    if (json_type(e->raw) == JSON_OBJECT) {
        if (check_keys(r, e->raw, "expect.numeric.", names, 2, err) < 0)
            return -1;
        value = json_get(e->raw, "value");
        tolerance = json_get(e->raw, "tolerance");
    }
    if (!json_number(value, &e->number.value))
        return FAIL(r, err, "expect.numeric: a number, or {\"value\": a number, \"tolerance\": a number} is needed");
    e->number.tolerance = 1e-9 * fabs(e->number.value);
    if (tolerance.p && (!json_number(tolerance, &e->number.tolerance) || e->number.tolerance < 0))
        return FAIL(r, err, "expect.numeric.tolerance: a number that is not negative is needed");
    return 0;
}

/* {NULL, 0} with err: the schema lies in a file of the project. */
static struct str read_file(struct reading *r, struct str name, struct err *err)
{
    char path[EVAL_PATH];
    struct str text = {0};
    if (snprintf(path, sizeof path, "%s/" STR_FMT, r->project, STR_ARG(name)) >= (int)sizeof path || strstr(path, "..")) {
        FAIL(r, err, "expect.schema: '" STR_FMT "' is no path within the project", STR_ARG(name));
        return str_n(NULL, 0);
    }
    FILE *f = fopen(path, "re");
    char *bytes = f ? arena_alloc(&r->set->arena, FILE_MOST) : NULL;
    if (bytes)
        text = str_n(bytes, fread(bytes, 1, FILE_MOST, f));
    else
        FAIL(r, err, "expect.schema: cannot read %s", path);
    if (f)
        fclose(f);
    return bytes ? text : str_n(NULL, 0);
}

static int read_schema(struct reading *r, struct expectation *e, struct err *err)
{
    struct err why;
    struct str text = e->raw;
    enum json_type type = json_type(e->raw);
    if (type == JSON_STRING)
        text = read_file(r, json_text(e->raw, &r->set->arena), err);
    else if (type != JSON_OBJECT && type != JSON_TRUE && type != JSON_FALSE)
        return FAIL(r, err, "expect.schema: a schema, or the path of one within the project, is needed");
    if (text.p == NULL)
        return -1;
    e->schema = schema_new(text, &why);
    return e->schema ? 0 : FAIL(r, err, "expect.schema: %s", why.message);
}

static int read_judge(struct reading *r, struct expectation *e, struct err *err)
{
    static const char *const names[] = {"criterion", "model"};
    struct str criterion = e->raw;
    if (json_type(e->raw) == JSON_OBJECT) {
        struct str model = json_get(e->raw, "model");
        if (check_keys(r, e->raw, "expect.judge.", names, 2, err) < 0 ||
            (model.p && find_model(r, model, "expect.judge.model", &e->judge, err) < 0))
            return -1;
        criterion = json_get(e->raw, "criterion");
    }
    e->text = json_text(criterion, &r->set->arena);
    return e->text.len ? 0 : FAIL(r, err, "expect.judge: a criterion in words, or {\"criterion\": words, \"model\": \"provider/id\"}, is needed");
}

static int read_text(struct reading *r, struct expectation *e, struct err *err)
{
    e->text = json_text(e->raw, &r->set->arena);
    return e->text.p ? 0 : FAIL(r, err, "expect.%s: a text is needed", EXPECT_NAMES[e->kind]);
}

static int read_pattern(struct reading *r, struct expectation *e, struct err *err)
{
    struct err why;
    if (read_text(r, e, err) < 0)
        return -1;
    e->search = search_new(e->text, &why);
    return e->search ? 0 : FAIL(r, err, "expect.regex: %s", why.message);
}

static int read_expectation(struct reading *r, struct expectation *e, struct err *err)
{
    switch (e->kind) {
    case EXPECT_MODEL: return read_models(r, e, err);
    case EXPECT_EXACT:
    case EXPECT_CONTAINS:
        return is_texts(e->raw) ? 0 : FAIL(r, err, "expect.%s: a text or a list of texts is needed", EXPECT_NAMES[e->kind]);
    case EXPECT_REGEX: return read_pattern(r, e, err);
    case EXPECT_NUMERIC: return read_number(r, e, err);
    case EXPECT_SCHEMA: return read_schema(r, e, err);
    case EXPECT_JUDGE: return read_judge(r, e, err);
    default: return read_text(r, e, err);
    }
}

static int read_expect(struct reading *r, struct str object, struct err *err)
{
    if (json_type(object) != JSON_OBJECT)
        return FAIL(r, err, "field 'expect': an object is needed, such as {\"contains\": \"Lisbon\"}");
    if (check_keys(r, object, "expect.", EXPECT_NAMES, EXPECT_COUNT, err) < 0)
        return -1;
    for (int kind = 0; kind < EXPECT_COUNT; kind++) {
        struct str raw = json_get(object, EXPECT_NAMES[kind]);
        if (raw.p == NULL)
            continue;
        struct expectation *e = &r->c->expect[r->c->expect_count++];
        *e = (struct expectation){.kind = (enum expect_kind)kind, .raw = arena_str(&r->set->arena, raw)};
        if (e->raw.p == NULL)
            return FAIL(r, err, "the eval set is larger than %d MiB", ARENA_MOST >> 20);
        if (read_expectation(r, e, err) < 0)
            return -1;
    }
    return r->c->expect_count ? 0 : FAIL(r, err, "field 'expect' is empty: nothing holds the answer to anything");
}

/* ---- cases ---- */

/* What the server would refuse is refused here. */
static int check_request(struct reading *r, struct err *err)
{
    static const char HEAD[] = "POST / HTTP/1.1\r\nHost: eval\r\n\r\n";
    static struct http_head head;
    struct http_error refused;
    struct view view;
    struct err why;
    const char *param;
    size_t scanned = 0;
    struct arena arena = ARENA(VIEW_MOST);
    http_parse_request(&head, HEAD, sizeof HEAD - 1, &scanned, &refused);
    int bad = view_init(&view, PROTOCOL_CHAT, "eval", &head, r->c->request, &arena, &param, &why);
    if (!bad)
        r->c->prompt = arena_str(&r->set->arena, view_prompt(&view));
    arena_clear(&arena);
    return bad ? FAIL(r, err, "field 'request': %s", why.message) : 0;
}

static int read_request(struct reading *r, struct str row, struct err *err)
{
    struct str request = json_get(row, "request"), prompt = json_get(row, "prompt");
    struct buf body = BUF(2 * JSONL_LINE);
    if ((request.p == NULL) == (prompt.p == NULL))
        return FAIL(r, err, "%s", request.p ? "fields 'request' and 'prompt': one of them, not both" : "field 'prompt' (a text) or 'request' (a chat completion's body) is missing");
    if (prompt.p ? json_type(prompt) != JSON_STRING : json_type(request) != JSON_OBJECT)
        return FAIL(r, err, prompt.p ? "field 'prompt': a text is needed" : "field 'request': an object is needed");
    if (request.p && json_get(request, "model").p)
        return FAIL(r, err, "field 'request.model': the set belongs to the route '%s'; leave the model out", r->set->route);
    if (prompt.p) {
        buf_printf(&body, "{\"model\":\"wye/%s\",\"messages\":[{\"role\":\"user\",\"content\":" STR_FMT "}]}", r->set->route, STR_ARG(prompt));
    } else {
        char model[160];
        struct iovec pieces[8];
        struct arena arena = ARENA(64 * 1024);
        snprintf(model, sizeof model, "\"wye/%s\"", r->set->route);
        struct json_edit edits[] = {{"model", str_of(model)}, {"stream", {NULL, 0}}, {"stream_options", {NULL, 0}}};
        int count = json_splice(request, edits, 3, &arena, pieces, 8);
        for (int i = 0; i < count; i++)
            buf_append(&body, pieces[i].iov_base, pieces[i].iov_len);
        arena_clear(&arena);
    }
    r->c->request = arena_str(&r->set->arena, buf_str(&body));
    buf_clear(&body);
    return r->c->request.p ? check_request(r, err) : FAIL(r, err, "the eval set is larger than %d MiB", ARENA_MOST >> 20);
}

static int read_tags(struct reading *r, struct str tags, struct err *err)
{
    if (tags.p == NULL)
        return 0;
    for (struct json_walk w = json_walk(tags); json_type(tags) == JSON_ARRAY && json_next(&w);) {
        struct str tag = json_text(w.value, &r->set->arena);
        if (tag.len == 0 || r->c->tag_count == EVAL_TAGS)
            return FAIL(r, err, "field 'tags': a list of up to %d texts is needed", EVAL_TAGS);
        r->c->tags[r->c->tag_count++] = tag.p;
    }
    return json_type(tags) == JSON_ARRAY ? 0 : FAIL(r, err, "field 'tags': a list of texts is needed");
}

static int read_id(struct reading *r, struct str id, struct err *err)
{
    struct str text = json_text(id, &r->set->arena);
    if (text.len == 0)
        return FAIL(r, err, "field 'id': a text is needed that no other case has");
    for (int i = 0; i < r->set->count; i++)
        if (strcmp(r->set->at[i].id, text.p) == 0)
            return FAIL(r, err, "the id '%s' is that of line %d too", text.p, r->set->at[i].line);
    r->c->id = text.p;
    return 0;
}

static int read_case(struct reading *r, struct str row, struct err *err)
{
    static const char *const names[] = {"id", "request", "prompt", "expect", "tags"};
    struct eval_cases *set = r->set;
    if (set->count == EVAL_CASES_MOST)
        return FAIL(r, err, "more than %d cases", EVAL_CASES_MOST);
    if (set->count == set->room) {
        set->room = set->room ? 2 * set->room : 32;
        set->at = xrealloc(set->at, (size_t)set->room * sizeof *set->at);
    }
    r->c = &set->at[set->count];
    *r->c = (struct eval_case){.line = jsonl_line(r->lines)};
    snprintf(r->c->key, sizeof r->c->key, "%016llx", (unsigned long long)XXH3_64bits(row.p, row.len));
    if (check_keys(r, row, "", names, 5, err) < 0 || read_id(r, json_get(row, "id"), err) < 0)
        return -1;
    set->count++; /* from here on eval_cases_clear frees what it holds */
    if (read_request(r, row, err) < 0 || read_tags(r, json_get(row, "tags"), err) < 0)
        return -1;
    return read_expect(r, json_get(row, "expect"), err);
}

static void path_of(const char *project, const char *route, char *out)
{
    snprintf(out, EVAL_PATH, "%s/evals/%s.jsonl", project, route);
}

bool eval_cases_exist(const char *project, const char *route)
{
    char path[EVAL_PATH];
    path_of(project, route, path);
    return access(path, F_OK) == 0;
}

int eval_cases_read(struct eval_cases *set, const char *project, const char *route, const struct config *config, struct err *err)
{
    *set = (struct eval_cases){.arena = ARENA(ARENA_MOST)};
    snprintf(set->route, sizeof set->route, "%s", route);
    path_of(project, route, set->path);
    struct reading r = {.set = set, .project = project, .config = config, .lines = jsonl_open(set->path, err)};
    struct str row;
    int got = -1;
    while (r.lines && (got = jsonl_next(r.lines, &row, err)) > 0)
        if (read_case(&r, row, err) < 0) {
            got = -1;
            break;
        }
    jsonl_close(r.lines);
    if (got == 0 && set->count == 0)
        got = err_set(err, ERR_MALFORMED, "%s holds no case: write one JSON a line, {\"id\", \"prompt\", \"expect\"}", set->path);
    return got;
}

void eval_cases_clear(struct eval_cases *set)
{
    for (int i = 0; i < set->count; i++)
        for (int k = 0; k < set->at[i].expect_count; k++) {
            struct expectation *e = &set->at[i].expect[k];
            if (e->kind == EXPECT_REGEX && e->search)
                search_free(e->search);
            if (e->kind == EXPECT_SCHEMA && e->schema)
                schema_free(e->schema);
        }
    free(set->at);
    arena_clear(&set->arena);
    *set = (struct eval_cases){0};
}
