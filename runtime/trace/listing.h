/* listing: source lines with what happened at them. For story.c. */
#pragma once

#include "trace/story.h"

struct mark {
    struct str file;
    int line;
    enum text_colour colour;
    char words[400]; /* what happened there */
};

struct marks {
    struct mark *at; /* in the order in which it happened */
    int count, room;
};

/* "routes/route.lua:12" or "routes/route.lua:12: message" → file, line and (may be NULL) what follows. */
bool listing_place(struct str place, struct str *file, int *line, struct str *rest);

/* Adds a mark at `place`; nothing when that names none. */
void listing_mark(struct marks *m, struct str place, enum text_colour colour, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends the lines of one file around its marks, each mark under its line. */
void listing_tell(struct text *t, const struct story_source *source, const struct marks *m);
