#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/manual.h"
#include "base/near.h"
#include "base/opt.h"
#include "cmd/command.h"

static const struct verb SERVE = {"serve", "[DIR]", 0, 1, "Run a project"};
static const struct verb SIM = {"sim", "", 0, 0, "Run the simulator"};
static const struct verb TRACE = {"trace", "", 0, 0, "Read the trace"};
static const struct verb USE = {"use", "G", 1, 1, "Use a generation"};
static const struct verb DIFF = {"diff", "G G", 2, 2, "Compare two generations"};

enum { MOST_WORDS = 8 };

/* argv is changed by getopt, and pointers into it are kept: each parse gets its own. */
static char *words[MOST_WORDS + 1];
static struct options o;
static struct err err;

static int parse(const struct verb *verb, const char *first, ...)
{
    int count = 0;
    words[count++] = (char *)verb->name;
    va_list args;
    va_start(args, first);
    for (const char *w = first; w && count < MOST_WORDS; w = va_arg(args, const char *))
        words[count++] = (char *)w;
    va_end(args);
    words[count] = NULL;
    err = (struct err){0};
    return opt_parse(&o, verb, count, words, &err);
}

#define REFUSED(expected, ...)                                                                     \
    do {                                                                                           \
        assert_int_equal(parse(__VA_ARGS__, NULL), -1);                                            \
        assert_string_equal(err.message, expected);                                                \
    } while (0)

