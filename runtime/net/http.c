#include "net/http.h"

#include <string.h>

#include "net/http_bytes.h"

#define HTTP_REASONS(X)                                                                            \
    X(100, "Continue")                                                                             \
    X(101, "Switching Protocols")                                                                  \
    X(200, "OK")                                                                                   \
    X(201, "Created")                                                                              \
    X(202, "Accepted")                                                                             \
    X(204, "No Content")                                                                           \
    X(206, "Partial Content")                                                                      \
    X(301, "Moved Permanently")                                                                    \
    X(302, "Found")                                                                                \
    X(303, "See Other")                                                                            \
    X(304, "Not Modified")                                                                         \
    X(307, "Temporary Redirect")                                                                   \
    X(308, "Permanent Redirect")                                                                   \
    X(400, "Bad Request")                                                                          \
    X(401, "Unauthorized")                                                                         \
    X(402, "Payment Required")                                                                     \
    X(403, "Forbidden")                                                                            \
    X(404, "Not Found")                                                                            \
    X(405, "Method Not Allowed")                                                                   \
    X(406, "Not Acceptable")                                                                       \
    X(408, "Request Timeout")                                                                      \
    X(409, "Conflict")                                                                             \
    X(410, "Gone")                                                                                 \
    X(411, "Length Required")                                                                      \
    X(412, "Precondition Failed")                                                                  \
    X(413, "Content Too Large")                                                                    \
    X(414, "URI Too Long")                                                                         \
    X(415, "Unsupported Media Type")                                                               \
    X(416, "Range Not Satisfiable")                                                                \
    X(417, "Expectation Failed")                                                                   \
    X(421, "Misdirected Request")                                                                  \
    X(422, "Unprocessable Content")                                                                \
    X(424, "Failed Dependency")                                                                    \
    X(425, "Too Early")                                                                            \
    X(426, "Upgrade Required")                                                                     \
    X(428, "Precondition Required")                                                                \
    X(429, "Too Many Requests")                                                                    \
    X(431, "Request Header Fields Too Large")                                                      \
    X(451, "Unavailable For Legal Reasons")                                                        \
    X(499, "Client Closed Request")                                                                \
    X(500, "Internal Server Error")                                                                \
    X(501, "Not Implemented")                                                                      \
    X(502, "Bad Gateway")                                                                          \
    X(503, "Service Unavailable")                                                                  \
    X(504, "Gateway Timeout")                                                                      \
    X(505, "HTTP Version Not Supported")                                                           \
    X(507, "Insufficient Storage")                                                                 \
    X(529, "Overloaded")

/* What the fields said about framing and the connection, gathered while they are split. */
struct notes {
    struct str length, coding, host, expect;
    int lengths, codings, hosts, types;
    bool close, keep_alive;
};

static int refuse(struct http_error *error, int status, const char *why)
{
    *error = (struct http_error){status, why};
    return -1;
}

static struct str trim(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return str_n(p, (size_t)(end - p));
}

/* ---- where the head ends ---- */

static int too_long(size_t at, bool is_first, struct http_error *error)
{
    if (at + 2 > HTTP_MAX_HEAD)
        return refuse(error, 431, "the head is over 32 KiB");
    if (is_first)
        return refuse(error, 414, "the first line is over 4 KiB");
    return refuse(error, 431, "a field line is over 8190 bytes");
}

/*
 * Looks for the blank line from *scanned on. Returns the length of the head (its blank line included),
 * 0 when it has not come, -1 for a limit passed or a byte that no head may hold. What is said of a
 * position depends on the bytes before it only, so that arrival in pieces changes nothing.
 */
static long find_end(const char *p, size_t len, size_t first, size_t *scanned,
                     struct http_error *error)
{
    size_t at = *scanned > first ? *scanned : first;
    const char *previous = memrchr(p, '\n', at);
    size_t line = previous ? (size_t)(previous - p) + 1 : 0;
    for (;;) {
        bool is_first = line == first;
        at = (size_t)(http_find_control(p + at, p + len) - p);
        *scanned = at;
        if (at + 2 > HTTP_MAX_HEAD || at + 2 - line > (is_first ? HTTP_MAX_LINE : HTTP_MAX_FIELD))
            return too_long(at, is_first, error);
        if (at == len || (p[at] == '\r' && at + 1 == len))
            return 0;
        if (p[at] == '\n')
            return refuse(error, 400, "a bare LF in the head");
        if (p[at] != '\r')
            return refuse(error, 400, "a control byte in the head");
        if (p[at + 1] != '\n')
            return refuse(error, 400, "a bare CR in the head");
        if (at == line)
            return is_first ? refuse(error, 400, "an empty first line") : (long)at + 2;
        line = at += 2;
    }
}

