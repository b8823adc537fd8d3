/*
 * http: a strict HTTP/1.1 parser. Pure: bytes in, views out; no sockets, no memory of its own.
 *
 * One message is a head (http_parse_request or http_parse_response on the bytes gathered so far)
 * and then a body (http_body_read, which frames Content-Length, chunked and read-until-close).
 * Views point into the caller's bytes. Refused with a status and words, after which the connection
 * must close: everything DESIGN lists (bare LF or CR, obs-fold, NUL and control bytes, space
 * before the colon, no or several Host, CL with TE, repeated or non-digit CL, TE other than exactly
 * `chunked`, TE on 1.0, bad chunk sizes, chunk extensions over 256 bytes, forbidden trailers).
 * RFC 9110, RFC 9112.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum {
    HTTP_MAX_HEAD = 32 * 1024,
    HTTP_MAX_LINE = 4 * 1024,  /* the request or status line, with its CRLF */
    HTTP_MAX_FIELD = 8190,     /* one field line, with its CRLF */
    HTTP_MAX_FIELDS = 100,
    HTTP_MAX_CHUNK_EXTENSION = 256,
    HTTP_MAX_TRAILERS = 8 * 1024,
};

enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE };

struct http_field {
    struct str name, value; /* value without surrounding blanks */
};

struct http_head {
    struct str method, target; /* requests */
    int status;                /* responses */
    struct str reason;
    int minor; /* of HTTP/1.minor */
    int count;
    enum http_framing framing;
    uint64_t length; /* with HTTP_LENGTH */
    bool keep_alive;
    bool expect_continue;
    struct http_field fields[HTTP_MAX_FIELDS]; /* last, so that a copy may be cut after `count` of them */
};

struct http_error {
    int status;      /* 400, 413, 414, 417, 431, 501, 505: what a server answers; 502 for a reply */
    const char *why; /* static */
};

/*
 * Parses a whole head from the first `len` bytes. `*scanned` (0 for a new message) remembers how far
 * earlier calls looked, so that bytes arriving one by one cost no second scan.
 * Returns the head's length, 0 when more bytes are needed, -1 with *error.
 */
int http_parse_request(struct http_head *head, const char *p, size_t len, size_t *scanned, struct http_error *error);

/* The same for a reply. `method` is that of its request (HEAD and CONNECT change the framing). 1xx heads parse like any other. */
int http_parse_response(struct http_head *head, struct str method, const char *p, size_t len, size_t *scanned,
                        struct http_error *error);

/*
 * The path and query of a request's target, whichever form it was sent in: "/v1/models?x=1" for both
 * that and "http://host/v1/models?x=1" ("/" when an absolute target has no path), "*" and
 * "host:port" as they are.
 */
struct str http_path(const struct http_head *head);

/* The first field of that name (ASCII case ignored); NULL-pointer str when absent. */
struct str http_field_named(const struct http_head *head, struct str name);
static inline struct str http_field(const struct http_head *head, const char *name)
{
    return http_field_named(head, str_of(name)); /* here, so that a constant's length is one too */
}

struct http_body {
    enum http_framing framing;
    uint64_t left;  /* bytes left of the length or the chunk */
    int state;      /* chunked: where in the grammar */
    uint32_t count; /* chunked: digits, extension or trailer bytes so far */
    bool done;
    char trailer[64]; /* chunked: the trailer name being read */
};

void http_body_init(struct http_body *body, const struct http_head *head);

/*
 * Takes bytes from (p, len). Sets *out to the next run of content (a view into p, maybe empty).
 * Returns how many bytes were consumed (content and framing), or -1 with *error. Call again while bytes
 * are left and !body->done. With HTTP_UNTIL_CLOSE the owner decides the end.
 */
long http_body_read(struct http_body *body, const char *p, size_t len, struct str *out, struct http_error *error);

/* "OK", "Not Found", …; "Unknown" for others. */
const char *http_reason(int status);
