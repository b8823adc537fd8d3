#include "sim/sim_script.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/near.h"
#include "vm/datafile.h"

enum { LARGEST = 4 * 1024 * 1024 };

static const char *const MODEL_FIELDS[] = {"latency_ms", "first_token_ms",  "tokens_per_second",
                                           "error_rate", "rate_limit_rate", "quality",
                                           "price"};
static const char *const SCRIPT_FIELDS[] = {"seed", "models", "faults"};

#define COUNT(list) (int)(sizeof(list) / sizeof *(list))

static int unknown(const char *where, struct str key, const char *const *names, int count,
                   struct err *err)
{
    char name[64];
    size_t len = key.len < sizeof name ? key.len : sizeof name - 1;
    memcpy(name, key.p, len);
    name[len] = '\0';
    const char *near = near_name(name, names, count);
    return err_set(err, ERR_BAD_REQUEST, "%s: unknown field \"%s\"%s%s%s", where, name,
                   near ? "; do you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static int read_latency(struct sim_model *m, struct str value)
{
    if (json_number(value, &m->p50_ms)) {
        m->p99_ms = m->p50_ms;
        return 0;
    }
    bool is_read = json_number(json_get(value, "p50"), &m->p50_ms);
    if (!json_number(json_get(value, "p99"), &m->p99_ms))
        m->p99_ms = m->p50_ms;
    return is_read ? 0 : -1;
}

static double *number_field(struct sim_model *m, struct str key)
{
    struct {
        const char *name;
        double *field;
    } fields[] = {{"first_token_ms", &m->first_token_ms},
                  {"tokens_per_second", &m->tokens_per_second},
                  {"error_rate", &m->error_rate},
                  {"rate_limit_rate", &m->rate_limit_rate},
                  {"quality", &m->quality}};
    for (int i = 0; i < COUNT(fields); i++)
        if (str_eq(key, fields[i].name))
            return fields[i].field;
    return NULL;
}

static int read_model(struct sim_model *m, struct str json, struct err *err)
{
    struct json_walk w = json_walk(json);
    while (json_next(&w)) {
        double *field = number_field(m, w.key);
        bool is_read = false;
        if (field) {
            is_read = json_number(w.value, field);
        } else if (str_eq(w.key, "latency_ms")) {
            is_read = read_latency(m, w.value) == 0;
        } else if (str_eq(w.key, "price")) {
            free(m->price);
            m->price = xstrndup(w.value.p, w.value.len);
            is_read = true;
        } else {
            return unknown(m->name, w.key, MODEL_FIELDS, COUNT(MODEL_FIELDS), err);
        }
        if (!is_read)
            return err_set(err, ERR_BAD_REQUEST, "%s: " STR_FMT " is no number: " STR_FMT, m->name,
                           STR_ARG(w.key), STR_ARG(w.value));
    }
    return 0;
}

static int read_models(struct sim_models *models, struct str json, struct err *err)
{
    struct json_walk w = json_walk(json);
    while (json_next(&w))
        if (read_model(sim_model_find(models, w.key), w.value, err) < 0)
            return -1;
    return 0;
}

static int read_script(struct str json, struct sim_models *models, struct sim_faults *faults,
                       struct err *err)
{
    int64_t seed;
    struct json_walk w = json_walk(json);
    while (json_next(&w)) {
        int result = 0;
        if (str_eq(w.key, "models"))
            result = read_models(models, w.value, err);
        else if (str_eq(w.key, "faults"))
            result = sim_faults_add(faults, w.value, err);
        else if (str_eq(w.key, "seed") && json_integer(w.value, &seed))
            models->seed = (uint64_t)seed;
        else
            result = unknown("script", w.key, SCRIPT_FIELDS, COUNT(SCRIPT_FIELDS), err);
        if (result < 0)
            return -1;
    }
    return 0;
}

int sim_script_load(const char *path, struct sim_models *models, struct sim_faults *faults,
                    struct err *err)
{
    struct buf json = BUF(LARGEST);
    struct err why;
    int result = datafile_json(path, &json, err);
    if (result == 0 && read_script(buf_str(&json), models, faults, &why) < 0)
        result = err_set(err, ERR_BAD_REQUEST, "%s: %.400s", path, why.message);
    buf_clear(&json);
    return result;
}
