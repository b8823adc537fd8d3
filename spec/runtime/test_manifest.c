/* What a generation is made of: files, refused paths, packing, hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "project.h"

static struct project *project;
static struct manifest *m;

static const char *why_not(const char *path)
{
    static struct err err;
    err.message[0] = '\0';
    struct str s = manifest_read(m, path, &err);
    if (s.p)
        fail_msg("read %s", path);
    return err.message;
}

static void test_files_are_read_once(void **state)
{
    (void)state;
    project_write(project, "prompts/a.md", "first");
    struct str s = manifest_read(m, "prompts/a.md", NULL);
    assert_true(str_eq(s, "first"));
    assert_int_equal(s.p[s.len], 0);
    project_write(project, "prompts/a.md", "second");
    assert_true(str_eq(manifest_read(m, "prompts/a.md", NULL), "first"));
    project_write(project, "empty", "");
    assert_true(manifest_has(m, "empty"));
    assert_int_equal(manifest_read(m, "empty", NULL).len, 0);
    assert_int_equal(manifest_count(m), 2);
    assert_string_equal(manifest_path(m, manifest_index(m, "empty")), "empty");
    assert_int_equal(manifest_index(m, "other"), -1);
    assert_string_equal(manifest_path(m, 9), "?");
    assert_string_equal(manifest_label(m), "routes");
}

static void test_what_is_missing_stays_missing(void **state)
{
    (void)state;
    assert_string_equal(why_not("late.lua"), "cannot read routes/late.lua: No such file or directory");
    project_write(project, "late.lua", "return 1");
    assert_false(manifest_has(m, "late.lua"));
}

static void test_paths_do_not_leave(void **state)
{
    (void)state;
    static const char *const bad[] = {"../secret", "a/../../secret", "/etc/passwd", "", ".", "..", "a//b", "a/", "./a",
                                      "a/./b", "a\\b", "a\nb", "\x7f"};
    project_write(project, "a/b", "x");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(strstr(why_not(bad[i]), "a path must stay inside the project"));
    char path[256], target[256];
    snprintf(path, sizeof path, "%s/out", project->root);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    assert_non_null(strstr(why_not("out"), "leads out of the project"));
    snprintf(path, sizeof path, "%s/up", project->root);
    snprintf(target, sizeof target, "..");
    assert_int_equal(symlink(target, path), 0);
    project_write(project, "../secret", "x");
    assert_non_null(strstr(why_not("up/secret"), "leads out of the project"));
    assert_non_null(strstr(why_not("up/secret"), "leads out of the project"));
    snprintf(path, sizeof path, "%s/inside", project->root);
    assert_int_equal(symlink("a/b", path), 0);
    assert_true(str_eq(manifest_read(m, "inside", NULL), "x"));
}

static void test_odd_files_are_refused(void **state)
{
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s/pipe", project->root);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_string_equal(why_not("pipe"), "cannot read routes/pipe: not a regular file");
    snprintf(path, sizeof path, "%s/folder", project->root);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_non_null(strstr(why_not("folder"), "directory"));
    char *big = calloc(1, MANIFEST_FILE + 1);
    project_write_bytes(project, "big", big, MANIFEST_FILE + 1);
    project_write_bytes(project, "fits", big, MANIFEST_FILE);
    assert_string_equal(why_not("big"), "cannot read routes/big: larger than 8 MiB");
    assert_int_equal(manifest_read(m, "fits", NULL).len, MANIFEST_FILE);
    for (int i = 0; i < 7; i++) {
        char name[16];
        snprintf(name, sizeof name, "more%d", i);
        project_write_bytes(project, name, big, MANIFEST_FILE);
        assert_true(manifest_has(m, name));
    }
    project_write(project, "last", "x");
    assert_non_null(strstr(why_not("last"), "at most 64 MiB together"));
    free(big);
}

static void test_routes_are_the_top_level(void **state)
{
    (void)state;
    project_write(project, "route.lua", "return 1");
    project_write(project, "wye.lua", "return {}");
    project_write(project, "cascade.lua", "return 2");
    project_write(project, ".hidden.lua", "return 3");
    project_write(project, "notes.md", "x");
    project_write(project, "rules/v1.lua", "return 4");
    const char *const *paths;
    assert_int_equal(manifest_routes(m, &paths), 2);
    assert_string_equal(paths[0], "cascade.lua");
    assert_string_equal(paths[1], "route.lua");
}

static void test_a_packed_manifest_is_the_same(void **state)
{
    (void)state;
    static const char *const names[] = {"route.lua", "wye.lua", "rules/v1.lua"};
    for (int i = 0; i < 3; i++) {
        project_write(project, names[i], names[i]);
        assert_true(manifest_has(m, names[i]));
    }
    assert_false(manifest_has(m, "absent.lua"));
    struct buf packed = BUF(MANIFEST_PACKED);
    struct err err;
    assert_int_equal(manifest_pack(m, &packed), 0);
    struct manifest *copy = manifest_unpack(buf_str(&packed), &err);
    assert_non_null(copy);
    assert_string_equal(manifest_hash(copy), manifest_hash(m));
    assert_int_equal(strlen(manifest_hash(m)), 64);
    assert_string_equal(manifest_label(copy), "routes");
    assert_int_equal(manifest_count(copy), 3);
    for (int i = 0; i < 3; i++) {
        const char *path;
        assert_true(str_eq(manifest_at(copy, i, &path), names[i]));
        assert_string_equal(path, names[i]);
        assert_int_equal(manifest_index(copy, names[i]), i);
    }
    project_write(project, "absent.lua", "now");
    assert_false(manifest_has(copy, "absent.lua"));
    const char *const *paths;
    assert_int_equal(manifest_routes(copy, &paths), 1);
    assert_string_equal(paths[0], "route.lua");
    manifest_free(copy);
    for (size_t len = 0; len < packed.len; len++)
        assert_null(manifest_unpack(str_n(packed.p, len), &err));
    for (size_t i = 0; i < packed.len; i++) { /* damaged: refused or different, never a crash */
        packed.p[i] ^= 0x81;
        manifest_free(manifest_unpack(buf_str(&packed), &err));
        packed.p[i] ^= 0x81;
    }
    buf_clear(&packed);
    struct buf small = BUF(20);
    assert_int_equal(manifest_pack(m, &small), -1);
    buf_clear(&small);
}

