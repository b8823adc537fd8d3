/*
 * Any stream of a provider, for a client of any protocol: it is translated or malformed, nothing else; and the same comes out however it is cut.
 * The first byte says which provider and client.
 */
#include <stdint.h>
#include <stdlib.h>

#include "bind/translation.h"
#include "net/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const PROVIDERS[] = {"openai", "anthropic", "gemini", "bedrock"};
static const struct {
    const char *name, *request;
} CLIENTS[] = {
    {"chat", "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"},
    {"messages", "{\"model\":\"m\",\"stream\":true,\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"},
    {"responses", "{\"model\":\"m\",\"stream\":true,\"input\":\"x\",\"store\":false}"},
};
enum { PROVIDER_COUNT = 4, CLIENT_COUNT = 3 };

static struct translator *host;

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* False when the stream was found wrong. */
static bool turn(struct translation *t, const struct sse_event *e, struct buf *out)
{
    struct err err;
    if (e->is_empty || translation_event(t, e->name, e->data, out, &err) == 0)
        return true;
    require(err.kind == ERR_MALFORMED);
    return false;
}

/* The stream in pieces of `step`; what the client reads goes to `out`. */
static void read_stream(uint8_t choice, struct str bytes, size_t step, struct buf *out)
{
    struct arena arena = ARENA(1 << 20);
    struct sse s;
    struct sse_event e;
    struct err err;
    const char *param;
    int client = choice / PROVIDER_COUNT % CLIENT_COUNT;
    struct translation_from from = {.client = CLIENTS[client].name, .shape = CLIENTS[client].name, .provider = PROVIDERS[choice % PROVIDER_COUNT], .model = "m",
                                    .stream = true, .text = str_of(CLIENTS[client].request)};
    struct translation *t = translation_open(host, &from, &arena, &param, &err);
    require(t != NULL);
    sse_init(&s, 0);
    bool goes_on = true;
    for (size_t at = 0; at < bytes.len && goes_on; at += step) {
        struct str in = str_n(bytes.p + at, step < bytes.len - at ? step : bytes.len - at);
        while (goes_on && sse_next(&s, &in, &e) > 0)
            goes_on = turn(t, &e, out);
    }
    if (goes_on && (sse_end(&s, &e) > 0 || sse_rest(&s, &e) > 0))
        goes_on = turn(t, &e, out);
    if (goes_on)
        require(translation_end(t, out, &err) == 0 || err.kind == ERR_MALFORMED);
    translation_close(t);
    sse_clear(&s);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct buf whole = BUF(1 << 24), cut = BUF(1 << 24);
    struct err err;
    if (size < 2)
        return 0;
    if (host == NULL)
        host = translator_new(&err);
    require(host != NULL);
    buf_reset(&whole);
    buf_reset(&cut);
    struct str bytes = str_n((const char *)data + 1, size - 1);
    read_stream(data[0], bytes, bytes.len, &whole);
    read_stream(data[0], bytes, 1, &cut);
    require(whole.len == cut.len);
    return 0;
}
