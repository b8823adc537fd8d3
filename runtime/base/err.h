/*
 * err: what went wrong, in words for a person and a kind for a program.
 *
 * Functions that can fail take a `struct err *` last and return -1 (or NULL) after err_set.
 * The kinds a route can see carry the names of ROUTES.md section 7.
 */
#pragma once

#include <stdbool.h>

#define ERR_KINDS(X)                                                                               \
    X(NONE, "none")                                                                                \
    X(RATE_LIMIT, "rate_limit")                                                                    \
    X(OVERLOADED, "overloaded")                                                                    \
    X(SERVER_ERROR, "server_error")                                                                \
    X(AUTH, "auth")                                                                                \
    X(BAD_REQUEST, "bad_request")                                                                  \
    X(CONTENT_FILTER, "content_filter")                                                            \
    X(CONNECT, "connect")                                                                          \
    X(CUT, "cut")                                                                                  \
    X(MALFORMED, "malformed")                                                                      \
    X(TIMEOUT, "timeout")                                                                          \
    X(LIMIT, "limit")                                                                              \
    X(CANCELLED, "cancelled")                                                                      \
    X(SCRIPT, "script_error")                                                                      \
    X(SYSTEM, "system")

enum err_kind {
#define X(name, text) ERR_##name,
    ERR_KINDS(X)
#undef X
        ERR_KIND_COUNT
};

struct err {
    enum err_kind kind;
    bool retryable; /* the same act may succeed a moment later */
    char message[480];
};

/* Sets kind and message (cut at the array's end); returns -1 so that callers can `return err_set(...)`. `err` may be NULL. */
int err_set(struct err *err, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

const char *err_kind_name(enum err_kind kind);

/* The kind of that name; ERR_NONE for an unknown one. */
enum err_kind err_kind_of(const char *name);
