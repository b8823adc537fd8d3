#include "bind/logprob.h"

#include <math.h>

#include "base/json.h"

/* What a token gives to a measure; false: it has nothing to give. */
typedef bool token_measure(struct str token, double *out);

static bool log_probability(struct str token, double *out)
{
    return json_number(json_get(token, "logprob"), out);
}

static bool token_margin(struct str token, double *out)
{
    double best = -INFINITY, second = -INFINITY, log;
    for (struct json_walk w = json_walk(json_get(token, "top_logprobs")); json_next(&w);) {
        if (!json_number(json_get(w.value, "logprob"), &log))
            continue;
        second = log > best ? best : fmax(second, log);
        best = fmax(best, log);
    }
    *out = exp(best) - exp(second);
    return isfinite(second);
}

static bool token_entropy(struct str token, double *out)
{
    double sum = 0, weighted = 0, logprob;
    int count = 0;
    for (struct json_walk w = json_walk(json_get(token, "top_logprobs")); json_next(&w);) {
        if (!json_number(json_get(w.value, "logprob"), &logprob))
            continue;
        count++;
        sum += exp(logprob);
        weighted += exp(logprob) * logprob;
    }
    /* With q = p / sum: -sum q log2 q. */
    *out = fmax(0, (log(sum) - weighted / sum) / log(2));
    return count > 1 && sum > 0;
}

const char *const logprob_names[LOGPROB_MEASURES] = {"confidence", "least", "margin", "entropy"};
enum { CONFIDENCE, LEAST };
static token_measure *const TOKENS[LOGPROB_MEASURES] = {log_probability, log_probability, token_margin, token_entropy};

bool logprob_measure(int measure, const struct reply *r, double *out)
{
    double sum = 0, least = INFINITY, one;
    int count = 0;
    for (struct json_walk w = json_walk(json_pointer(r->body, "/choices/0/logprobs/content")); json_next(&w);) {
        if (!TOKENS[measure](w.value, &one))
            continue;
        sum += one;
        least = fmin(least, one);
        count++;
    }
    if (count == 0)
        return false;
    *out = measure == LEAST ? exp(least) : measure == CONFIDENCE ? exp(sum / count) : sum / count;
    return true;
}
