#include "classify/pairs.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "base/json.h"

/* ---- shape ---- */

struct counts {
    double bytes, digits, numbers, capitals, symbols, words, sentences, lines, amounts, fractions;
};

static struct counts count(struct str text)
{
    struct counts n = {.bytes = (double)text.len};
    unsigned char before = ' ';
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        n.digits += isdigit(c) != 0;
        n.numbers += isdigit(c) && !isdigit(before);
        n.capitals += c >= 'A' && c <= 'Z';
        n.symbols += c && strchr("=+^*/\\", c);
        n.words += !isspace(c) && isspace(before);
        n.sentences += c == '.' || c == '?';
        n.lines += c == '\n';
        n.amounts += c == '$' || c == '%';
        n.fractions += c == '.' && isdigit(before);
        before = c;
    }
    return n;
}

void pairs_shape(struct str text, int first, struct feature out[PAIRS_SHAPE])
{
    struct counts n = count(text);
    double bytes = 1 + n.bytes, words = 1 + n.words;
    /* Each about as large as the others over questions of a line or a page. */
    const double values[PAIRS_SHAPE] = {1,
                                        log(bytes) - 5.5,
                                        10 * n.digits / bytes,
                                        10 * n.capitals / bytes,
                                        20 * n.symbols / bytes,
                                        n.digits > 0,
                                        log(1 + n.numbers) - 1.5,
                                        log(1 + n.sentences) - 1.5,
                                        log(1 + n.lines) - 1,
                                        (n.bytes / words - 5) / 2,
                                        log(1 + n.amounts),
                                        log(1 + n.fractions),
                                        5 * n.numbers / words,
                                        n.words / (1 + n.sentences) / 20};
    for (int i = 0; i < PAIRS_SHAPE; i++)
        out[i] = (struct feature){(uint32_t)(first + i), (float)values[i]};
}

/* ---- use ---- */

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

/* Words tell more of what was trained on; the shape half as much, which holds for other questions too. */
double pairs_ease(const float scores[PAIRS_SCORES])
{
    double words = logistic(scores[0]) - logistic(scores[1]), shape = logistic(scores[2]) - logistic(scores[3]);
    return (2 * words + shape) / 3;
}

double pairs_p(const struct pairs_gauge *g, const float scores[PAIRS_SCORES])
{
    return calibration_p(&g->c, pairs_ease(scores));
}

int pairs_open(struct pairs_gauge *g, struct str meta, struct err *err)
{
    struct err why;
    if (calibration_parse(&g->c, json_get(meta, "calibration"), &why) < 0 || !g->c.has_threshold)
        return err_set(err, ERR_MALFORMED, "the model is damaged: its calibration does not fit");
    return 0;
}
