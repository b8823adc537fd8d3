/*
 * access: who may talk to the admin API. On a local address a web page in the operator's browser must not (DNS rebinding, cross-site posts): Host and Origin
 * are checked. Elsewhere a bearer token is asked for.
 */
#pragma once

#include "net/http.h"

struct access {
    const char *address; /* bound: "127.0.0.1:9090", "unix:/path" */
    const char *token;   /* NULL: none needed */
};

/* 0, or the status to refuse with and words in *why. */
int access_check(const struct access *a, const struct http_head *head, const char **why);

/* "unix:PATH" or a loopback name or address with a port. */
bool access_is_local(struct str address);
