/*
 * transcript: what a stream has told its client, for the few who ask for it: the response cache, and a model that goes on where another broke off.
 *
 * It reads whole frames of OpenAI's chat stream on their way out. Texts are kept as they stand in JSON, escapes and all, up to 512 KiB each; what it
 * cannot tell again (several choices, log probabilities, members it does not know, more than that) makes it unfaithful, and nobody uses it then.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "bind/reply.h"

enum transcript_text { TEXT_CONTENT, TEXT_REFUSAL, TEXT_REASONING_CONTENT, TEXT_REASONING, TEXT_COUNT };

enum { TRANSCRIPT_TOOLS = 16 };

struct transcript {
    struct arena *arena;
    struct str id, created, model, fingerprint; /* raw, of the first chunk */
    struct buf texts[TEXT_COUNT];
    struct {
        struct str id, name; /* raw */
        struct buf arguments;
    } tools[TRANSCRIPT_TOOLS];
    int tool_count;
    struct str finish; /* raw; {NULL, 0} until it was told */
    bool is_unfaithful;
};

void transcript_init(struct transcript *t, struct arena *arena);
void transcript_clear(struct transcript *t);

/* Whole frames, valid JSON in their data. */
void transcript_read(struct transcript *t, struct str frames);

/* Appends the chat completion that the stream was. -1 and nothing appended when it is not whole, cannot be told faithfully, or has no room in `out`. */
int transcript_write(const struct transcript *t, const struct usage *usage, struct buf *out);
