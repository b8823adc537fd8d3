/*
 * fetch: one blocking HTTP request, for the command line and for processes that may wait. Loops never call it.
 *
 * `err->kind` tells what a command has to tell apart: ERR_CONNECT means that nothing listens at the address
 * (refused, or no such socket), so commands exit 3; every other kind means that something was there but did
 * not answer as it should. Proxies of the environment are ignored and redirects are not followed.
 *
 *     struct buf reply = BUF(1 << 20);
 *     int status;
 *     if (fetch("127.0.0.1:9090", "GET", "/status", str_of(NULL), NULL, 5000, &reply, &status, &err) < 0)
 *         return err.kind == ERR_CONNECT ? 3 : 1;
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/*
 * `address` is "127.0.0.1:9090", ":9090", "[::1]:9090" or "unix:/path". `token` (or NULL) is sent as a bearer token.
 * The reply's body is appended to `reply`, whose ceiling holds. `timeout_ms` bounds the whole (0: none). Any
 * status is a success here: 0 and *status, or -1 with *err.
 */
int fetch(const char *address, const char *method, const char *path, struct str body,
          const char *token, unsigned timeout_ms, struct buf *reply, int *status, struct err *err);

/* A header line of the reply that the caller wants to know: its value, cut at `size`; "" when there is none. */
struct fetch_field {
    const char *name;
    char *out;
    size_t size;
};

/* The same, and a field of the reply's head. Several threads may fetch at once. */
int fetch_with_field(const char *address, const char *method, const char *path, struct str body, const char *token, unsigned timeout_ms,
                     struct buf *reply, int *status, struct fetch_field *field, struct err *err);

/* A whole URL, http or https, and how it is reached. */
struct fetch_to {
    const char *url;
    const char *const *lines; /* further header lines; a list that NULL ends */
    const char *proxy, *ca_file; /* NULL: none, the system's */
    bool is_private;             /* a name may resolve to a private, loopback or link-local address (net/address.h) */
};

/* A request with a body of JSON to it. ERR_BAD_REQUEST for a URL that is none; ERR_CONNECT when nobody is there, or the address is not allowed. */
int fetch_url(const struct fetch_to *to, const char *method, struct str body, unsigned timeout_ms, struct buf *reply, int *status,
              struct fetch_field *field, struct err *err);
