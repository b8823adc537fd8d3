/*
 * push: sends decisions to an OpenTelemetry collector over OTLP/HTTP JSON, for `wye export --to`.
 *
 * The trace is the queue: what waits while the collector is away lies in its files, bounded by their size, and what is deleted before it was sent is counted. One batch
 * (512 spans or a few more) is under way at a time. It is tried again, after 0.5 s and then twice as long up to 30 s or as long as Retry-After says, on 429, 502, 503,
 * 504 and when nobody answers; any other refusal drops it, counted. With `follow` the end time of the newest decision sent is kept in the state
 * directory, so that the next push goes on there; SIGINT and SIGTERM end it after one last try for all that is there (5 s). Without, it gives a collector that does not answer 60 s.
 */
#pragma once

#include "cmd/scan.h"

/* The exit status. */
int push_run(struct scan *s, const char *url, const char *headers, bool follow, bool from_start);
