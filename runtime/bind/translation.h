/*
 * translation: one request on its way between two protocols, in the host VM (scripts/translate.lua).
 *
 * The host VM is one for each worker: trusted, JIT on, never user code, and made when the first request needs it. A translation keeps what the client asked
 * for as long as its answer comes. Nothing here waits or calls back.
 *
 *     struct translation *t = translation_open(vm, &from, arena, &param, &err);
 *     ...send t->path, t->body...
 *     translation_event(t, name, data, &out, &err);    for each event of a stream; translation_end(t, &out, &err) behind the last
 *     translation_reply(t, body, &out, &err);          or for a whole reply
 *     translation_close(t);
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct translator;
struct translation;

/* NULL (err) when the adapters do not compile, or there is no memory. */
struct translator *translator_new(struct err *err);
void translator_free(struct translator *t);

struct translation_from {
    const char *client;   /* the protocol that the answer is written in: "chat", "messages", "responses", "embeddings" */
    const char *shape;    /* the protocol of `text`, mostly the client's */
    const char *provider; /* the adapter of the provider: "openai", "anthropic", … */
    const char *model;    /* its name for the model */
    const char *base_url, *api_version; /* settings of the provider; may be NULL */
    bool stream;
    struct str text; /* the request */
};

struct translation {
    struct translator *host;
    struct str path, body; /* what to send */
    const char **dropped;  /* "what: why" */
    int dropped_count;
    int ref, filter; /* in the host VM */
};

/*
 * In the arena. NULL with ERR_BAD_REQUEST and *param (or NULL) when the client's request or the provider's wire does not allow it, or when the request has over
 * 200,000 values (20 escapes count as one); ERR_SYSTEM for a bug.
 */
struct translation *translation_open(struct translator *host, const struct translation_from *from, struct arena *arena,
                                     const char **param, struct err *err);

/* Append to `out`; -1 with ERR_MALFORMED when it is not the provider's wire, or not as any adapter expects it. */
int translation_reply(struct translation *t, struct str body, struct buf *out, struct err *err);
int translation_event(struct translation *t, struct str name, struct str data, struct buf *out, struct err *err);
int translation_end(struct translation *t, struct buf *out, struct err *err);

/* NULL is harmless. */
void translation_close(struct translation *t);
