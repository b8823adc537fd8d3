/* What words' subjects tell of texts that training never saw, and which rows are held out together. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "classify/classifier.h"
#include "classify/folds.h"
#include "classify/logit.h"
#include "classify/subjects.h"
#include "classify/training.h"

static char folder[] = "/tmp/wye-subjects-XXXXXX";
static char data[128], model[128], warned[1024];

static void warn(const char *words)
{
    size_t at = strlen(warned);
    snprintf(warned + at, sizeof warned - at, "%s\n", words);
}

static void progress(int done, int total)
{
    assert_true(done <= total);
}

static void read_rows(struct samples *s, const char *rows, const char *source)
{
    struct err err;
    FILE *f = fopen(data, "w");
    assert_non_null(f);
    fputs(rows, f);
    fclose(f);
    warned[0] = '\0';
    if (samples_read(s, data, source, warn, &err) < 0)
        fail_msg("%s", err.message);
}

/* With a 1 alone as sign, the weight is the logarithm of the weighted odds; a ridge pulls it to 0. */
static void test_logit(void **state)
{
    (void)state;
    struct logit_row rows[] = {{{1}, 3, true}, {{1}, 1, false}};
    double weight;
    logit_fit(&weight, 1, rows, 2, 1e-12);
    assert_true(fabs(weight - log(3)) < 1e-6);
    logit_fit(&weight, 1, rows, 2, 1);
    assert_true(weight > 0 && weight < 0.5);
    struct logit_row apart[] = {{{1, 1}, 1, true}, {{1, -1}, 1, false}};
    double weights[2];
    logit_fit(weights, 2, apart, 2, 1e-4);
    assert_true(isfinite(weights[1]) && weights[1] > 3 && fabs(weights[0]) < 1e-6);
}

static void test_mix(void **state)
{
    (void)state;
    struct subjects_parts parts;
    float mix[SUBJECTS_WIDTH];
    subjects_build(&parts);
    struct subjects s = subjects_of(&parts);
    struct grams g = grams_of(str_of("Symlink every subdirectory, please!"));
    subjects_mix(&s, g.hash, g.words, mix);
    /* Two words of computing, one of asking, the first and the sixth subject; three signs and words of none. */
    assert_true(fabsf(mix[0] - 2 * mix[5]) < 1e-6F && mix[5] > 0.3F && mix[5] < 1 / sqrtf(5));
    for (int k = 1; k < SUBJECTS; k++)
        assert_true(k == 5 || mix[k] == 0);
    assert_true(mix[SUBJECTS] == 1);
    g = grams_of(str_of("zyzzyva"));
    subjects_mix(&s, g.hash, g.words, mix);
    for (int k = 0; k < SUBJECTS; k++)
        assert_true(mix[k] == 0);
    assert_true(subjects_loudness(0) == 0 && subjects_loudness(1) > subjects_loudness(0.5F));
    subjects_clear(&parts);
}

/* Two labels of which one comes from two sources, the other from one. */
static void test_folds(void **state)
{
    (void)state;
    struct samples s;
    char rows[8192];
    size_t at = 0;
    int of[60];
    for (int i = 0; i < 60; i++)
        at += (size_t)snprintf(rows + at, sizeof rows - at, "{\"text\":\"text %c%c\",\"label\":\"%s\",\"from\":\"%s\"}\n", 'a' + i % 26, 'a' + i / 26,
                               i < 40 ? "x" : "y", i < 20 ? "one" : i < 40 ? "two" : "three");
    read_rows(&s, rows, "from");
    assert_int_equal(s.source_count, 3);
    folds_deal(&s, 4, of);
    assert_true(folds_part(&s, of, 0) && folds_part(&s, of, 1) && !folds_part(&s, of, 2));
    assert_int_not_equal(of[0], of[20]);
    for (int i = 40; i < 60; i++)
        assert_int_equal(of[i], i % 4);
    samples_clear(&s);
    /* Nobody asked for it: the column "source" is not there. */
    read_rows(&s, rows, NULL);
    assert_int_equal(s.source_count, 0);
    folds_deal(&s, 4, of);
    for (int i = 0; i < 60; i++)
        assert_int_equal(of[i], i % 4);
    samples_clear(&s);
}

