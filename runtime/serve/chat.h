/*
 * chat: the OpenAI chat completions wire, as far as a router must read and write it. Pure.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "bind/reply.h"

/* What an HTTP status ≥ 300 of a provider means (ROUTES.md section 7); `body` refines it (content_filter) and gives the words. */
void chat_error(int status, struct str body, struct err *err);

/* The `error` member of a stream's frame, after HTTP 200. */
void chat_stream_error(struct str error, struct err *err);

enum chat_chunk_kind { CHUNK_LIFECYCLE, CHUNK_CONTENT, CHUNK_USAGE, CHUNK_ERROR, CHUNK_BAD };

struct chat_chunk {
    enum chat_chunk_kind kind;
    bool is_finish;   /* some choice has a finish_reason */
    struct str usage; /* raw, when an object */
    bool has_null_usage;
    struct str error;
};

/* Reads one frame's data (not "[DONE]"). CHUNK_BAD: no valid JSON object. CHUNK_USAGE: usage and no choices. */
struct chat_chunk chat_chunk(struct str data);

/* 0 when body is a chat completion (an object with `choices`); -1 with ERR_MALFORMED, or another kind when it is an error in a 200. */
int chat_completion(struct str body, struct usage *usage, struct err *err);

/* Appends OpenAI's error object: {"error": {"message", "type", "param", "code"}}. */
void chat_write_error(struct buf *out, const char *type, struct str message, const char *param, const char *code);

/* Appends a buffered completion as the events of a stream, through data: [DONE]. */
int chat_write_stream(struct buf *out, struct str completion, bool with_usage);
