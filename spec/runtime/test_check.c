#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "trial/check.h"
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

static void a_secret_that_is_written_out_is_not_shown(void **state)
{
    (void)state;
    static const struct {
        const char *value, *shown;
    } KEYS[] = {{"\"sk-ab\\\"cd\"", "\"*********\""}, {"'sk-\"abcd'", "'********'"}, {"[[sk-abcd]]", "[[*******]]"}, {"[=[sk-abcd]=]", "[=[*******]=]"}};
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        char line[200], shown[240];
        snprintf(line, sizeof line, "return { providers = { p = { key = %s } } }\n", KEYS[i].value);
        snprintf(shown, sizeof shown, "    1 | return { providers = { p = { key = %s } } }\n", KEYS[i].shown);
        struct manifest *files = manifest_new(dir);
        manifest_put(files, "wye.lua", str_of(line));
        struct finding f = {.file = "", .line = 1, .column = 1, .width = 6, .message = "providers.p.key: a secret does not belong in the source; write …"};
        snprintf(f.file, sizeof f.file, "%s/wye.lua", manifest_label(files));
        struct buf out = BUF(4096);
        check_explain(&f, files, &out);
        if (!strstr(out.p, shown) || strstr(out.p, "sk-"))
            fail_msg("%.*s", (int)out.len, out.p);
        buf_clear(&out);
        manifest_free(files);
    }
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

