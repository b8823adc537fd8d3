#include "base/opt.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "base/stats.h"

#define AT(field) offsetof(struct options, field)
#define TEXT_OF(n) ((n) ? #n : NULL)

static const struct opt ROWS[] = {
#define FLAG(field, letter, name, verbs, help)                                                     \
    {OPT_FLAG, AT(field), letter, name, NULL, NULL, NULL, verbs, help, 0, 0},
#define TEXT(field, letter, name, arg, fallback, env, verbs, help)                                 \
    {OPT_TEXT, AT(field), letter, name, arg, fallback, env, verbs, help, 0, 0},
#define NUMBER(field, letter, name, arg, least, most, fallback, env, verbs, help)                  \
    {OPT_NUMBER, AT(field), letter, name, arg, TEXT_OF(fallback), env, verbs, help, least, most},
#define SECRET(field, env, verbs, help)                                                            \
    {OPT_SECRET, AT(field), 0, NULL, NULL, NULL, env, verbs, help, 0, 0},
#include "options.def"
};

static const struct {
    const char *verb, *name, *fallback, *env;
} DIFFERENT[] = {
#define FOR_VERB(verb, name, fallback, env) {verb, name, fallback, env},
#include "options.def"
};

static const struct {
    const char *verb, *name, *help;
} HELPS[] = {
#define HELP_FOR(verb, name, help) {verb, name, help},
#include "options.def"
};

enum { COUNT = sizeof ROWS / sizeof ROWS[0], FIRST_LONG = 256 };

int opt_count(void)
{
    return COUNT;
}

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += len)
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

bool opt_row(int i, const char *verb, struct opt *out)
{
    *out = ROWS[i];
    if (verb == NULL)
        return true;
    if (strcmp(out->verbs, "*") != 0 && !has_word(out->verbs, verb))
        return false;
    for (size_t d = 0; d < sizeof DIFFERENT / sizeof DIFFERENT[0]; d++) {
        if (out->name && strcmp(DIFFERENT[d].verb, verb) == 0 &&
            strcmp(DIFFERENT[d].name, out->name) == 0) {
            out->fallback = DIFFERENT[d].fallback;
            out->env = DIFFERENT[d].env;
        }
    }
    for (size_t h = 0; h < sizeof HELPS / sizeof HELPS[0]; h++)
        if (out->name && strcmp(HELPS[h].verb, verb) == 0 && strcmp(HELPS[h].name, out->name) == 0)
            out->help = HELPS[h].help;
    return true;
}

/* `given` is how the person named it: "--workers" or "WYE_WORKERS". */
static int store(struct options *o, const struct opt *row, const char *given, const char *value,
                 struct err *err)
{
    char *field = (char *)o + row->offset;
    if (row->type == OPT_FLAG) {
        *(bool *)field = true;
        return 0;
    }
    if (row->type != OPT_NUMBER) {
        *(const char **)field = value;
        return 0;
    }
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || number < row->least || number > row->most)
        return err_set(err, ERR_BAD_REQUEST, "%s takes a whole number from %ld to %ld, not '%s'",
                       given, row->least, row->most, value);
    *(long *)field = number;
    return 0;
}

static int store_defaults(struct options *o, struct err *err)
{
    struct opt row;
    for (int i = 0; i < COUNT; i++) {
        if (!opt_row(i, o->verb->name, &row))
            continue;
        const char *value = row.env ? getenv(row.env) : NULL;
        bool is_set = value && *value;
        if (is_set && store(o, &row, row.env, value, err) < 0)
            return -1;
        if (!is_set && row.fallback)
            store(o, &row, row.name, row.fallback, NULL);
    }
    return 0;
}

