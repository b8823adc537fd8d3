#include "cmd/simulated.h"

#include "base/json.h"
#include "serve/usage.h"
#include "sim/sim_model.h"
#include "sim/sim_wire.h"

enum { ANSWER_MAX = 4 << 20 };

int simulated_ask(void *arg, struct trial *t, struct trial_ask *ask)
{
    static struct sim_models models;
    struct sim_ask question = {0};
    struct err err;
    struct buf out = BUF(ANSWER_MAX);
    (void)arg;
    if (models.all.next == NULL)
        sim_models_init(&models);
    if (SIM_OPENAI.read(str_of(""), trial_body(t, ask), &t->arena, &question, &err) < 0)
        return -1;
    question.model = str_of(ask->model->id);
    question.choices = 1;
    struct sim_answer answer = sim_answer_make(&question, sim_model_find(&models, question.model), models.seed, 0);
    SIM_OPENAI.whole(&out, &question, &answer);
    struct reply *r = ask->reply;
    r->status = 200;
    r->body = arena_str(&t->arena, buf_str(&out));
    r->usage = usage_read(json_get(r->body, "usage"));
    r->usd = usage_usd(&r->usage, r->model);
    sim_answer_clear(&answer);
    buf_clear(&out);
    return 0;
}
