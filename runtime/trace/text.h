/*
 * text: words and columns for people. For story.c and line.c.
 *
 * Values from outside (reasons, ids, notes) pass text_put, which shows control bytes as '?' so that no terminal obeys them.
 */
#pragma once

#include "base/buf.h"
#include "trace/decision.h"

struct text_style {
    bool has_colour;
    int width; /* columns; longer lines are cut. 0: never */
};

enum text_colour { TEXT_PLAIN, TEXT_BOLD, TEXT_DIM, TEXT_RED, TEXT_GREEN, TEXT_YELLOW, TEXT_CYAN };

struct text {
    struct buf *out;
    const struct text_style *style;
    bool is_full; /* the ceiling was reached */
    int column;   /* of the line being written */
};

void text_put(struct text *t, struct str s);
void text_z(struct text *t, const char *z);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_colour(struct text *t, enum text_colour colour); /* TEXT_PLAIN ends it */
void text_end(struct text *t); /* of the line; blanks at its end go */

/* Blanks up to a column; always at least one, but at column 0. */
void text_tab(struct text *t, int column);

/* "12.3", "0.00012", "-" when absent. Return out. */
char *text_number(const struct record *r, enum field f, char *out, size_t size);
char *text_dollars(const struct record *r, char *out, size_t size); /* of F_USD */
char *text_dollars_of(const struct record *r, enum field f, char *out, size_t size);
struct str text_of(const struct record *r, enum field f); /* "-" when absent */
