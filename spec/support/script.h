/*
 * script: what Lua code sees of `wye`, run in a real generation without the network. The model is m; every ask is answered by script_answer.
 *
 *     assert_string_equal(script_run("local re = wye.re 'a+'", "assert(re:test 'caat')"), "ok");
 */
#pragma once

/* For cmocka. */
int script_setup(void **state);
int script_teardown(void **state);

/* A further file of the project. */
void script_file(const char *path, const char *text);

/* The reply's JSON from now on. */
void script_answer(const char *body);

/* Why a route file that begins with `top` is refused; "" when it is not. */
const char *script_load(const char *top);

/* Runs `body` as a route; what it returned as its reason, "ok" when it returned nothing, or what was raised. */
const char *script_run(const char *top, const char *body);
