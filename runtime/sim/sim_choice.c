#include "sim/sim_choice.h"

#include <ctype.h>
#include <stdio.h>

#include "base/json.h"
#include "sim/sim_model.h"

enum { LONGEST_VALUE = 128 };

static const char *find(struct str text, struct str word)
{
    for (size_t i = 0; word.len > 0 && i + word.len <= text.len; i++)
        if (strncasecmp(text.p + i, word.p, word.len) == 0)
            return text.p + i;
    return NULL;
}

/* What is marked as the answer of that name; {NULL, 0} when nothing is. */
static struct str marked(struct str prompt, struct str name)
{
    char open[LONGEST_VALUE + 32];
    int len = snprintf(open, sizeof open, "<answer id=\"" STR_FMT "\">", STR_ARG(name));
    const char *start = find(prompt, str_n(open, (size_t)len));
    if (start == NULL)
        return str_n(NULL, 0);
    struct str rest = str_n(start + len, (size_t)(prompt.p + prompt.len - start) - (size_t)len);
    const char *end = find(rest, str_of("</answer>"));
    return str_n(rest.p, end ? (size_t)(end - rest.p) : rest.len);
}

/* Goes by the answer's text alone, so that the order does not matter. */
static uint64_t worth(struct str answer)
{
    bool is_unsure = find(answer, str_of("not sure")) != NULL;
    return (sim_model_hash(0, answer) >> 1) | (is_unsure ? 0 : 1ull << 63);
}

static bool is_mentioned(struct str prompt, struct str word)
{
    const char *end = prompt.p + prompt.len;
    for (const char *at; (at = find(prompt, word)) != NULL; prompt = str_n(at + 1, (size_t)(end - at) - 1)) {
        bool starts = at == prompt.p || !isalnum((unsigned char)at[-1]);
        if (starts && (at + word.len == end || !isalnum((unsigned char)at[word.len])))
            return true;
    }
    return false;
}

struct str sim_choice(struct str choices, struct str prompt, uint64_t *dice)
{
    struct str best = {NULL, 0}, mentioned = {NULL, 0}, drawn = {NULL, 0};
    uint64_t most = 0;
    int count = 0;
    for (struct json_walk w = json_walk(choices); json_next(&w);) {
        struct str name = json_plain(w.value);
        if (sim_model_dice(dice) * ++count < 1)
            drawn = w.value;
        if (name.p == NULL || name.len > LONGEST_VALUE)
            continue;
        struct str answer = marked(prompt, name);
        if (answer.p && worth(answer) >= most) {
            most = worth(answer);
            best = w.value;
        }
        if (mentioned.p == NULL && is_mentioned(prompt, name))
            mentioned = w.value;
    }
    return best.p ? best : mentioned.p ? mentioned : drawn;
}