static int clear_environment(void **state)
{
    (void)state;
    const char *names[] = {"WYE_ADMIN", "WYE_LISTEN", "WYE_SIM_LISTEN", "WYE_WORKERS",
                           "WYE_TOKEN", "WYE_TRACE",  "WYE_STATE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
    return 0;
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(parse(&SERVE, NULL), 0);
    assert_string_equal(o.listen, "127.0.0.1:8080");
    assert_string_equal(o.admin, "127.0.0.1:9090");
    assert_int_equal(o.workers, 0);
    assert_null(o.trace);
    assert_false(o.watch);
    assert_int_equal(o.arg_count, 0);
}

static void test_a_verb_has_its_own_default_and_environment(void **state)
{
    (void)state;
    setenv("WYE_LISTEN", "127.0.0.1:1", 1);
    assert_int_equal(parse(&SIM, NULL), 0);
    assert_string_equal(o.listen, "127.0.0.1:9100");
    setenv("WYE_SIM_LISTEN", "127.0.0.1:2", 1);
    assert_int_equal(parse(&SIM, NULL), 0);
    assert_string_equal(o.listen, "127.0.0.1:2");
}

static void test_environment_then_command_line(void **state)
{
    (void)state;
    setenv("WYE_LISTEN", "0.0.0.0:80", 1);
    setenv("WYE_WORKERS", "3", 1);
    setenv("WYE_ADMIN", "", 1);
    assert_int_equal(parse(&SERVE, NULL), 0);
    assert_string_equal(o.listen, "0.0.0.0:80");
    assert_int_equal(o.workers, 3);
    assert_string_equal(o.admin, "127.0.0.1:9090");
    assert_int_equal(parse(&SERVE, "--listen=[::1]:9", "--workers", "5", NULL), 0);
    assert_string_equal(o.listen, "[::1]:9");
    assert_int_equal(o.workers, 5);
}

static void test_secret_comes_from_the_environment_only(void **state)
{
    (void)state;
    setenv("WYE_TOKEN", "abc", 1);
    assert_int_equal(parse(&USE, "3", NULL), 0);
    assert_string_equal(o.token, "abc");
    REFUSED("unknown option '--token'", &USE, "3", "--token=abc");
}

static void test_a_name_is_not_abbreviated(void **state)
{
    (void)state;
    REFUSED("unknown option '--work' (did you mean '--workers'?)", &SERVE, "--work", "3");
    REFUSED("unknown option '--work' (did you mean '--workers'?)", &SERVE, "--work=3");
    REFUSED("unknown option '--dem' (did you mean '--demo'?)", &SERVE, "--dem");
    assert_int_equal(parse(&SERVE, "--listen", "--workers", NULL), 0); /* a value may look like an option */
    assert_string_equal(o.listen, "--workers");
}

static void test_arguments_and_options_mix(void **state)
{
    (void)state;
    assert_int_equal(parse(&SERVE, "--demo", "project", "--watch", NULL), 0);
    assert_true(o.demo && o.watch);
    assert_int_equal(o.arg_count, 1);
    assert_string_equal(o.args[0], "project");
    assert_int_equal(parse(&SERVE, "--", "--demo", NULL), 0);
    assert_false(o.demo);
    assert_string_equal(o.args[0], "--demo");
}

static void test_letters(void **state)
{
    (void)state;
    assert_int_equal(parse(&TRACE, "-fn", "7", "-qms > 5", "-g", "attempt", NULL), 0);
    assert_true(o.follow);
    assert_int_equal(o.count, 7);
    assert_string_equal(o.query, "ms > 5");
    assert_string_equal(o.group, "attempt");
}

static void test_every_verb_takes_json_and_help(void **state)
{
    (void)state;
    for (int i = 0; i < command_count(); i++) {
        const struct verb *verb = command_verbs()[i];
        assert_int_equal(parse(verb, "--json", "--help", NULL), 0);
        assert_true(o.json && o.help);
        assert_int_equal(parse(verb, "-h", NULL), 0);
        assert_true(o.help);
    }
}

static void test_bad_usage_says_what_was_meant(void **state)
{
    (void)state;
    REFUSED("unknown option '--wrokers' (did you mean '--workers'?)", &SERVE, "--wrokers=3");
    REFUSED("unknown option '--zzz'", &SERVE, "--zzz");
    REFUSED("unknown option '-x'", &SERVE, "-x");
    REFUSED("--workers is not an option of use but of: serve", &USE, "3", "--workers=2");
    REFUSED("--watch takes no value", &SERVE, "--watch=1");
    REFUSED("--listen needs a value", &SERVE, "--listen");
    REFUSED("-q needs a value", &TRACE, "-q");
    REFUSED("too few arguments: wye use G", &USE);
    REFUSED("too few arguments: wye diff G G", &DIFF, "1");
    REFUSED("unexpected argument 'b'", &SERVE, "a", "b");
}

static void test_numbers_have_ranges(void **state)
{
    (void)state;
    REFUSED("--workers takes a whole number from 1 to 64, not '0'", &SERVE, "--workers", "0");
    REFUSED("--workers takes a whole number from 1 to 64, not '65'", &SERVE, "--workers", "65");
    REFUSED("--workers takes a whole number from 1 to 64, not '2x'", &SERVE, "--workers", "2x");
    REFUSED("--workers takes a whole number from 1 to 64, not ''", &SERVE, "--workers", "");
    REFUSED("-n takes a whole number from 1 to 1000000000, not '99999999999999999999'", &TRACE,
            "-n", "99999999999999999999");
    setenv("WYE_WORKERS", "many", 1);
    REFUSED("WYE_WORKERS takes a whole number from 1 to 64, not 'many'", &SERVE);
}

static char *text_of(void (*print)(FILE *out))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    print(out);
    fclose(out);
    return text;
}

static void print_sim(FILE *out)
{
    manual_verb(out, &SIM);
}

static void print_tables(FILE *out)
{
    manual_markdown(out, command_verbs(), command_count());
}

static void test_help_shows_the_verbs_own_rows(void **state)
{
    (void)state;
    char *text = text_of(print_sim);
    assert_non_null(strstr(text, "Usage: wye sim [options]\n"));
    assert_non_null(strstr(text, "(default: 127.0.0.1:9100; WYE_SIM_LISTEN)"));
    assert_non_null(strstr(text, "--script FILE"));
    assert_null(strstr(text, "--workers"));
    assert_null(strstr(text, "WYE_TOKEN"));
    free(text);
}