static void where_only_the_line_is_known_all_it_says_is_underlined(void **state)
{
    (void)state;
    const struct finding *f = expect("return function(req)\n\tif req.has_tools then error({}) end   -- never\n  return wye.model \"a/good\"\nend\n", 2, 2, "");
    struct buf out = BUF(4096);
    check_explain(f, check->files, &out);
    assert_non_null(strstr(out.p, "    2 | \tif req.has_tools then error({}) end   -- never\n      | \t^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"));
    buf_clear(&out);
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

static void a_route_that_ends_without_a_return_is_placed_at_its_function(void **state)
{
    (void)state;
    expect("local m = wye.model \"a/good\"\nlocal function helper() return m end\n\nreturn function(req)\n  helper()\nend\n", 4, 1, "returned nothing");
    check_clear(check);
    memset(check, 0, sizeof *check);
    expect("\n\nreturn function(req)\nend\n", 3, 1, "returned nothing");
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

static const char TRIAL[] = "local m = wye.model \"a/good\"\n"
                            "local inner = wye.experiment(\"inner\", { { \"x\", 100, function() return m end },\n"
                            "  { \"y\", 0, function(req) local r = m:ask(req); if not r then return r.text end return m end } })\n"
                            "local outer = wye.experiment(\"outer\", { unit = \"user\", { \"a\", 50, function() return m end },\n"
                            "  { \"b\", 50, function(req) return inner(req) end } })\n"
                            "return function(req) return outer(req) end\n";

static void each_arm_is_tried_and_named(void **state)
{
    (void)state;
    const struct finding *f = expect(TRIAL, 3, 70, "index local 'r'");
    assert_string_equal(f->seen, "in arm b of outer and arm y of inner, when ask 1 of a/good answers malformed");
}

static void an_arm_that_does_not_end_hides_no_other(void **state)
{
    (void)state;
    write_file("route.lua", "local m = wye.model \"a/good\"\n"
                            "local t = wye.experiment(\"t\", { unit = \"user\", { \"a\", 50, function() while true do end end },\n"
                            "  { \"b\", 50, function(req) return req.nonesuch end } })\n"
                            "return function(req) return t(req) end\n");
    assert_int_equal(check_project(dir, check), 2);
    assert_string_equal(check->findings[0].seen, "in arm a of t");
    assert_string_equal(check->findings[1].seen, "in arm b of t");
}

static void the_rule_of_a_shadow_is_tried_and_named(void **state)
{
    (void)state;
    const struct finding *f = expect("local m = wye.model \"a/good\"\nlocal function rule(req)\n  local r, err = m:ask(req)\n"
                                     "  if err and err.kind == \"auth\" then return r.text end\n  return r or m\nend\n"
                                     "return function(req)\n  wye.shadow(rule, req, { rate = 0.01 })\n  local r = m:ask(req)\n  return r or m\nend\n",
                                     4, 45, "index local 'r'");
    assert_non_null(strstr(f->seen, "/route.lua:8, when ask 1 of a/good answers auth"));
    assert_memory_equal(f->seen, "in the shadow of ", 17);
}

static void more_casts_than_are_tried_are_said(void **state)
{
    (void)state;
    struct buf route = BUF(8192);
    buf_puts(&route, "local m = wye.model \"a/good\"\nlocal t = {}\n");
    for (int i = 0; i < 6; i++)
        buf_printf(&route, "t[%d] = wye.experiment(\"t%d\", { unit = \"user\", { \"a\", 50, function() return m end }, { \"b\", 50, function() return m end } })\n",
                   i + 1, i);
    buf_puts(&route, "return function(req) for i = 1, 6 do t[i](req) end return m end\n");
    write_file("route.lua", route.p);
    assert_int_equal(check_project(dir, check), 0);
    assert_true(check->checked[0].is_cut);
    buf_clear(&route);
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

/* Each on a path that no built-in request takes: only reading the source finds it. */
static void a_name_is_found_on_a_path_not_taken(void **state)
{
    (void)state;
    const struct finding *f = expect("local cheap = wye.model \"a/good\"\nreturn function(req)\n  -- chaep\n"
                                     "  if req.prompt == \"nobody says it\" then local x = \"chaep\"; return chaep, x end\n"
                                     "  return cheap\nend\n", 4, 68, "unknown global 'chaep' (did you mean 'cheap'?)");
    assert_int_equal(f->width, 5);
    assert_string_equal(f->request, "");
    assert_string_equal(f->route, "route");
}

static const char *one_line(const char *code)
{
    static char source[1024];
    snprintf(source, sizeof source, "local m = wye.model \"a/good\"\nreturn function(req)\n  if req.prompt == \"-\" then\n%s\n  end\n"
             "  return m\nend\n", code);
    return source;
}

static const struct finding *expect_line(const char *code, int column, const char *words)
{
    memset(check, 0, sizeof *check);
    const struct finding *f = expect(one_line(code), 4, column, words);
    check_clear(check);
    return f;
}

static void each_kind_of_wrong_name_is_found(void **state)
{
    (void)state;
    expect_line("total = 1", 1, "globals are read-only: use local (local total = …)");
    expect_line("function help() end", 10, "globals are read-only: use local (local help = …)");
    expect_line("print = 1", 1, "globals are read-only: use local (local print = …)");
    expect_line("wye.noet(\"x\")", 5, "unknown field 'noet' of wye (did you mean 'note'?)");
    expect_line("return wye.json.decod(\"1\")", 17, "unknown field 'decod' of wye.json (did you mean 'decode'?)");
    expect_line("return os.time()", 8, "'os' does not exist here: for the time use wye.now");
    expect_line("return m, \"a\"..reasn", 16, "unknown global 'reasn'");
    expect_line("do local y = 1 end return m, y", 30, "unknown global 'y'");
    expect_line("for i = 1, 2 do m:ask(req) end return m, i", 42, "unknown global 'i'");
    expect_line("if m then local a = 1 else return a end", 35, "unknown global 'a'");
    expect_line("local f = function(p) return p end return f(p)", 45, "unknown global 'p'");
    expect_line("local t = { a = b1, c = function(z) return z end }", 17, "unknown global 'b1'");
}

/* What looks like a global and is none. */
static void good_names_are_left_alone(void **state)
{
    (void)state;
    static const char *const good[] = {
        "local t = { key = 1, m, other = { deep = m }; last = 2, [m.id] = 3, f = function(self, q) self.x = q end }\nt.field = t.key; t:f(1)",
        "for k, v in pairs({}) do if k == v then return m, k .. v end end",
        "for i = 1, 3 do for j = i, 1, -1 do local function rec(n) return n > 0 and rec(n - j) or i end rec(1) end end",
        "local function va(...) local a, b = ... return select(\"#\", ...), a, b end va()",
        "local o = {}\nfunction o.a(x) return x end\nfunction o.n() end\nfunction o:m(y) return self, y end\no.a(o:m(1))",
        "repeat local done = true until done",
        "do goto continue end\n::continue::",
        "local i = 0 while i < 2 do local w = function() for q = 1, 2 do i = i + q end end w() end",
        "local s = [[free text = here]] .. 'quoted name' --[==[ a comment = x ]==]\nlocal n = 0x1p4 + 1e5 + 10ULL\nreturn m, s:sub(1, 2)..tostring(n)",
        "local v if m then v = 1 elseif req then v = 2 else v = 3 end return m, tostring(v)",
        "local w = wye; wye.note(\"x\", { kind = wye.null }); w.note(math.huge == 1 and \"\" or string.rep(\"x\", 2))",
        "local wye = {}; return m, wye.anything",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        memset(check, 0, sizeof *check);
        write_file("route.lua", one_line(good[i]));
        int errors = check_project(dir, check);
        if (errors)
            print_error("%s\n%s\n", good[i], check->findings[0].message);
        assert_int_equal(errors, 0);
        check_clear(check);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_project, close_project)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_good_project_has_no_findings),
        CASE(a_name_is_found_on_a_path_not_taken),
        CASE(each_kind_of_wrong_name_is_found),
        CASE(good_names_are_left_alone),
        CASE(an_unknown_model_is_pointed_at),
        CASE(a_secret_that_is_written_out_is_not_shown),
        CASE(a_syntax_error_is_pointed_at),
        CASE(a_branch_that_only_images_take_is_tried),
        CASE(a_loop_is_ended_and_told_once),
        CASE(where_only_the_line_is_known_all_it_says_is_underlined),
        CASE(a_mishandled_failure_is_found_with_its_fault),
        CASE(two_failures_are_combined),
        CASE(a_route_that_ends_without_a_return_is_placed_at_its_function),
        CASE(text_that_is_not_json_is_tried),
        CASE(what_follows_a_choice_is_tried),
        CASE(what_follows_a_label_is_tried),
        CASE(a_retry_without_an_end_is_found),
        CASE(a_loop_only_under_a_fault_is_ended),
        CASE(each_arm_is_tried_and_named),
        CASE(an_arm_that_does_not_end_hides_no_other),
        CASE(the_rule_of_a_shadow_is_tried_and_named),
        CASE(more_casts_than_are_tried_are_said),
        CASE(after_is_told_of_an_exhausted_list),
        CASE(what_is_cut_is_said),
        CASE(words_without_a_place_are_kept_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
