#include "sim/sim_answer.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sim/sim_model.h"
#include "sim/sim_value.h"

enum { LONGEST = 64 * 1024, QUOTED = 160, JSON_PIECE = 5 };

static const char *const OPENINGS[] = {"You ask: ", "The question is: ", "To put it again: ",
                                       "As I understand it, you want to know: "};
static const char *const MIDDLES[] = {
    "There are two sides to it, and the simpler one usually decides. ",
    "It helps to begin with what is known and to leave the rest for later. ",
    "The short version fits in a sentence; the long one adds little. ",
    "Most of it follows from the words of the question themselves. ",
    "I looked at it step by step and the steps agree. ",
};
static const char *const ANSWERS[] = {"amber",  "birch",  "cobalt", "delta",   "ember",   "fjord",
                                      "garnet", "harbor", "indigo", "juniper", "krypton", "lagoon",
                                      "meadow", "nickel", "opal",   "pine"};

#define PICK(list, n) (list)[(n) % (sizeof(list) / sizeof *(list))]

/* The prompt's beginning, cut where a character ends. */
static struct str beginning(struct str prompt)
{
    if (prompt.len <= QUOTED)
        return prompt;
    size_t len = QUOTED;
    while (len > 0 && ((unsigned char)prompt.p[len] & 0xc0) == 0x80)
        len--;
    return str_n(prompt.p, len);
}

static size_t word_end(struct str text, size_t end)
{
    while (end > 0 &&
           (isspace((unsigned char)text.p[end - 1]) || ispunct((unsigned char)text.p[end - 1])))
        end--;
    return end;
}

/* What a made-up string says: the last word of the prompt that is no tag. */
static struct str last_word(struct str prompt)
{
    size_t end = word_end(prompt, prompt.len);
    while (end > 0) {
        size_t start = end;
        while (start > 0 && !isspace((unsigned char)prompt.p[start - 1]) && end - start < 60)
            start--;
        if (prompt.p[start] != '<')
            return str_n(prompt.p + start, end - start);
        end = word_end(prompt, start);
    }
    return str_of("something");
}

static void write_text(struct sim_answer *a, const struct sim_ask *ask, uint64_t question)
{
    struct str quoted = beginning(ask->prompt);
    uint64_t turn = a->seed;
    if (ask->is_after_tool)
        buf_puts(&a->text, "The tool has answered. ");
    buf_puts(&a->text, PICK(OPENINGS, turn >> 8));
    buf_printf(&a->text, "\"" STR_FMT "%s\" ", STR_ARG(quoted),
               quoted.len < ask->prompt.len ? "..." : "");
    buf_puts(&a->text, PICK(MIDDLES, turn >> 16));
    buf_puts(&a->text, PICK(MIDDLES, (turn >> 16) + 1 + (turn >> 32) % 4));
    if (!a->knows)
        buf_puts(&a->text, "I am not sure, but ");
    buf_printf(&a->text, "%s answer is %s.", a->knows ? "The" : "the",
               PICK(ANSWERS, a->knows ? question : question + 1 + turn % 15));
}

static bool ends_a_word(const struct buf *text, size_t at)
{
    return at == text->len || text->p[at] == ' ';
}

/* Cuts the text before blanks, or each few bytes where a character ends. */
static void cut_to_pieces(struct sim_answer *a, bool is_text)
{
    a->ends = xmalloc((a->text.len + 1) * sizeof *a->ends);
    size_t start = 0;
    for (size_t at = 1; at <= a->text.len; at++) {
        bool is_whole = at == a->text.len || ((unsigned char)a->text.p[at] & 0xc0) != 0x80;
        bool is_end = is_text ? ends_a_word(&a->text, at) : at - start >= JSON_PIECE;
        if (is_whole && (is_end || at == a->text.len)) {
            a->ends[a->count++] = at;
            start = at;
        }
    }
}

struct sim_answer sim_answer_make(const struct sim_ask *ask, const struct sim_model *model,
                                  uint64_t seed, int choice)
{
    uint64_t question = sim_model_hash(seed, ask->prompt);
    uint64_t dice = question;
    struct sim_answer a = {.text = BUF(LONGEST), .finish = SIM_STOP};
    a.knows = sim_model_dice(&dice) < model->quality;
    a.seed = sim_model_hash(question + (uint64_t)choice, str_of(model->name));
    bool is_text = false;
    if (ask->tool.len > 0) {
        sim_value_make(&a.text,
                       ask->tool_schema.len ? ask->tool_schema : str_of("{\"type\":\"object\"}"),
                       last_word(ask->prompt), ask->prompt, a.seed);
        a.finish = SIM_TOOL;
    } else if (ask->wants_json && ask->schema.len > 0) {
        sim_value_make(&a.text, ask->schema, last_word(ask->prompt), ask->prompt,
                       a.knows ? question : a.seed);
    } else if (ask->wants_json) {
        buf_printf(&a.text, "{\"answer\":\"%s\"}",
                   PICK(ANSWERS, a.knows ? question : question + 1 + a.seed % 15));
    } else {
        write_text(&a, ask, question);
        is_text = true;
    }
    cut_to_pieces(&a, is_text);
    if (ask->max_tokens > 0 && a.count > ask->max_tokens)
        sim_answer_cut(&a, (int)ask->max_tokens, SIM_LENGTH);
    return a;
}

void sim_answer_clear(struct sim_answer *a)
{
    buf_clear(&a->text);
    free(a->ends);
}

void sim_answer_cut(struct sim_answer *a, int count, enum sim_finish finish)
{
    a->count = count;
    a->text.len = count ? a->ends[count - 1] : 0;
    if (a->text.p)
        a->text.p[a->text.len] = '\0';
    a->finish = finish;
}

struct str sim_answer_piece(const struct sim_answer *a, int i)
{
    size_t start = i ? a->ends[i - 1] : 0;
    return str_n(a->text.p + start, a->ends[i] - start);
}

struct str sim_answer_thought(const struct sim_answer *a)
{
    return str_of(PICK(MIDDLES, a->seed >> 24));
}

double sim_answer_logprob(const struct sim_answer *a, int i)
{
    uint64_t dice = a->seed + (uint64_t)i * 0x9e3779b97f4a7c15u;
    double u = sim_model_dice(&dice);
    return a->knows ? -0.1 * u : -1.8 * u - 0.2;
}
