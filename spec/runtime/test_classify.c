/* Training, the model file, and reading texts with it. */
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
#include "classify/training.h"

static char folder[] = "/tmp/wye-classify-XXXXXX";
static char warned[4096];

static const char *path_of(const char *name)
{
    static char path[2][128];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void write_file(const char *name, const char *bytes, size_t len)
{
    FILE *f = fopen(path_of(name), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static void warn(const char *words)
{
    size_t at = strlen(warned);
    snprintf(warned + at, sizeof warned - at, "%s\n", words);
}

static void progress(int done, int total)
{
    assert_true(done >= 0 && done <= total);
}

/* A file of word vectors to train with; NULL: none. */
static const char *vectors;

/* Trains on the rows; NULL, or what was said against them. */
static const char *train_on(const char *rows, size_t len, const char *model, struct training *t)
{
    static struct err err;
    struct samples s;
    write_file("data.jsonl", rows, len);
    warned[0] = '\0';
    int result = samples_read(&s, path_of("data.jsonl"), NULL, warn, &err);
    if (result == 0)
        result = training_run(&s, vectors, path_of(model), progress, t, &err);
    samples_clear(&s);
    return result < 0 ? err.message : NULL;
}

static const char *const SUBJECTS[] = {"compiler", "function", "pointer", "loop", "variable", "class", "thread", "socket"};
static const char *const FOODS[] = {"soup", "bread", "cheese", "pasta", "salad", "cake", "rice", "stew"};
static const char *const PLACES[] = {"paris", "london", "berlin", "madrid", "rome", "vienna", "oslo", "lisbon"};

/* 48 rows of each of three labels. */
static size_t write_rows(char *out, size_t size)
{
    static const char *const HOWS[] = {"please", "now", "today", "quickly", "for me", "again"};
    size_t at = 0;
    for (int i = 0; i < 48; i++) {
        const char *how = HOWS[i % 6];
        at += (size_t)snprintf(out + at, size - at, "{\"text\":\"fix the %s of my program %s\",\"label\":\"code\"}\n", SUBJECTS[i / 6], how);
        at += (size_t)snprintf(out + at, size - at, "{\"text\":\"how do i cook %s %s\",\"label\":\"food\"}\n", FOODS[i / 6], how);
        at += (size_t)snprintf(out + at, size - at, "{\"label\":\"travel\",\"text\":\"book a flight to %s %s\"}\n", PLACES[i / 6], how);
    }
    return at;
}

static char rows[64 << 10];

static struct str read_model(const char *name)
{
    struct str bytes = {NULL, 0};
    struct err err;
    if (modelfile_map(path_of(name), &bytes, &err) < 0)
        fail_msg("%s", err.message);
    return bytes;
}

static void test_learns(void **state)
{
    struct training t;
    struct err err;
    (void)state;
    assert_null(train_on(rows, write_rows(rows, sizeof rows), "a.model", &t));
    assert_string_equal(warned, "");
    assert_int_equal(t.rows, 144);
    assert_int_equal(t.classes, 3);
    assert_true(t.accuracy > 0.95 && t.ece < 0.1);
    training_clear(&t);
    struct str bytes = read_model("a.model");
    assert_int_equal(bytes.len, t.bytes);
    struct classifier *c = classifier_open(bytes, &err);
    assert_non_null(c);
    struct verdict v = classifier_read(c, str_of("Cook me some PASTA"));
    assert_string_equal(v.label.p, "food");
    assert_true(v.p > 0.5 && v.p <= 1);
    struct verdict strange = classifier_read(c, str_of("zyzzyva quixotry xylyl"));
    assert_true(strange.known < v.known);
    v = classifier_read(c, str_of(""));
    assert_true(v.p >= 0 && v.p <= 1 && v.known >= 0 && v.known <= 1);
    v = classifier_read(c, str_of("\xff\xfe\x80 \xe2\x82"));
    assert_true(v.p >= 0 && v.p <= 1);
    classifier_close(c);
    modelfile_unmap(bytes);
}

static void test_same_rows_same_bytes(void **state)
{
    struct training t;
    (void)state;
    size_t len = write_rows(rows, sizeof rows);
    assert_null(train_on(rows, len, "a.model", &t));
    training_clear(&t);
    assert_null(train_on(rows, len, "b.model", &t));
    training_clear(&t);
    struct str a = read_model("a.model"), b = read_model("b.model");
    assert_true(str_same(a, b));
    modelfile_unmap(a);
    modelfile_unmap(b);
}

static void refuses(const char *text, size_t len, const char *words)
{
    struct training t = {0};
    const char *said = train_on(text, len, "no.model", &t);
    assert_non_null(said);
    if (strstr(said, words) == NULL)
        fail_msg("'%s' does not say '%s'", said, words);
    assert_int_not_equal(access(path_of("no.model"), F_OK), 0);
}

#define REFUSES(text, words) refuses(text, sizeof text - 1, words)

static void test_bad_data(void **state)
{
    (void)state;
    REFUSES("", "data.jsonl:1: no row to train on");
    REFUSES("{\"text\":\"a b\",\"label\":\"x\"}\n{\"text\":\"c\",\"label\":\"x\"}\n", "data.jsonl:2: every row");
    REFUSES("{\"text\":\"a\",\"label\":\"x\"}\n\n{\"text\":\"b\",\"label\":\"oos\"}\n", "\"x\" or \"oos\"");
    REFUSES("{\"text\":\"a\",\"label\":\"x\"}\n{\"text\":\"b\",\"lable\":\"y\"}\n", "data.jsonl:2: no column 'label' (did you mean 'lable'?)");
    REFUSES("{\"prompt\":\"a\",\"label\":\"x\"}\n", "data.jsonl:1: no column 'text'");
    REFUSES("{\"text\":1,\"label\":\"x\"}\n", "column 'text' is 1, not text");
    REFUSES("[1]\n", "data.jsonl:1: the line holds no JSON object");
    REFUSES("{\"text\":\"a\",\"label\":\"x\"}\n{\"text\":\"\xff\",\"label\":\"y\"}\n", "data.jsonl:2: no valid JSON");
    REFUSES("text,label\n", "data.jsonl:1: no valid JSON");
    static char line[(1 << 20) + 64];
    memset(line, 'a', sizeof line);
    memcpy(line, "{\"text\":\"a\",\"label\":\"x\"}\n{\"text\":\"", 35);
    refuses(line, sizeof line, "data.jsonl:2: the line is longer than 512 KiB");
}

static void test_doubtful_data(void **state)
{
    struct training t;
    (void)state;
    size_t len = write_rows(rows, sizeof rows);
    len += (size_t)snprintf(rows + len, sizeof rows - len,
                            "{\"text\":\" \",\"label\":\"food\"}\n{\"text\":\"how do i cook soup please\",\"label\":\"travel\"}\n");
    assert_null(train_on(rows, len, "a.model", &t));
    assert_int_equal(t.rows, 145);
    assert_non_null(strstr(warned, "data.jsonl:145: column 'text' is empty; the row is left out"));
    assert_non_null(strstr(warned, "data.jsonl:146: the text of line 2 again, here as \"travel\", there as \"food\""));
    training_clear(&t);
    /* What some editors put before the first line is no part of it. */
    memmove(rows + 3, rows, len);
    memcpy(rows, "\xef\xbb\xbf", 3);
    len += 3 + (size_t)snprintf(rows + 3 + len, sizeof rows - 3 - len, "{\"text\":\"a song\",\"label\":\"music\"}\n{\"text\":\"a dance\",\"label\":\"music\"}\n");
    assert_null(train_on(rows, len, "a.model", &t));
    assert_non_null(strstr(warned, "data.jsonl: label \"music\" has 2 rows; from 8 on"));
    training_clear(&t);
}

/* Every byte of the file counts: a changed one is found, and so is a file cut anywhere. */
static void test_damage(void **state)
{
    struct training t;
    struct err err;
    (void)state;
    assert_null(train_on(rows, write_rows(rows, sizeof rows), "a.model", &t));
    training_clear(&t);
    struct str bytes = read_model("a.model");
    char *copy = malloc(bytes.len);
    assert_non_null(copy);
    memcpy(copy, bytes.p, bytes.len);
    for (size_t i = 0; i < bytes.len; i += i < 512 ? 1 : 1009) {
        copy[i] ^= 0x10;
        assert_null(classifier_open(str_n(copy, bytes.len), &err));
        copy[i] ^= 0x10;
        assert_null(classifier_open(str_n(copy, i), &err));
    }
    struct classifier *c = classifier_open(str_n(copy, bytes.len), &err);
    assert_non_null(c);
    classifier_close(c);
    copy[6] = '9';
    assert_null(classifier_open(str_n(copy, bytes.len), &err));
    assert_non_null(strstr(err.message, "train it again"));
    free(copy);
    modelfile_unmap(bytes);
}

static const char META[] = "{\"kind\":\"text\",\"labels\":[\"a\",\"b\"],\"heat\":1,\"right\":[0,0,0,0,0,0,0],\"known\":[0,0,0,0,0,0,0]}";

/* A model of one gram, whose checksum is right; what is said against it, or NULL. */
static const char *open_made(const char *meta, const char *scale, const char *cells)
{
    static struct err err;
    char starts[4 * 257] = {0};
    starts[4 * 256] = 1;
    const struct modelfile_part parts[] = {{"meta", str_of(meta)},
                                           {"starts", str_n(starts, sizeof starts)},
                                           {"keys", str_n("\1\0\0\0", 4)},
                                           {"rarity", str_n("\0\0\200\77", 4)},
                                           {"rows", str_n("\0\0\0\200\3\0\0\0", 8)},
                                           {"scale", str_n(scale, 4)},
                                           {"cells", str_n(cells, 3)}};
    size_t size;
    assert_int_equal(modelfile_write(path_of("lie.model"), parts, 7, &size, &err), 0);
    struct str bytes = read_model("lie.model");
    struct classifier *c = classifier_open(bytes, &err);
    if (c)
        classifier_close(c);
    modelfile_unmap(bytes);
    return c ? NULL : err.message;
}

/* A checksum that is right does not make wrong parts right. */
static void test_lying_parts(void **state)
{
    (void)state;
    const char one[] = "\0\0\200\77", none[] = "\0\0\300\177", huge[] = "{\"kind\":\"text\",\"labels\":[\"a\",\"b\"],\"heat\":1e300}";
    assert_null(open_made(META, one, "\1\0\1"));
    assert_non_null(strstr(open_made(META, one, "\2\0\1"), "weights do not fit together"));
    assert_non_null(strstr(open_made(META, none, "\1\0\1"), "weights do not fit together"));
    assert_non_null(strstr(open_made(huge, one, "\1\0\1"), "does not fit together"));
}

static void test_grams(void **state)
{
    (void)state;
    struct grams g = grams_of(str_of("Hi 12!"));
    assert_int_equal(g.words, 3);
    assert_int_equal(g.pairs, 3 + 4);
    /* "<hi>" has pieces of 3 (2) and 4 (1); "<00>" likewise; "!" none. */
    assert_int_equal(g.count, 7 + 3 + 3);
    uint32_t first = g.hash[0];
    g = grams_of(str_of("hI 34 !"));
    assert_int_equal(g.hash[0], first);
    assert_int_equal(g.count, 13);
    assert_int_equal(grams_of(str_of(" \n")).count, 0);
    static char longest[1 << 20];
    memset(longest, 'x', sizeof longest);
    assert_true(grams_of(str_n(longest, sizeof longest)).count <= GRAM_MOST);
    for (size_t i = 0; i < sizeof longest; i += 2)
        longest[i] = '(';
    assert_true(grams_of(str_n(longest, sizeof longest)).count <= GRAM_MOST);
}

static void test_calibration_error(void **state)
{
    (void)state;
    const double p[] = {0.9, 0.9, 0.9, 0.9, 0.1, 0.1};
    const bool right[] = {true, true, true, false, false, false};
    /* |3.6 - 3| / 6 + |0.2 - 0| / 6 */
    assert_true(gauge_ece(p, right, 6) - 0.8 / 6 < 1e-9 && gauge_ece(p, right, 6) - 0.8 / 6 > -1e-9);
}

static void train_with(const char *text, const char *said)
{
    static char rows_again[sizeof rows];
    struct training t = {0};
    write_file("words.vec", text, strlen(text));
    static char words[128];
    snprintf(words, sizeof words, "%s", path_of("words.vec"));
    vectors = words;
    const char *refused = train_on(rows_again, write_rows(rows_again, sizeof rows_again), "a.model", &t);
    vectors = NULL;
    if (said == NULL ? refused != NULL : refused == NULL || strstr(refused, said) == NULL)
        fail_msg("'%s' instead of '%s'", refused ? refused : "(nothing)", said ? said : "(nothing)");
    training_clear(&t);
}

/* "lasagne" was in no row, but it means what "pasta" means. */
static void test_word_vectors(void **state)
{
    (void)state;
    struct err err;
    train_with("the 0.1 0.1 0.1\npasta 1 0 0\nsoup 1 0.1 0\nbread 0.9 0 0.1\ncheese 1 0 0.1\nlasagne 1 0 0\n"
               "compiler 0 1 0\npointer 0 1 0.1\nloop 0.1 1 0\nparis 0 0 1\nlondon 0 0.1 1\nnew-york 0 0 1\n", NULL);
    struct str bytes = read_model("a.model");
    struct classifier *c = classifier_open(bytes, &err);
    assert_non_null(c);
    assert_string_equal(classifier_read(c, str_of("lasagne please")).label.p, "food");
    classifier_close(c);
    modelfile_unmap(bytes);
    train_with("pasta 1 0 0\nsoup 1 0\n", "words.vec:2: a line must be a word and its 2 to 300 numbers");
    train_with("pasta\n", "words.vec:1: a line must be");
    train_with("", "words.vec:0: a line must be");
}

static int open_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const FILES[] = {"a.model", "b.model", "lie.model", "data.jsonl", "words.vec"};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++)
        unlink(path_of(FILES[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grams),      cmocka_unit_test(test_learns),      cmocka_unit_test(test_same_rows_same_bytes),
        cmocka_unit_test(test_bad_data),   cmocka_unit_test(test_doubtful_data), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_lying_parts), cmocka_unit_test(test_calibration_error), cmocka_unit_test(test_word_vectors),
    };
    return cmocka_run_group_tests(tests, open_folder, remove_folder);
}
