/* How a label and its probability are read out of whatever a model answers; what a simulated one takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "bind/choice.h"
#include "sim/sim_choice.h"

static const struct str LABELS[] = {{"code", 4}, {"caf\xc3\xa9", 5}, {"a\"b", 3}};
static const struct choice CHOICE = {"label", LABELS, 3, true};

static int read_body(const char *content, const char *logprobs, double *p)
{
    static struct arena arena = ARENA(1 << 20);
    struct buf body = BUF(1 << 16);
    struct err err = {0};
    struct str reason;
    buf_puts(&body, "{\"choices\":[{\"message\":{\"content\":");
    json_quote(&body, str_of(content));
    buf_printf(&body, "},\"logprobs\":%s}]}", logprobs);
    int index = choice_read(&CHOICE, buf_str(&body), &arena, p, &reason, &err);
    assert_int_equal(err.kind, index < 0 ? ERR_MALFORMED : ERR_NONE);
    buf_clear(&body);
    return index;
}

static void labels(void **state)
{
    (void)state;
    double p;
    assert_int_equal(read_body("{\"label\":\"code\"}", "null", &p), 0);
    assert_true(p == CHOICE_P);
    assert_int_equal(read_body("{\"reason\":\"x\",\"label\":\"caf\\u00e9\"}", "null", &p), 1);
    assert_int_equal(read_body("{\"label\":\"a\\\"b\"}", "null", &p), 2);
    assert_int_equal(read_body("Sure: {\"label\":\"CODE\"} there", "null", &p), 0);
    assert_int_equal(read_body("\n code ", "null", &p), 0);
    static const char *const wrong[] = {"", "{}", "{\"label\":null}", "{\"label\":\"codes\"}", "{\"label\":\"code\"", "}{", "cod"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(read_body(wrong[i], "null", &p), -1);
}

/* Only the tokens that spell the label count, the quotes around it may be in them. */
static void probabilities(void **state)
{
    (void)state;
    double p;
    assert_int_equal(read_body("{\"label\":\"code\"}",
                               "{\"content\":[{\"token\":\"{\\\"label\\\"\",\"logprob\":-3},{\"token\":\":\\\"co\",\"logprob\":-0.5},"
                               "{\"token\":\"de\\\"\",\"logprob\":-0.25},{\"token\":\"}\",\"logprob\":-3}]}", &p), 0);
    assert_true(p > 0.4723 && p < 0.4725); /* exp(-0.75) */
    /* A character split between tokens: their bytes tell, not their text. */
    assert_int_equal(read_body("caf\xc3\xa9",
                               "{\"content\":[{\"token\":\"caf?\",\"bytes\":[99,97,102,195],\"logprob\":0},"
                               "{\"token\":\"?\",\"bytes\":[169],\"logprob\":-0.6931471}]}", &p), 1);
    assert_true(p > 0.499 && p < 0.501);
    /* Tokens that are not the text tell nothing. */
    assert_int_equal(read_body("code", "{\"content\":[{\"token\":\"cod\",\"logprob\":-5}]}", &p), 0);
    assert_true(p == CHOICE_P);
    assert_int_equal(read_body("code", "{\"content\":[{\"token\":\"code\"}]}", &p), 0);
    assert_true(p == CHOICE_P);
}

static void takes(const char *expected, const char *choices, const char *prompt)
{
    for (uint64_t dice = 0; dice < 20; dice++) {
        uint64_t state = dice;
        struct str taken = sim_choice(str_of(choices), str_of(prompt), &state);
        if (!str_eq(taken, expected))
            fail_msg("took " STR_FMT ", not %s", STR_ARG(taken), expected);
    }
}

static void simulated(void **state)
{
    (void)state;
    takes("\"code\"", "[\"chat\",\"code\"]", "Is this Code?");
    takes("\"chat\"", "[\"code\",\"chat\"]", "encode my chat");
    takes("\"B\"", "[\"A\",\"B\"]", "<answer id=\"A\">\nI am not sure, but opal\n</answer><answer id=\"B\">\nThe answer is pine\n</answer>");
    takes("\"A\"", "[\"A\",\"B\"]", "<answer id=\"A\">\nThe answer is pine\n</answer><answer id=\"B\">\nI am not sure, but opal\n</answer>");
    takes("\"x\"", "[\"x\"]", "");
    uint64_t one = 1, again = 1;
    struct str first = sim_choice(str_of("[1,2,3,4]"), str_of("-"), &one);
    assert_int_equal(first.len, 1);
    assert_true(str_same(first, sim_choice(str_of("[1,2,3,4]"), str_of("-"), &again)));
    assert_null(sim_choice(str_of("[]"), str_of("-"), &one).p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels),
        cmocka_unit_test(probabilities),
        cmocka_unit_test(simulated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
