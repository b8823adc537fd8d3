/*
 * outbound: how one attempt is sent: over which wire, translated or as the client wrote it, to which path, under which header lines.
 *
 * A provider that speaks the client's protocol gets the client's bytes (serve/body.h). Everything else goes through the adapters of scripts/: the client's
 * request, or for an ask its form in chat's shape, since that is what asks are written in.
 */
#pragma once

#include "bind/view.h"
#include "net/transport.h"

struct attempt;
struct translator;

/* Sets the attempt's wire and translation and fills path, fields and body of the call. -1 with a->err and a->param. */
int outbound_prepare(struct attempt *a, struct call_request *call);

/* The header line that tells the client the provider's own id of the request, under the name that the client's protocol has for it; "" without one. */
const char *outbound_id_field(const struct attempt *a, const struct http_head *head);

/* view.h's to_chat for the requests of this worker. */
struct str outbound_chat(struct view *v, struct err *err);

/* The same by that host VM, for whoever has no worker. */
struct str outbound_chat_by(struct translator *host, struct view *v, struct err *err);
