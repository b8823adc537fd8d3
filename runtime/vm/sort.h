/*
 * sort: table.sort for the sandbox, bounded whatever the order function answers.
 *
 * A merge sort: at most n log2 n comparisons, stable, no "invalid order function". It works on copies
 * and writes back at the end, so that an error in the middle leaves the table as it was.
 */
#pragma once

#include <lua.h>

int sort_table(lua_State *L);
