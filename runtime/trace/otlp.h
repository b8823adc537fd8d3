/*
 * otlp: decisions as spans in the JSON of OTLP 1.x (opentelemetry-proto, "JSON Protobuf Encoding": ids in hex, 64-bit integers as strings), named after
 * OpenTelemetry's conventions for generative AI (`gen_ai.*`), with what they have no name for as `wye.*`.
 *
 *     otlp_open(&out, NULL, 0);                          // {"resourceSpans":[…"spans":[
 *     count += otlp_spans(&out, d, count == 0);          // each decision: one span, and a child for each attempt
 *     otlp_close(&out);                                  // an ExportTraceServiceRequest
 *
 * A decision's span is of kind server, its parent the client's span when the request had a traceparent; an attempt's is of kind client. Notes and arms are
 * events of the decision's span. Captured bodies are never exported.
 */
#pragma once

#include "base/buf.h"
#include "trace/decision.h"

/* What describes the server beside service.name (wye), service.version and host.name, or in their place. Names are printable ASCII without quotes and backslashes. */
struct otlp_attribute {
    const char *name, *value;
};

/* All return -1 at the ceiling of `out`. */
int otlp_open(struct buf *out, const struct otlp_attribute *own, int count);

/* How many spans were appended. */
int otlp_spans(struct buf *out, const struct decision *d, bool is_first);
int otlp_close(struct buf *out);
