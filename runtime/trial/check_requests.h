/* check_requests: the requests that every route is tried with. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "bind/view.h"

struct check_request {
    const char *name;
    const char *body; /* NULL: check_long_body makes it */
    enum protocol protocol;
    const struct http_head *head; /* NULL: a plain one */
};

extern const struct check_request CHECK_REQUESTS[];
extern const int CHECK_REQUEST_COUNT;

/* Captured requests of the trace in `dir`, of clients of every protocol, the newest few of each route; freed as a whole. */
enum { CHECK_RECORDED = 32, CHECK_OF_ROUTE = 8 };

struct check_recorded {
    struct check_request requests[CHECK_RECORDED];
    const char *routes[CHECK_RECORDED]; /* which decided each */
    int order[CHECK_RECORDED];          /* in which they came */
    int count, seen;
    struct arena arena;
};

/* `is_gate`: only recent ones, so that a reload does not wait for a long trace, and none on which the route raised then. */
int check_recorded_read(struct check_recorded *r, const char *dir, bool is_gate, struct err *err);
void check_recorded_clear(struct check_recorded *r);

/* A conversation of about 20,000 tokens. */
int check_long_body(struct buf *out);