static void test_sources_that_are_none(void **state)
{
    (void)state;
    struct samples s;
    struct err err;
    read_rows(&s, "{\"text\":\"a\",\"label\":\"x\",\"source\":\"1\"}\n{\"text\":\"b\",\"label\":\"y\",\"source\":\"2\"}\n", NULL);
    assert_int_equal(s.source_count, 0);
    assert_non_null(strstr(warned, "column 'source' has 2 values in 2 rows: too many"));
    samples_clear(&s);
    assert_int_equal(samples_read(&s, data, "sources", warn, &err), -1);
    assert_non_null(strstr(err.message, ":1: no column 'sources' (did you mean 'source'?)"));
    samples_clear(&s);
}

/* Each label's words from four sources that share none; what tells the labels apart everywhere is only the subject. */
static const char *const PROGRAMS[4][4] = {{"function", "array", "string", "loop"}, {"query", "database", "schema", "column"},
                                           {"compiler", "linker", "pointer", "malloc"}, {"server", "socket", "port", "proxy"}};
static const char *const PICTURES[4][4] = {{"watercolor", "portrait", "purple", "canvas"}, {"photograph", "sunset", "misty", "mountain"},
                                           {"cartoon", "glowing", "robot", "neon"}, {"statue", "golden", "ornate", "marble"}};

/* `is_mixed`: every source has both labels' words under both labels. */
static void write_sources(char *out, size_t size, bool is_mixed)
{
    size_t at = 0;
    for (int source = 0; source < 4; source++)
        for (int i = 0; i < 64; i++) {
            const char *const *words = (is_mixed ? i / 2 : i) % 2 ? PROGRAMS[source] : PICTURES[source];
            at += (size_t)snprintf(out + at, size - at, "{\"text\":\"%c%d %s %s %s\",\"label\":\"%s\",\"source\":\"%s%d\"}\n", 'a' + source, source, words[i / 2 % 4],
                                   words[(i / 8 + 1) % 4], words[(i / 2 + 2) % 4], i % 2 ? "code" : "image", i % 2 ? "c" : "i", source);
        }
}

static char rows[64 << 10];

static void train(struct training *t, struct samples *s)
{
    struct err err;
    read_rows(s, rows, NULL);
    if (training_run(s, NULL, model, progress, t, &err) < 0)
        fail_msg("%s", err.message);
}

static const char *label_of(const char *text)
{
    static char label[32];
    struct err err;
    struct str bytes;
    assert_int_equal(modelfile_map(model, &bytes, &err), 0);
    struct classifier *c = classifier_open(bytes, &err);
    assert_non_null(c);
    snprintf(label, sizeof label, "%s", classifier_read(c, str_of(text)).label.p);
    classifier_close(c);
    modelfile_unmap(bytes);
    return label;
}

static void test_words_never_seen(void **state)
{
    (void)state;
    struct samples s;
    struct training t;
    write_sources(rows, sizeof rows, false);
    train(&t, &s);
    assert_true(t.by_subjects);
    assert_int_equal(s.source_count, 8);
    for (int k = 0; k < s.source_count; k++)
        assert_true(t.sources[k].is_apart && t.sources[k].rows == 32);
    assert_true(t.accuracy > 0.95);
    assert_string_equal(label_of("chmod each subdirectory recursively"), "code");
    assert_string_equal(label_of("steampunk watercolour of a turquoise skyline"), "image");
    training_clear(&t);
    samples_clear(&s);
}

static void test_subjects_that_tell_nothing(void **state)
{
    (void)state;
    struct samples s;
    struct training t;
    write_sources(rows, sizeof rows, true);
    train(&t, &s);
    assert_false(t.by_subjects);
    training_clear(&t);
    samples_clear(&s);
}

static int open_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(data, sizeof data, "%s/data.jsonl", folder);
    snprintf(model, sizeof model, "%s/a.model", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(data);
    unlink(model);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logit),
        cmocka_unit_test(test_mix),
        cmocka_unit_test(test_folds),
        cmocka_unit_test(test_sources_that_are_none),
        cmocka_unit_test(test_words_never_seen),
        cmocka_unit_test(test_subjects_that_tell_nothing),
    };
    return cmocka_run_group_tests(tests, open_folder, remove_folder);
}