static void test_tables_name_every_option(void **state)
{
    (void)state;
    char *text = text_of(print_tables);
    struct opt row;
    for (int i = 0; i < opt_count(); i++) {
        opt_row(i, NULL, &row);
        assert_non_null(strstr(text, row.name ? row.name : row.env));
        assert_non_null(strstr(text, row.help));
    }
    free(text);
}

/* A row that names a verb nobody has would never be shown. */
static void test_options_name_verbs_that_exist(void **state)
{
    (void)state;
    struct opt row;
    for (int i = 0; i < opt_count(); i++) {
        opt_row(i, NULL, &row);
        char verbs[256];
        snprintf(verbs, sizeof verbs, "%s", row.verbs);
        for (char *verb = strtok(verbs, " "); verb; verb = strtok(NULL, " "))
            if (strcmp(verb, "*") != 0 && command_find(verb, NULL) == NULL)
                fail_msg("%s names the unknown verb %s", row.name, verb);
    }
}

static void test_readme_has_the_tables_of_help(void **state)
{
    (void)state;
    static char readme[64 * 1024];
    FILE *f = fopen("runtime/cmd/README.md", "r");
    assert_non_null(f);
    readme[fread(readme, 1, sizeof readme - 1, f)] = '\0';
    fclose(f);
    char *tables = text_of(print_tables);
    if (strstr(readme, tables) == NULL)
        fail_msg("the tables of runtime/cmd/README.md are out of date: run `make tables`");
    free(tables);
}

static void print_json(FILE *out)
{
    manual_json(out, command_verbs(), command_count());
}

static void test_json_is_valid_and_whole(void **state)
{
    (void)state;
    char *text = text_of(print_json);
    assert_int_equal(json_validate(str_of(text), NULL), 0);
    int verbs = 0;
    for (struct json_walk w = json_walk(json_get(str_of(text), "verbs")); json_next(&w); verbs++)
        assert_true(str_eq(json_plain(json_get(w.value, "name")), command_verbs()[verbs]->name));
    assert_int_equal(verbs, command_count());
    free(text);
}

static void test_unknown_verbs_and_no_verb(void **state)
{
    (void)state;
    char *none[] = {"wye", NULL}, *wrong[] = {"wye", "serv", NULL},
         *bad[] = {"wye", "help", "--zz", NULL};
    assert_int_equal(command_run(1, none), EXIT_USAGE);
    assert_int_equal(command_run(2, wrong), EXIT_USAGE);
    assert_int_equal(command_run(3, bad), EXIT_USAGE);
    const char *near;
    assert_null(command_find("serv", &near));
    assert_string_equal(near, "serve");
    assert_null(command_find("publish", &near));
    assert_null(near);
}

static void test_near_names(void **state)
{
    (void)state;
    const char *names[] = {"serve", "status", "rollback", "use", "show"};
    assert_string_equal(near_name("serv", names, 5), "serve");
    assert_string_equal(near_name("SERVE", names, 5), "serve");
    assert_string_equal(near_name("rolback", names, 5), "rollback");
    assert_string_equal(near_name("stauts", names, 5), "status");
    assert_null(near_name("deploy", names, 5));
    assert_null(near_name("", names, 5));
    assert_int_equal(near_distance("ab", "ba"), 1);
    assert_int_equal(near_distance("", "abc"), 3);
    char longest[300];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(near_distance(longest, "a"), 63);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, clear_environment)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_a_verb_has_its_own_default_and_environment),
        TEST(test_environment_then_command_line),
        TEST(test_secret_comes_from_the_environment_only),
        TEST(test_a_name_is_not_abbreviated),
        TEST(test_arguments_and_options_mix),
        TEST(test_letters),
        TEST(test_every_verb_takes_json_and_help),
        TEST(test_bad_usage_says_what_was_meant),
        TEST(test_numbers_have_ranges),
        TEST(test_help_shows_the_verbs_own_rows),
        TEST(test_tables_name_every_option),
        TEST(test_options_name_verbs_that_exist),
        TEST(test_readme_has_the_tables_of_help),
        TEST(test_json_is_valid_and_whole),
        TEST(test_unknown_verbs_and_no_verb),
        TEST(test_near_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
