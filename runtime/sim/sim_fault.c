#include "sim/sim_fault.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"

struct kind {
    const char *name;
    enum sim_fault_kind kind;
};

static const struct kind KINDS[] = {
#define FAULT(name, text, ...) {text, SIM_FAULT_##name},
#include "sim/sim_fault.def"
#undef FAULT
};

enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS };

static void fault_free(struct sim_fault *f)
{
    list_remove(&f->link);
    free(f->model);
    free(f);
}

void sim_faults_init(struct sim_faults *faults)
{
    list_init(&faults->all);
}

void sim_faults_clear(struct sim_faults *faults)
{
    LIST_EACH (it, &faults->all)
        fault_free(LIST_ENTRY(it, struct sim_fault, link));
}

static int unknown_kind(struct str name, struct err *err)
{
    struct buf list = BUF(1024);
    for (int i = 0; i < KIND_COUNT; i++)
        buf_printf(&list, ", %s", KINDS[i].name);
    err_set(err, ERR_BAD_REQUEST, "unknown fault \"" STR_FMT "\"; there are: 400 to 599%s",
            STR_ARG(name), list.p);
    buf_clear(&list);
    return -1;
}

static int read_kind(struct sim_fault *f, struct str name, struct err *err)
{
    for (int i = 0; i < KIND_COUNT; i++)
        if (str_eq(name, KINDS[i].name)) {
            f->kind = KINDS[i].kind;
            return 0;
        }
    if (name.len == 3)
        f->status = (name.p[0] - '0') * 100 + (name.p[1] - '0') * 10 + (name.p[2] - '0');
    if (f->status < 400 || f->status > 599)
        return unknown_kind(name, err);
    f->kind = SIM_FAULT_STATUS;
    return 0;
}

static int read_member(struct sim_fault *f, struct str key, struct str value, struct err *err)
{
    double number;
    bool is_number = json_number(value, &number);
    if (str_eq(key, "kind")) /* 429 and "429" are the same */
        return read_kind(f, is_number ? value : json_plain(value), err);
    if (str_eq(key, "model") && json_plain(value).p) {
        free(f->model);
        f->model = xstrndup(json_plain(value).p, json_plain(value).len);
    } else if (str_eq(key, "times") && is_number)
        f->times = (int64_t)number;
    else if (str_eq(key, "after") && is_number)
        f->after = (int64_t)number;
    else if (str_eq(key, "retry_after") && is_number)
        f->retry_after = number;
    else
        return err_set(err, ERR_BAD_REQUEST,
                       "a fault has model (text), kind (text), times, after and retry_after "
                       "(numbers); not " STR_FMT " = " STR_FMT,
                       STR_ARG(key), STR_ARG(value));
    return 0;
}

static struct sim_fault *read_fault(struct str json, struct err *err)
{
    struct sim_fault *f = xcalloc(1, sizeof *f);
    f->times = -1;
    f->retry_after = -1;
    f->model = xstrdup("*");
    list_init(&f->link);
    struct json_walk w = json_walk(json);
    while (json_next(&w))
        if (read_member(f, w.key, w.value, err) < 0)
            goto fail;
    if (f->kind != SIM_FAULT_NONE)
        return f;
    err_set(err, ERR_BAD_REQUEST, "a fault needs its kind: " STR_FMT, STR_ARG(json));
fail:
    fault_free(f);
    return NULL;
}

int sim_faults_add(struct sim_faults *faults, struct str json, struct err *err)
{
    if (json_type(json) == JSON_OBJECT && json.len == 2)
        return 0; /* an empty Lua table */
    if (json_type(json) != JSON_ARRAY)
        return err_set(err, ERR_BAD_REQUEST,
                       "faults is a list: [{\"model\":\"*\",\"kind\":\"429\"}]");
    struct sim_faults added;
    sim_faults_init(&added);
    struct json_walk w = json_walk(json);
    while (json_next(&w)) {
        struct sim_fault *f = read_fault(w.value, err);
        if (!f) {
            sim_faults_clear(&added);
            return -1;
        }
        list_push(&added.all, &f->link);
    }
    LIST_EACH (it, &added.all) {
        list_remove(it);
        list_push(&faults->all, it);
    }
    return 0;
}

static void split_name(struct str whole, struct str *provider, struct str *name)
{
    const char *slash = memrchr(whole.p, '/', whole.len);
    *provider = slash ? str_n(whole.p, (size_t)(slash - whole.p)) : str_n(NULL, 0);
    *name = slash ? str_n(slash + 1, whole.len - (size_t)(slash + 1 - whole.p)) : whole;
}

bool sim_fault_matches(const char *pattern, struct str provider, struct str model)
{
    if (strcmp(pattern, "*") == 0 || str_eq(model, pattern))
        return true;
    struct str their_provider, their_name, our_provider, our_name;
    split_name(str_of(pattern), &their_provider, &their_name);
    split_name(model, &our_provider, &our_name);
    if (our_provider.len == 0)
        our_provider = provider;
    bool is_open = their_provider.len == 0 || our_provider.len == 0;
    return str_same(their_name, our_name) && (is_open || str_same(their_provider, our_provider));
}

const struct sim_fault *sim_fault_for(struct sim_faults *faults, struct str provider,
                                      struct str model)
{
    LIST_EACH (it, &faults->all) {
        struct sim_fault *f = LIST_ENTRY(it, struct sim_fault, link);
        if (f->times == 0 || !sim_fault_matches(f->model, provider, model))
            continue;
        if (f->after > 0) {
            f->after--;
            continue;
        }
        if (f->times > 0)
            f->times--;
        return f;
    }
    return NULL;
}
