/*
 * traceparent: W3C Trace Context. A client's trace goes on: its id is the decision's, its span the parent of the decision's, and providers are told the
 * span of their attempt, with the client's tracestate, unless their `traceparent` is false. The ids are those that an export gives the spans (trace/spanid.h).
 */
#pragma once

#include "base/str.h"

struct request;
struct attempt;

/* Sets the request's trace_id and traceparent out of its head. */
void traceparent_read(struct request *rq);

/* The span id of the client's traceparent; {NULL, 0} without one. */
struct str traceparent_span(const struct request *rq);

/* `fields` with the attempt's header lines. */
struct str traceparent_fields(const struct attempt *a, struct str fields);
