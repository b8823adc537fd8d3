/* check_requests: the requests that every route is tried with. */
#pragma once

#include "base/buf.h"

struct check_request {
    const char *name;
    const char *body; /* NULL: check_long_body makes it */
};

extern const struct check_request CHECK_REQUESTS[];
extern const int CHECK_REQUEST_COUNT;

/* A conversation of about 20,000 tokens. */
int check_long_body(struct buf *out);
