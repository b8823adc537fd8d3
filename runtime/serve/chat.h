/*
 * chat: what a client reads of a completion that was not streamed to wye. Pure.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

/* Appends a buffered completion as the events of a stream, through data: [DONE]. */
int chat_write_stream(struct buf *out, struct str completion, bool with_usage);