/* ---- the fields ---- */

/* `lower` is in lower case; `name` holds token bytes only. */
static bool is_name(struct str name, const char *lower)
{
    for (size_t i = 0; i < name.len; i++)
        if ((name.p[i] | 0x20) != lower[i])
            return false;
    return true;
}

static bool next_item(struct str *list, struct str *item)
{
    if (list->len == 0)
        return false;
    const char *end = list->p + list->len;
    const char *comma = memchr(list->p, ',', list->len);
    *item = trim(list->p, comma ? comma : end);
    *list = comma ? str_n(comma + 1, (size_t)(end - comma - 1)) : str_n(end, 0);
    return true;
}

static void note_connection(struct notes *notes, struct str value)
{
    for (struct str item; next_item(&value, &item);) {
        notes->close |= str_ieq(item, "close");
        notes->keep_alive |= str_ieq(item, "keep-alive");
    }
}

static void note_field(struct notes *notes, const struct http_field *field)
{
    struct str name = field->name;
    switch (name.len) {
    case 4:
        if (is_name(name, "host")) {
            notes->host = field->value;
            notes->hosts++;
        }
        break;
    case 6:
        if (is_name(name, "expect"))
            notes->expect = field->value;
        break;
    case 10:
        if (is_name(name, "connection"))
            note_connection(notes, field->value);
        break;
    case 12:
        notes->types += is_name(name, "content-type");
        break;
    case 14:
        if (is_name(name, "content-length")) {
            notes->length = field->value;
            notes->lengths++;
        }
        break;
    case 17:
        if (is_name(name, "transfer-encoding")) {
            notes->coding = field->value;
            notes->codings++;
        }
        break;
    }
}

static const char *bad_name(const char *line, const char *at)
{
    if (*line == ' ' || *line == '\t')
        return "a folded field line";
    if (*at == ' ' || *at == '\t')
        return "a blank before a field's colon";
    return "a field name that is no token";
}

/* Splits the lines from p up to the blank one. `end` is the end of the head. */
static int split_fields(struct http_head *head, const char *p, const char *end, struct notes *notes,
                        struct http_error *error)
{
    head->count = 0;
    while (*p != '\r') {
        const char *line = p;
        while (http_is(*p, HTTP_TCHAR))
            p++;
        if (*p != ':' || p == line)
            return refuse(error, 400, bad_name(line, p));
        if (head->count == HTTP_MAX_FIELDS)
            return refuse(error, 431, "over 100 fields");
        const char *stop = http_find_control(p + 1, end);
        struct http_field *field = &head->fields[head->count++];
        *field = (struct http_field){str_n(line, (size_t)(p - line)), trim(p + 1, stop)};
        note_field(notes, field);
        p = stop + 2;
    }
    return 0;
}

/* ---- framing ---- */

static int parse_length(struct str digits, uint64_t *out, struct http_error *error)
{
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len; i++)
        if (!http_is(digits.p[i], HTTP_DIGIT))
            return refuse(error, 400, "a Content-Length that is no number");
    if (digits.len == 0)
        return refuse(error, 400, "an empty Content-Length");
    for (size_t i = 0; i < digits.len; i++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(digits.p[i] - '0'), &value))
            return refuse(error, 413, "a Content-Length over 2^64");
    }
    *out = value;
    return 0;
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!http_is(s.p[i], HTTP_TCHAR))
            return false;
    return s.len > 0;
}

/* RFC 9112 section 6, without its lenient branches: what two parsers could read differently is refused. */
static int set_framing(struct http_head *head, const struct notes *notes, struct http_error *error)
{
    head->framing = HTTP_NO_BODY;
    head->length = 0;
    if (notes->codings > 0 && notes->lengths > 0)
        return refuse(error, 400, "Content-Length with Transfer-Encoding");
    if (notes->lengths > 1)
        return refuse(error, 400, "several Content-Length fields");
    if (notes->codings > 1)
        return refuse(error, 400, "several Transfer-Encoding fields");
    if (notes->lengths == 1) {
        head->framing = HTTP_LENGTH;
        return parse_length(notes->length, &head->length, error);
    }
    if (notes->codings == 0)
        return 0;
    if (head->minor == 0)
        return refuse(error, 400, "Transfer-Encoding in HTTP/1.0");
    if (!str_ieq(notes->coding, "chunked"))
        return refuse(error, is_token(notes->coding) ? 501 : 400,
                      "a Transfer-Encoding other than chunked");
    head->framing = HTTP_CHUNKED;
    return 0;
}

