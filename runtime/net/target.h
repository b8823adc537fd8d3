/*
 * target: where an endpoint's connections go, parsed once from its configuration.
 *
 * The parts are taken apart strictly and put together again, so that libcurl sees nothing that was not understood
 * here: a host is letters, digits, `-`, `.`, `_`, or an IPv6 address in brackets. Only a dotted quad, a bracketed
 * IPv6 address and exactly `localhost` count as "an address as written"; other spellings of addresses (127.1,
 * 0x7f000001) are names and meet the check of resolved addresses.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "net/transport.h"

struct target {
    char *origin;    /* what libcurl opens: "https://api.openai.com:443" */
    char *host;      /* value of the Host field */
    char *name;      /* the host whose address is checked: the proxy's where there is one */
    char *path;      /* base_url's path without a trailing slash, maybe empty */
    char *proxy;     /* NULL: direct */
    char *ca_file;   /* NULL: the system's */
    bool is_tls;     /* to the provider */
    bool is_wrapped; /* bytes pass through TLS, to the provider or to the proxy */
    bool is_tunnel;  /* through an HTTP proxy, by CONNECT */
    bool is_literal; /* `name` is an address as written */
    bool is_private; /* `name` may resolve to a private address */
};

/* 0, or -1 with words (ERR_CONNECT) when base_url or proxy cannot be understood; then nothing is held. */
int target_init(struct target *t, const struct endpoint *to, struct err *err);
void target_clear(struct target *t);
