#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proc/store.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/wye-store-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void hash_of(char *out, unsigned n)
{
    snprintf(out, STORE_HASH + 1, "%08x%056d", n, 0);
}

static void keep(unsigned n)
{
    struct err err;
    char hash[STORE_HASH + 1];
    hash_of(hash, n);
    char bytes[32];
    snprintf(bytes, sizeof bytes, "generation %u", n);
    assert_int_equal(store_write(dir, hash, str_of(bytes), &err), 0);
}

/* Two writes within one tick of the file system's clock would have the same age. */
static void set_age(unsigned n, int seconds_ago)
{
    char path[256], hash[STORE_HASH + 1];
    hash_of(hash, n);
    snprintf(path, sizeof path, "%s/generations/%s", dir, hash);
    struct timespec at = {time(NULL) - seconds_ago, 0}, both[2] = {at, at};
    assert_int_equal(utimensat(0, path, both, 0), 0);
}

static int count_kept(void)
{
    char path[256];
    snprintf(path, sizeof path, "%s/generations", dir);
    DIR *d = opendir(path);
    int n = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void what_is_written_is_read_by_prefix(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(store_open(dir, &err), 0);
    keep(0xabcdef01);
    keep(0xabcdef02);
    struct buf out = BUF(1 << 20);
    assert_int_equal(store_read(dir, "abcdef01", &out, &err), 0);
    assert_string_equal(out.p, "generation 2882400001");
    buf_reset(&out);
    assert_int_equal(store_read(dir, "abcdef", &out, &err), -1);
    assert_non_null(strstr(err.message, "several"));
    assert_int_equal(store_read(dir, "123456", &out, &err), -1);
    assert_non_null(strstr(err.message, "keeps no generation"));
    assert_int_equal(store_read(dir, "../../etc/passwd", &out, &err), -1);
    assert_int_equal(store_read(dir, "ab", &out, &err), -1);
    buf_clear(&out);
}

static void only_the_newest_stay_and_the_current_always(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(store_open(dir, &err), 0);
    char current[STORE_HASH + 1], got[STORE_HASH + 1];
    hash_of(current, 1);
    for (unsigned n = 1; n <= STORE_KEEP + 5; n++) {
        keep(n);
        set_age(n, 1000 - (int)n);
        if (n == 1)
            assert_int_equal(store_set_current(dir, current, &err), 0);
    }
    assert_int_equal(count_kept(), STORE_KEEP);
    struct buf out = BUF(1 << 20);
    assert_int_equal(store_read(dir, "00000001", &out, &err), 0);
    assert_int_equal(store_read(dir, "00000002", &out, &err), -1);
    assert_int_equal(store_read(dir, "00000019", &out, &err), 0);
    assert_int_equal(store_current(dir, got, &err), 0);
    assert_string_equal(got, current);
    buf_clear(&out);
}

static void a_new_state_directory_names_nothing(void **state)
{
    (void)state;
    struct err err;
    char hash[STORE_HASH + 1];
    assert_int_equal(store_open(dir, &err), 0);
    assert_int_equal(store_current(dir, hash, &err), -1);
    assert_int_equal(count_kept(), 0);
}

static void a_file_in_the_way_is_told_in_words(void **state)
{
    (void)state;
    struct err err;
    char path[128];
    snprintf(path, sizeof path, "%s/taken", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(store_open(path, &err), -1);
    assert_non_null(strstr(err.message, path));
}

static void a_reader_has_a_ceiling(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(store_open(dir, &err), 0);
    char hash[STORE_HASH + 1];
    hash_of(hash, 9);
    char *large = calloc(1, 100000);
    assert_int_equal(store_write(dir, hash, str_n(large, 100000), &err), 0);
    struct buf out = BUF(1000);
    assert_int_equal(store_read(dir, "00000009", &out, &err), -1);
    free(large);
    buf_clear(&out);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        CASE(what_is_written_is_read_by_prefix),
        CASE(only_the_newest_stay_and_the_current_always),
        CASE(a_new_state_directory_names_nothing),
        CASE(a_file_in_the_way_is_told_in_words),
        CASE(a_reader_has_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
