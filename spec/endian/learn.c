/*
 * Learns from a file and says what it makes of the same texts, so that two machines can be compared byte for byte:
 *     learn TEXTS PAIRS FOLDER       writes FOLDER/{text,similar,pairs}.model; prints label, p and known of each text, by each model
 */
#include <stdio.h>
#include <stdlib.h>

#include "classify/classifier.h"
#include "classify/pairs.h"
#include "classify/similar.h"
#include "classify/training.h"

static char path[4096];

static const char *in(const char *folder, const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void warn(const char *words)
{
    fprintf(stderr, "%s\n", words);
}

static void progress(int done, int total)
{
    (void)done;
    (void)total;
}

static void die(const struct err *err)
{
    fprintf(stderr, "learn: %s\n", err->message);
    exit(1);
}

static struct str map(const char *name)
{
    struct str bytes;
    struct err err;
    if (modelfile_map(name, &bytes, &err) < 0)
        die(&err);
    return bytes;
}

static void say_by_model(const struct samples *s, const char *name)
{
    struct err err;
    struct classifier *c = classifier_open(map(name), &err);
    if (c == NULL)
        die(&err);
    for (int i = 0; i < s->count; i++) {
        struct verdict v = classifier_read(c, s->at[i].text);
        printf(STR_FMT " %.9f %.9f\n", STR_ARG(v.label), v.p, v.known);
    }
}

static void say_by_index(const struct samples *s, const char *name)
{
    struct err err;
    struct similar *index = similar_open(map(name), &err);
    if (index == NULL)
        die(&err);
    for (int i = 0; i < s->count; i += 10) {
        struct likeness v = similar_read(index, s->at[i].text);
        printf(STR_FMT " %.9f %.9f\n", STR_ARG(v.label), v.p, v.known);
    }
}

static void learn_pairs(const char *data, const char *name)
{
    struct pairs pairs;
    struct pairs_report report;
    struct err err;
    if (pairs_read(&pairs, data, &err) < 0 || pairs_train(&pairs, name, 0.5, progress, &report, &err) < 0)
        die(&err);
}

int main(int argc, char **argv)
{
    struct samples s;
    struct training t;
    struct err err;
    double accuracy;
    if (argc != 4 || samples_read(&s, argv[1], NULL, warn, &err) < 0)
        return fprintf(stderr, "usage: learn TEXTS PAIRS FOLDER\n"), 2;
    if (training_run(&s, NULL, in(argv[3], "text.model"), progress, &t, &err) < 0)
        die(&err);
    if (similar_train(&s, NULL, in(argv[3], "similar.model"), &accuracy, NULL, &err) < 0)
        die(&err);
    learn_pairs(argv[2], in(argv[3], "pairs.model"));
    say_by_model(&s, in(argv[3], "text.model"));
    say_by_model(&s, in(argv[3], "pairs.model"));
    say_by_index(&s, in(argv[3], "similar.model"));
    return 0;
}
