/*
 * http_fields: the part of a head that requests and replies share. Internal to net/http*.c.
 *
 * In order: http_fields_end until the head is complete, then (after the first line, which is the
 * caller's) http_fields_split, which notes what bears on the message, then http_fields_framing.
 */
#pragma once

#include "net/http.h"

/* What the fields said about framing and the connection, gathered while they are split. */
struct http_notes {
    struct str length, coding, host, expect;
    int lengths, codings, hosts, types;
    bool close, keep_alive;
};

/* Fills *error; -1. */
int http_refuse(struct http_error *error, int status, const char *why);

/*
 * Looks for the blank line from *scanned on; the first line begins at `first`. Returns the length of the
 * head (its blank line included), 0 when it has not come, -1 for a limit passed or a byte that no head may hold.
 */
long http_fields_end(const char *p, size_t len, size_t first, size_t *scanned,
                     struct http_error *error);

/* Splits the lines from p up to the blank one into head->fields. `end` is the end of the head. */
int http_fields_split(struct http_head *head, const char *p, const char *end,
                      struct http_notes *notes, struct http_error *error);

/*
 * Sets framing and length by RFC 9112 section 6, without its lenient branches: what two parsers could
 * read differently is refused. Needs head->minor.
 */
int http_fields_framing(struct http_head *head, const struct http_notes *notes,
                        struct http_error *error);
