/* Embeddings in OpenAI's wire and Gemini's: each word of a text points somewhere, the text to the sum of them, so that texts of the same words lie close. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "base/alloc.h"
#include "base/json.h"
#include "sim/sim_ask.h"
#include "sim/sim_model.h"
#include "sim/sim_wire.h"

enum { DIMENSIONS = 256, MOST_DIMENSIONS = 4096, MOST_INPUTS = 2048, DIGITS = 8 };

static bool is_input(struct str v)
{
    return json_type(v) == JSON_STRING || json_type(v) == JSON_ARRAY;
}

static int read_ask(struct str path, struct str body, struct arena *arena, struct sim_ask *ask, struct err *err)
{
    (void)path;
    enum { MODEL, INPUT, SIZE, FORMAT, COUNT };
    static const struct str names[] = {STR("model"), STR("input"), STR("dimensions"), STR("encoding_format")};
    struct str v[COUNT];
    json_get_many(body, names, v, COUNT);
    *ask = (struct sim_ask){.model = json_text(v[MODEL], arena), .prompt = json_text(v[INPUT], arena), .input = v[INPUT], .choices = 1};
    if (ask->model.len == 0)
        return err_set(err, ERR_BAD_REQUEST, "model: you must provide a model parameter");
    if (!is_input(v[INPUT]) || v[INPUT].len == 2)
        return err_set(err, ERR_BAD_REQUEST, "input: a text, tokens, or a list of them that is not empty");
    ask->dimensions = (int)sim_ask_count(v[SIZE], DIMENSIONS, MOST_DIMENSIONS);
    if (ask->dimensions == 0)
        return err_set(err, ERR_BAD_REQUEST, "dimensions: from 1 to %d", MOST_DIMENSIONS);
    ask->is_base64 = str_eq(json_plain(v[FORMAT]), "base64");
    ask->prompt_bytes = v[INPUT].len;
    return 0;
}

/* Words are runs of letters, digits and bytes beyond ASCII; of a list of tokens each number is one. */
static void add_words(struct str text, float *sum, int dimensions)
{
    for (size_t i = 0; i < text.len;) {
        char word[64];
        size_t len = 0;
        for (; i < text.len && (isalnum((unsigned char)text.p[i]) || text.p[i] < 0); i++)
            if (len < sizeof word)
                word[len++] = (char)tolower((unsigned char)text.p[i]);
        i += len == 0;
        uint64_t dice = sim_model_hash(7, str_n(word, len));
        for (int d = 0; len > 0 && d < dimensions; d++)
            sum[d] += (float)(sim_model_dice(&dice) - 0.5);
    }
}

static void put_vector(struct buf *out, const float *v, int dimensions, bool is_base64)
{
    if (is_base64) {
        size_t bytes = (size_t)dimensions * sizeof *v;
        unsigned char *text = xcalloc(bytes / 3 + 2, 4); /* and a NUL */
        EVP_EncodeBlock(text, (const unsigned char *)v, (int)bytes); /* little-endian, as every machine that Debian's LuaJIT runs on */
        buf_printf(out, "\"%s\"", (char *)text);
        free(text);
        return;
    }
    for (int d = 0; d < dimensions; d++)
        buf_printf(out, "%s%.*g", d ? "," : "[", DIGITS, (double)v[d]);
    buf_putc(out, ']');
}

/* `before` opens the object up to its vector. */
static void put_one(struct buf *out, struct str input, const char *before, const struct sim_ask *ask)
{
    float *sum = xcalloc((size_t)ask->dimensions, sizeof *sum), length = 0;
    add_words(input, sum, ask->dimensions);
    for (int d = 0; d < ask->dimensions; d++)
        length += sum[d] * sum[d];
    for (int d = 0; d < ask->dimensions; d++)
        sum[d] = length > 0 ? sum[d] / sqrtf(length) : d == 0;
    buf_puts(out, before);
    put_vector(out, sum, ask->dimensions, ask->is_base64);
    buf_putc(out, '}');
    free(sum);
}

static void put_numbered(struct buf *out, struct str input, int index, const struct sim_ask *ask)
{
    char before[80];
    snprintf(before, sizeof before, "%s{\"object\":\"embedding\",\"index\":%d,\"embedding\":", index ? "," : "", index);
    put_one(out, input, before, ask);
}

/* One text or one list of tokens is one input. */
static bool is_single(struct str input)
{
    struct json_walk w = json_walk(input);
    return json_type(input) == JSON_STRING || !json_next(&w) || json_type(w.value) == JSON_NUMBER;
}

static void write_whole(struct buf *out, const struct sim_ask *ask, const struct sim_answer *answers)
{
    (void)answers;
    int count = 0;
    buf_puts(out, "{\"object\":\"list\",\"data\":[");
    if (is_single(ask->input))
        put_numbered(out, ask->input, count++, ask);
    else
        for (struct json_walk w = json_walk(ask->input); count < MOST_INPUTS && json_next(&w); count++)
            put_numbered(out, w.value, count, ask);
    size_t tokens = sim_prompt_tokens(ask);
    buf_puts(out, "],\"model\":");
    json_quote(out, ask->model);
    buf_printf(out, ",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}", tokens, tokens);
}

static void write_gemini(struct buf *out, const struct sim_ask *ask, const struct sim_answer *answers)
{
    (void)answers;
    int count = 0;
    buf_puts(out, "{\"embeddings\":[");
    for (struct json_walk w = json_walk(ask->input); count < MOST_INPUTS && json_next(&w); count++)
        put_one(out, json_pointer(w.value, "/content/parts/0/text"), count ? ",{\"values\":" : "{\"values\":", ask);
    buf_puts(out, "]}");
}

static int read_gemini(struct str path, struct str body, struct arena *arena, struct sim_ask *ask, struct err *err)
{
    struct str requests = json_get(body, "requests");
    *ask = (struct sim_ask){.model = sim_gemini_model(path, arena), .prompt = str_of(""), .input = requests, .choices = 1};
    if (json_type(requests) != JSON_ARRAY || requests.len == 2)
        return err_set(err, ERR_BAD_REQUEST, "requests: a list that is not empty");
    ask->dimensions = (int)sim_ask_count(json_pointer(requests, "/0/outputDimensionality"), DIMENSIONS, MOST_DIMENSIONS);
    ask->dimensions += ask->dimensions == 0;
    return 0;
}

static void write_error(struct buf *out, int status, const char *message, double retry_after)
{
    SIM_OPENAI.error(out, status, message, retry_after);
}

const struct sim_wire SIM_EMBEDDINGS = {.read = read_ask, .whole = write_whole, .error = write_error};

static void write_gemini_error(struct buf *out, int status, const char *message, double retry_after)
{
    SIM_GEMINI.error(out, status, message, retry_after);
}

const struct sim_wire SIM_GEMINI_EMBEDDINGS = {.read = read_gemini, .whole = write_gemini, .error = write_gemini_error};