/* What getopt did not know: says whose option it is, or what was meant. */
static int unknown(const struct verb *verb, const char *word, struct err *err)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    const char *names[COUNT];
    int count = 0;
    struct opt row;
    for (int i = 0; i < COUNT; i++) {
        if (ROWS[i].name == NULL)
            continue;
        if (opt_row(i, verb->name, &row))
            names[count++] = row.name;
        else if (strncmp(name, "--", 2) == 0 && strcmp(name + 2, row.name) == 0)
            return err_set(err, ERR_BAD_REQUEST, "%s is not an option of %s but of: %s", name,
                           verb->name, row.verbs);
    }
    const char *meant = strncmp(name, "--", 2) == 0 ? near_name(name + 2, names, count) : NULL;
    return err_set(err, ERR_BAD_REQUEST, "unknown option '%s'%s%s%s", name,
                   meant ? " (did you mean '--" : "", meant ? meant : "", meant ? "'?)" : "");
}

static int check_count(const struct options *o, struct err *err)
{
    const struct verb *verb = o->verb;
    if (o->arg_count < verb->least)
        return err_set(err, ERR_BAD_REQUEST, "too few arguments: wye %s %s", verb->name,
                       verb->args);
    if (o->arg_count > verb->most)
        return err_set(err, ERR_BAD_REQUEST, "unexpected argument '%s'", o->args[verb->most]);
    return 0;
}

/* The rows of the verb in getopt's two shapes. */
static void for_getopt(const char *verb, struct option *longs, char *letters)
{
    struct opt row;
    *letters++ = ':';
    for (int i = 0; i < COUNT; i++) {
        if (!opt_row(i, verb, &row) || row.type == OPT_SECRET)
            continue;
        int takes = row.type == OPT_FLAG ? no_argument : required_argument;
        *longs++ = (struct option){row.name, takes, NULL, FIRST_LONG + i};
        if (row.letter) {
            *letters++ = row.letter;
            if (takes == required_argument)
                *letters++ = ':';
        }
    }
    *longs = (struct option){0};
    *letters = '\0';
}

static int row_of(int found)
{
    if (found >= FIRST_LONG)
        return found - FIRST_LONG;
    for (int i = 0; i < COUNT; i++)
        if (ROWS[i].letter == found)
            return i;
    return -1;
}

/* getopt names a wrong letter in optopt and a wrong word only by its place. */
static int refuse(const struct verb *verb, int found, char **argv, struct err *err)
{
    const char *word = argv[optind - 1];
    char letter[3] = {'-', (char)optopt, '\0'};
    bool is_letter = optopt > 0 && optopt < FIRST_LONG;
    if (found == ':')
        return err_set(err, ERR_BAD_REQUEST, "%s needs a value", is_letter ? letter : word);
    if (optopt >= FIRST_LONG)
        return err_set(err, ERR_BAD_REQUEST, "--%s takes no value", ROWS[optopt - FIRST_LONG].name);
    return unknown(verb, is_letter ? letter : word, err);
}

/* getopt takes the beginning of a name for all of it; what is typed today must not mean another option tomorrow. */
static bool is_abbreviated(const char *word, const char *name)
{
    return strcspn(word + 2, "=") != strlen(name);
}

int opt_parse(struct options *o, const struct verb *verb, int argc, char **argv, struct err *err)
{
    *o = (struct options){.verb = verb};
    if (store_defaults(o, err) < 0)
        return -1;
    struct option longs[COUNT + 1];
    char letters[2 * COUNT + 2];
    for_getopt(verb->name, longs, letters);
    opterr = 0;
    optind = 0;
    int found;
    while ((found = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        int i = found == '?' || found == ':' ? -1 : row_of(found);
        if (i < 0)
            return refuse(verb, found, argv, err);
        const char *word = argv[optind - 1 - (optarg && optarg == argv[optind - 1])];
        if (found >= FIRST_LONG && is_abbreviated(word, ROWS[i].name))
            return err_set(err, ERR_BAD_REQUEST, "unknown option '%.*s' (did you mean '--%s'?)", (int)strcspn(word, "="), word, ROWS[i].name);
        char given[64];
        snprintf(given, sizeof given, found >= FIRST_LONG ? "--%s" : "-%.1s",
                 found >= FIRST_LONG ? ROWS[i].name : &ROWS[i].letter);
        if (store(o, &ROWS[i], given, optarg, err) < 0)
            return -1;
    }
    o->args = argv + optind;
    o->arg_count = argc - optind;
    return o->help ? 0 : check_count(o, err);
}