static bool keeps_alive(const struct http_head *head, const struct notes *notes)
{
    return !notes->close && (head->minor == 1 || notes->keep_alive);
}

/* "HTTP/1.0" or "HTTP/1.1" at p, which has at least 8 bytes to read. */
static int parse_version(const char *p, int *minor, struct http_error *error)
{
    if (memcmp(p, "HTTP/", 5) != 0 || !http_is(p[5], HTTP_DIGIT) || p[6] != '.' ||
        !http_is(p[7], HTTP_DIGIT))
        return refuse(error, 400, "no HTTP version");
    if (p[5] != '1' || p[7] > '1')
        return refuse(error, 505, "a version other than HTTP/1.0 and HTTP/1.1");
    *minor = p[7] - '0';
    return 0;
}

/* ---- requests ---- */

/* host [":" port] of RFC 3986 without user information; the port is 0 to 5 digits. */
static bool is_authority(struct str s, bool needs_port)
{
    const char *p = s.p, *end = s.p + s.len;
    if (p < end && *p == '[') {
        for (p++; p < end && (http_is(*p, HTTP_HEX) || *p == ':' || *p == '.'); p++)
            ;
        if (p - s.p < 3 || p == end || *p++ != ']')
            return false;
    } else {
        while (p < end && http_is(*p, HTTP_HOST))
            p++;
        if (p == s.p)
            return false;
    }
    if (p == end)
        return !needs_port;
    const char *port = *p == ':' ? p + 1 : end;
    for (p = port; p < end && http_is(*p, HTTP_DIGIT); p++)
        ;
    return p == end && end - port <= 5 && (end > port || (!needs_port && port[-1] == ':'));
}

/* The length of "http://" or "https://" at the start of s, else 0. */
static size_t scheme_length(struct str s)
{
    if (s.len > 7 && strncasecmp(s.p, "http://", 7) == 0)
        return 7;
    if (s.len > 8 && strncasecmp(s.p, "https://", 8) == 0)
        return 8;
    return 0;
}

/* Where the authority of an absolute target ends: at '/', '?' or the end. */
static size_t authority_end(struct str target, size_t from)
{
    while (from < target.len && target.p[from] != '/' && target.p[from] != '?')
        from++;
    return from;
}

static bool is_absolute(struct str target)
{
    size_t start = scheme_length(target);
    if (start == 0)
        return false;
    size_t end = authority_end(target, start);
    const char *user = memrchr(target.p + start, '@', end - start);
    if (user != NULL)
        start = (size_t)(user + 1 - target.p);
    return is_authority(str_n(target.p + start, end - start), false);
}

/* The four forms of RFC 9112 section 3.2. */
static bool is_target(struct str method, struct str target)
{
    if (str_eq(method, "CONNECT"))
        return is_authority(target, true);
    if (target.len == 0)
        return false;
    if (target.p[0] == '/')
        return true;
    if (target.len == 1 && target.p[0] == '*')
        return str_eq(method, "OPTIONS");
    return is_absolute(target);
}

/* "METHOD SP target SP HTTP/1.x" up to its CR. Returns its end, or NULL. */
static const char *parse_request_line(struct http_head *head, const char *p, const char *end,
                                      struct http_error *error)
{
    const char *line_end = http_find_control(p, end);
    const char *start = p;
    while (http_is(*p, HTTP_TCHAR))
        p++;
    head->method = str_n(start, (size_t)(p - start));
    if (p == start || *p != ' ')
        return refuse(error, 400, "a method that is no token"), NULL;
    start = ++p;
    while (http_is(*p, HTTP_TARGET))
        p++;
    head->target = str_n(start, (size_t)(p - start));
    if (*p != ' ')
        return refuse(error, 400, "a byte that no request target may hold"), NULL;
    if (line_end - ++p != 8)
        return refuse(error, 400, "no HTTP version"), NULL;
    if (parse_version(p, &head->minor, error) < 0)
        return NULL;
    if (!is_target(head->method, head->target))
        return refuse(error, 400, "a request target of no known form"), NULL;
    return line_end;
}

static int check_request(struct http_head *head, const struct notes *notes,
                         struct http_error *error)
{
    if (notes->hosts > 1)
        return refuse(error, 400, "several Host fields");
    if (notes->hosts == 0 && head->minor == 1)
        return refuse(error, 400, "no Host field");
    if (notes->hosts == 1 && !is_authority(notes->host, false))
        return refuse(error, 400, "a Host that is no host");
    if (notes->types > 1)
        return refuse(error, 400, "several Content-Type fields");
    if (set_framing(head, notes, error) < 0)
        return -1;
    head->keep_alive = keeps_alive(head, notes);
    head->expect_continue = false;
    if (notes->expect.p == NULL || head->minor == 0)
        return 0;
    if (!str_ieq(notes->expect, "100-continue"))
        return refuse(error, 417, "an expectation other than 100-continue");
    head->expect_continue = head->framing != HTTP_NO_BODY;
    return 0;
}

