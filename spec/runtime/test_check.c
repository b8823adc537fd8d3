#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "serve/check.h"
#include "vm/guard.h"

static char dir[64];
static struct check *check;

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int open_project(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/wye-check-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    write_file("wye.lua", "return {\n  providers = { a = { kind = \"openai\", base_url = \"http://127.0.0.1:9/v1\" } },\n"
                          "  models = { [\"a/good\"] = {} },\n}\n");
    check = xcalloc(1, sizeof *check);
    return guard_open(NULL);
}

static int close_project(void **state)
{
    (void)state;
    char command[128];
    check_clear(check);
    free(check);
    guard_close();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* The one error of a project with this route, found at this place. */
static const struct finding *expect(const char *route, int line, int column, const char *words)
{
    write_file("route.lua", route);
    assert_int_equal(check_project(dir, check), 1);
    const struct finding *f = &check->findings[0];
    assert_non_null(strstr(f->message, words));
    assert_non_null(strstr(f->file, "/route.lua"));
    assert_int_equal(f->line, line);
    assert_int_equal(f->column, column);
    return f;
}

static void a_good_project_has_no_findings(void **state)
{
    (void)state;
    write_file("route.lua", "local m = wye.model \"a/good\"\nreturn function(req)\n  local reply = m:ask(req)\n"
                            "  if reply and reply.json and reply.json.answer == \"ok\" then return reply, \"asked\" end\n  return m\nend\n");
    assert_int_equal(check_project(dir, check), 0);
    assert_int_equal(check->count, 0);
    assert_int_equal(check->routes, 1);
    assert_string_equal(check->checked[0].name, "route");
}

static void an_unknown_model_is_pointed_at(void **state)
{
    (void)state;
    const struct finding *f = expect("local m = wye.model \"a/goood\"\nreturn function() return m end\n", 1, 22, "a/good'");
    struct buf out = BUF(4096);
    check_explain(f, check->files, &out);
    assert_non_null(strstr(out.p, "    1 | local m = wye.model \"a/goood\"\n      |                      ^~~~~~~\n"));
    buf_clear(&out);
}

static void a_syntax_error_is_pointed_at(void **state)
{
    (void)state;
    expect("return function()\n  local x = )\nend\n", 2, 13, "near ')'");
}

static void a_branch_that_only_images_take_is_tried(void **state)
{
    (void)state;
    const struct finding *f = expect("local m = wye.model \"a/good\"\nreturn function(req)\n"
                                     "  if req.has_image then return 42 end\n  return m\nend\n",
                                     3, 3, "number");
    assert_string_equal(f->request, "image");
    assert_string_equal(f->route, "route");
}

static void a_loop_is_ended_and_told_once(void **state)
{
    (void)state;
    expect("return function()\n  while true do end\nend\n", 2, 3, "50 ms");
    assert_int_equal(check->count, 1);
}

static void a_mishandled_failure_is_found_with_its_fault(void **state)
{
    (void)state;
    const struct finding *f = expect("local m = wye.model \"a/good\"\nreturn function(req)\n  local reply, err = m:ask(req)\n"
                                     "  if err and err.kind == \"timeout\" then return m, reply.text end\n  return m\nend\n",
                                     4, 51, "index local 'reply'");
    assert_string_equal(f->seen, "when ask 1 of a/good answers timeout");
    struct buf out = BUF(4096);
    check_explain(f, check->files, &out);
    assert_non_null(strstr(out.p, "for the built-in request 'chat', when ask 1 of a/good answers timeout\n"));
    buf_clear(&out);
}

static void two_failures_are_combined(void **state)
{
    (void)state;
    const struct finding *f = expect("local m = wye.model \"a/good\"\nreturn function(req)\n"
                                     "  local _, one = m:ask(req)\n  local _, two = m:ask(req)\n"
                                     "  if one and two and one.kind == \"auth\" and two.kind == \"limit\" then\n"
                                     "    return nil\n  end\n  return m\nend\n",
                                     6, 5, "returned nothing");
    assert_string_equal(f->seen, "when ask 1 of a/good answers auth and ask 2 of a/good answers limit");
}

static void text_that_is_not_json_is_tried(void **state)
{
    (void)state;
    const struct finding *f = expect("local m = wye.model \"a/good\"\nreturn function(req)\n  local reply = m:ask(req)\n"
                                     "  if reply and reply.json.answer then return reply end\n  return m\nend\n",
                                     4, 22, "'json'");
    assert_string_equal(f->seen, "when ask 1 of a/good answers text that is not JSON");
}

/* The models that choose do choose: what follows their choice is tried too. */
static void what_follows_a_choice_is_tried(void **state)
{
    (void)state;
    expect("local m = wye.model \"a/good\"\nreturn function(req)\n  local drafts = wye.gather({ m, m }, req)\n"
           "  local pick = drafts[2] and m:pick(req, drafts)\n  if pick then return pick.indx.x end\n  return m\nend\n",
           5, 28, "attempt to index field 'indx'");
}

static void what_follows_a_label_is_tried(void **state)
{
    (void)state;
    expect("local m = wye.model \"a/good\"\nreturn function(req)\n"
           "  local label, p = m:classify(req.prompt, { \"x\", \"y\" })\n  if label == \"x\" then return p end\n  return m\nend\n",
           4, 3, "the route returned number");
}

static void a_retry_without_an_end_is_found(void **state)
{
    (void)state;
    const struct finding *f = expect("local m = wye.model \"a/good\"\nreturn function(req)\n  local r\n"
                                     "  repeat r = m:ask(req) until r\n  return r\nend\n",
                                     4, 3, "asks on and on");
    assert_string_equal(f->seen, "when every ask answers malformed");
}

static void a_loop_only_under_a_fault_is_ended(void **state)
{
    (void)state;
    const struct finding *f = expect("local m = wye.model \"a/good\"\nreturn function(req)\n  local r = m:ask(req)\n"
                                     "  while not r do end\n  return r\nend\n",
                                     4, 3, "50 ms");
    assert_string_equal(f->seen, "when ask 1 of a/good answers malformed");
    assert_int_equal(check->count, 1);
}

static void after_is_told_of_an_exhausted_list(void **state)
{
    (void)state;
    const struct finding *f = expect("local m = wye.model \"a/good\"\nreturn { route = function() return { m, m } end,\n"
                                     "  after = function(o) return o.served:upper() end }\n",
                                     3, 32, "'served'");
    assert_string_equal(f->seen, "after every model of the list that it served answered malformed");
}

static void what_is_cut_is_said(void **state)
{
    (void)state;
    write_file("route.lua", "local m = wye.model \"a/good\"\nreturn function(req)\n  for _ = 1, 6 do m:ask(req) end\n"
                            "  return m\nend\n");
    assert_int_equal(check_project(dir, check), 0);
    assert_true(check->checked[0].is_cut);
    assert_in_range(check->checked[0].paths, 1, 2000);
}

static void words_without_a_place_are_kept_whole(void **state)
{
    (void)state;
    struct finding f = {0};
    check_place(&f, "cannot read it: no such file", NULL);
    assert_string_equal(f.message, "cannot read it: no such file");
    assert_int_equal(f.line, 0);
    assert_string_equal(f.file, "");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_project, close_project)
    const struct CMUnitTest tests[] = {
        CASE(a_good_project_has_no_findings),
        CASE(an_unknown_model_is_pointed_at),
        CASE(a_syntax_error_is_pointed_at),
        CASE(a_branch_that_only_images_take_is_tried),
        CASE(a_loop_is_ended_and_told_once),
        CASE(a_mishandled_failure_is_found_with_its_fault),
        CASE(two_failures_are_combined),
        CASE(text_that_is_not_json_is_tried),
        CASE(what_follows_a_choice_is_tried),
        CASE(what_follows_a_label_is_tried),
        CASE(a_retry_without_an_end_is_found),
        CASE(a_loop_only_under_a_fault_is_ended),
        CASE(after_is_told_of_an_exhausted_list),
        CASE(what_is_cut_is_said),
        CASE(words_without_a_place_are_kept_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
