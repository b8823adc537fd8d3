/*
 * table: columns for people, as wide as their widest cell. Columns of numbers stand right.
 *
 *     struct table t = TABLE(64 * 1024);
 *     table_row(&t, 2, (struct str[]){str_of("worker"), str_of("pid")});   // the first row is the head
 *     table_print(&t, stdout);                                             // frees
 */
#pragma once

#include <stdio.h>

#include "base/arena.h"

enum { TABLE_COLUMNS = 12 };

struct table_line;

struct table {
    struct arena arena;
    struct table_line *first, *last;
    int columns;
};

#define TABLE(ceiling) ((struct table){.arena = ARENA(ceiling)})

/* Copies the cells; a row that does not fit under the ceiling is left out. */
void table_row(struct table *t, int count, const struct str *cells);
void table_print(struct table *t, FILE *out);