int http_parse_request(struct http_head *head, const char *p, size_t len, size_t *scanned,
                       struct http_error *error)
{
    /* RFC 9112 2.2: one empty line before a request is forgiven. */
    size_t first = len >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
    long end = find_end(p, len, first, scanned, error);
    if (end <= 0)
        return (int)end;
    struct notes notes = {0};
    head->status = 0;
    head->reason = (struct str){NULL, 0};
    const char *line_end = parse_request_line(head, p + first, p + end, error);
    if (line_end == NULL || split_fields(head, line_end + 2, p + end, &notes, error) < 0 ||
        check_request(head, &notes, error) < 0)
        return -1;
    return (int)end;
}

/* ---- responses ---- */

/* "HTTP/1.x SP 3DIGIT [SP reason]" up to its CR, which is at `end`. */
static int parse_status_line(struct http_head *head, const char *p, const char *end,
                             struct http_error *error)
{
    if (end - p < 12)
        return refuse(error, 502, "a short status line");
    if (parse_version(p, &head->minor, error) < 0)
        return -1;
    if (p[8] != ' ' || p[9] < '1' || p[9] > '5' || !http_is(p[10], HTTP_DIGIT) ||
        !http_is(p[11], HTTP_DIGIT) || (end - p > 12 && p[12] != ' '))
        return refuse(error, 502, "a status that is not 100 to 599");
    head->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    head->reason = end - p > 12 ? str_n(p + 13, (size_t)(end - p - 13)) : str_n(end, 0);
    return 0;
}

/* RFC 9112 6.3: which replies have no body whatever their fields say, and which end with the connection. */
static void set_reply_framing(struct http_head *head, struct str method)
{
    bool is_bodiless = head->status < 200 || head->status == 204;
    if (is_bodiless || head->status == 304 || str_eq(method, "HEAD") ||
        (str_eq(method, "CONNECT") && head->status < 300)) {
        /* Who sends a body where none may be may send its bytes too. */
        if (is_bodiless && (head->framing == HTTP_CHUNKED || head->length > 0))
            head->keep_alive = false;
        head->framing = HTTP_NO_BODY;
    } else if (head->framing == HTTP_NO_BODY) {
        head->framing = HTTP_UNTIL_CLOSE;
        head->keep_alive = false;
    }
}

static int parse_response(struct http_head *head, struct str method, const char *p, const char *end,
                          struct http_error *error)
{
    struct notes notes = {0};
    const char *line_end = http_find_control(p, end);
    head->method = head->target = (struct str){NULL, 0};
    head->expect_continue = false;
    if (parse_status_line(head, p, line_end, error) < 0 ||
        split_fields(head, line_end + 2, end, &notes, error) < 0 ||
        set_framing(head, &notes, error) < 0)
        return -1;
    head->keep_alive = keeps_alive(head, &notes);
    set_reply_framing(head, method);
    return 0;
}

int http_parse_response(struct http_head *head, struct str method, const char *p, size_t len,
                        size_t *scanned, struct http_error *error)
{
    long end = find_end(p, len, 0, scanned, error);
    if (end > 0 && parse_response(head, method, p, p + end, error) < 0)
        end = -1;
    if (end < 0)
        error->status = 502;
    return (int)end;
}

/* ---- questions about a head ---- */

struct str http_path(const struct http_head *head)
{
    struct str target = head->target;
    size_t start = scheme_length(target);
    if (start == 0)
        return target;
    size_t end = authority_end(target, start);
    if (end == target.len)
        return str_of("/");
    return str_n(target.p + end, target.len - end);
}

struct str http_field(const struct http_head *head, const char *name)
{
    size_t len = strlen(name);
    for (int i = 0; i < head->count; i++) {
        struct str found = head->fields[i].name;
        if (found.len == len && strncasecmp(found.p, name, len) == 0)
            return head->fields[i].value;
    }
    return (struct str){NULL, 0};
}

const char *http_reason(int status)
{
    switch (status) {
#define X(code, text)                                                                              \
    case code:                                                                                     \
        return text;
        HTTP_REASONS(X)
#undef X
    default:
        return "Unknown";
    }
}