static void test_the_hash_is_of_paths_and_bytes(void **state)
{
    (void)state;
    project_write(project, "a", "x");
    project_write(project, "b", "y");
    manifest_has(m, "a");
    char one[65];
    strcpy(one, manifest_hash(m));
    manifest_has(m, "b");
    assert_string_not_equal(one, manifest_hash(m));
    struct manifest *other = manifest_new(project->root);
    manifest_has(other, "b");
    manifest_has(other, "a");
    assert_string_equal(manifest_hash(other), manifest_hash(m));
    manifest_free(other);
    project_write(project, "b", "z");
    other = manifest_new(project->root);
    manifest_has(other, "a");
    manifest_has(other, "b");
    assert_string_not_equal(manifest_hash(other), manifest_hash(m));
    manifest_free(other);
}

static void test_no_folder(void **state)
{
    (void)state;
    struct manifest *none = manifest_new("/nonexistent/project");
    struct err err;
    const char *const *paths;
    assert_null(manifest_read(none, "wye.lua", &err).p);
    assert_string_equal(err.message, "cannot read project/wye.lua: No such file or directory");
    assert_int_equal(manifest_routes(none, &paths), 0);
    manifest_free(none);
}

static int set_up(void **state)
{
    (void)state;
    project = project_new();
    m = manifest_new(project->root);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    manifest_free(m);
    project_free(project);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_files_are_read_once),
        TEST(test_what_is_missing_stays_missing),
        TEST(test_paths_do_not_leave),
        TEST(test_odd_files_are_refused),
        TEST(test_routes_are_the_top_level),
        TEST(test_a_packed_manifest_is_the_same),
        TEST(test_the_hash_is_of_paths_and_bytes),
        TEST(test_no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
