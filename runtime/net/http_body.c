#include <string.h>

#include "net/http.h"
#include "net/http_bytes.h"
#include "net/http_fields.h"

/* Where in the chunked grammar of RFC 9112 section 7.1 the next byte stands. */
enum {
    SIZE,
    EXTENSION_NAME, /* after ';': blanks, then a token must begin */
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_NAME, /* at the start of a trailer line, or inside its name */
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
};

void http_body_init(struct http_body *body, const struct http_head *head)
{
    *body = (struct http_body){.framing = head->framing, .state = SIZE};
    if (head->framing == HTTP_LENGTH)
        body->left = head->length;
    body->done = head->framing == HTTP_NO_BODY || (head->framing == HTTP_LENGTH && body->left == 0);
}

static unsigned hex_value(char c)
{
    return http_is(c, HTTP_DIGIT) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static int size_byte(struct http_body *body, char c, struct http_error *error)
{
    if (http_is(c, HTTP_HEX)) {
        if (++body->count > 16)
            return http_refuse(error, 400, "a chunk size over 16 digits");
        body->left = body->left << 4 | hex_value(c);
        return 0;
    }
    if (body->count == 0 || (c != '\r' && c != ';'))
        return http_refuse(error, 400, "a chunk size that is no hexadecimal number");
    body->count = 1;
    body->state = c == ';' ? EXTENSION_NAME : SIZE_LF;
    return 0;
}

static int extension_byte(struct http_body *body, char c, struct http_error *error)
{
    if (body->state == EXTENSION && c == '\r') {
        body->state = SIZE_LF;
        return 0;
    }
    if (http_is(c, HTTP_CONTROL))
        return http_refuse(error, 400, "a control byte in a chunk extension");
    if (++body->count > HTTP_MAX_CHUNK_EXTENSION)
        return http_refuse(error, 400, "chunk extensions over 256 bytes");
    if (body->state == EXTENSION_NAME && http_is(c, HTTP_TCHAR))
        body->state = EXTENSION;
    else if (body->state == EXTENSION_NAME && c != ' ' && c != '\t')
        return http_refuse(error, 400, "a chunk extension without a name");
    return 0;
}

/* RFC 9110 6.5.1: fields that frame, route, authenticate or say how to read content may not come after it. */
static bool is_forbidden(const char *name)
{
    static const char *const names[] = {
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "max-forwards",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
        "x-api-key",
        "api-key",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "forwarded",
        "x-goog-api-key",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

/* The name gathers in body->trailer, NUL-terminated; its length is that of the string. */
static int trailer_name_byte(struct http_body *body, char c, struct http_error *error)
{
    size_t len = strlen(body->trailer);
    if (len == 0 && c == '\r') {
        body->state = END_LF;
        return 0;
    }
    if (c == ':' && len > 0) {
        if (is_forbidden(body->trailer))
            return http_refuse(error, 400, "a trailer that may not come after the content");
        body->state = TRAILER_VALUE;
        return 0;
    }
    if (!http_is(c, HTTP_TCHAR))
        return http_refuse(error, 400, "a trailer name that is no token");
    if (len + 1 == sizeof body->trailer)
        return http_refuse(error, 400, "a trailer name over 63 bytes");
    body->trailer[len] = c;
    return 0;
}

static int trailer_value_byte(struct http_body *body, char c, struct http_error *error)
{
    if (c == '\r')
        body->state = TRAILER_LF;
    else if (http_is(c, HTTP_CONTROL))
        return http_refuse(error, 400, "a control byte in a trailer");
    return 0;
}

static void begin_trailer(struct http_body *body)
{
    memset(body->trailer, 0, sizeof body->trailer);
    body->state = TRAILER_NAME;
}

/* The LF that each CR of the framing must be followed by. */
static int line_feed(struct http_body *body, char c, struct http_error *error)
{
    if (c != '\n')
        return http_refuse(error, 400, "a bare CR in chunked framing");
    if (body->state == END_LF) {
        body->done = true;
    } else if (body->state == TRAILER_LF) {
        begin_trailer(body);
    } else if (body->state == DATA_LF) {
        body->state = SIZE;
        body->count = 0;
    } else if (body->left > 0) {
        body->state = DATA;
    } else {
        body->count = 0;
        begin_trailer(body);
    }
    return 0;
}

/* One byte of framing (never of content). A byte refused once is refused again. */
static int framing_byte(struct http_body *body, char c, struct http_error *error)
{
    switch (body->state) {
    case SIZE:
        return size_byte(body, c, error);
    case EXTENSION_NAME:
    case EXTENSION:
        return extension_byte(body, c, error);
    case DATA_CR:
        if (c != '\r')
            return http_refuse(error, 400, "a chunk longer than its size");
        body->state = DATA_LF;
        return 0;
    case TRAILER_NAME:
    case TRAILER_VALUE:
        if (body->count++ >= HTTP_MAX_TRAILERS)
            return http_refuse(error, 431, "trailers over 8 KiB");
        return body->state == TRAILER_NAME ? trailer_name_byte(body, c, error)
                                           : trailer_value_byte(body, c, error);
    default:
        return line_feed(body, c, error);
    }
}

/* One run of content at most, and the framing around it as far as it has come. */
static long read_chunked(struct http_body *body, const char *p, size_t len, struct str *out,
                         struct http_error *error)
{
    size_t at = 0;
    while (at < len && !body->done) {
        if (body->state != DATA) {
            if (framing_byte(body, p[at], error) < 0)
                return out->len > 0 ? (long)at : -1;
            at++;
        } else if (out->len > 0) {
            break;
        } else {
            size_t run = len - at < body->left ? len - at : (size_t)body->left;
            *out = str_n(p + at, run);
            at += run;
            body->left -= run;
            body->state = body->left == 0 ? DATA_CR : DATA;
        }
    }
    return (long)at;
}

long http_body_read(struct http_body *body, const char *p, size_t len, struct str *out,
                    struct http_error *error)
{
    *out = str_n(p, 0);
    if (body->done)
        return 0;
    if (body->framing == HTTP_CHUNKED)
        return read_chunked(body, p, len, out, error);
    if (body->framing == HTTP_LENGTH) {
        if (len > body->left)
            len = (size_t)body->left;
        body->left -= len;
        body->done = body->left == 0;
    }
    *out = str_n(p, len);
    return (long)len;
}
