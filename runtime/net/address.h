/*
 * address: the one rule for outbound addresses. Every connection to a provider passes it after resolution.
 *
 * IANA's special-purpose registries (RFC 6890 and successors) decide what is public; an IPv6 address that carries an
 * IPv4 one (mapped, NAT64, 6to4) is judged by that. ROUTES.md section 7 names the exceptions.
 */
#pragma once

#include <stdbool.h>

struct sockaddr;

/*
 * May a connection go to this resolved address? Private, loopback, link-local, multicast and other special ones
 * need `literal` (the configuration names the address itself, or localhost) or `is_private`.
 */
bool address_may_connect(const struct sockaddr *address, bool literal, bool is_private);
