#include "trial/check_requests.h"

#include "base/json.h"
#include "trace/captured.h"
#include "trial/trial.h"

enum { LONG_TURNS = 40, LONG_LINES = 25, RECORDED_BYTES = 24 << 20, GATE_SEGMENTS = 2 };

const struct check_request CHECK_REQUESTS[] = {
    {.name = "chat", .body = "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}"},
    {.name = "streamed",
     .body = "{\"model\":\"auto\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"messages\":["
             "{\"role\":\"system\",\"content\":\"Be brief.\"},"
             "{\"role\":\"user\",\"content\":\"Write a function in C that reverses a string.\"}]}"},
    {.name = "tools",
     .body = "{\"model\":\"auto\",\"user\":\"u-1\",\"messages\":["
             "{\"role\":\"user\",\"content\":\"What is the weather in Paris?\"},"
             "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\","
             "\"function\":{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\\\"Paris\\\"}\"}}]},"
             "{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"content\":\"sunny\"}],"
             "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{\"type\":\"object\","
             "\"properties\":{\"city\":{\"type\":\"string\"}}}}}]}"},
    {.name = "image",
     .body = "{\"model\":\"auto\",\"metadata\":{\"conversation_id\":\"c-1\"},\"messages\":[{\"role\":\"user\",\"content\":["
             "{\"type\":\"text\",\"text\":\"What is this?\"},"
             "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0KGgo=\"}}]}]}"},
    {.name = "long"},
};
const int CHECK_REQUEST_COUNT = sizeof CHECK_REQUESTS / sizeof *CHECK_REQUESTS;

int check_long_body(struct buf *out)
{
    int failed = buf_puts(out, "{\"model\":\"auto\",\"messages\":[");
    for (int turn = 0; turn < LONG_TURNS; turn++) {
        failed |= buf_printf(out, "%s{\"role\":\"%s\",\"content\":\"", turn ? "," : "", turn % 2 ? "assistant" : "user");
        for (int line = 0; line < LONG_LINES; line++)
            failed |= buf_puts(out, "The quick brown fox jumps over the lazy dog, again and again, until it rests.\\n");
        failed |= buf_puts(out, "\"}");
    }
    return failed | buf_puts(out, ",{\"role\":\"user\",\"content\":\"And then?\"}]}") ? -1 : 0;
}

/* The same again finds the same. */
static bool is_known(const struct check_recorded *r, const struct captured *c)
{
    for (int i = 0; i < r->count; i++)
        if (r->requests[i].protocol == (enum protocol)c->protocol && str_eq(c->request, r->requests[i].body))
            return true;
    return false;
}

/* A place that is free, else that of the oldest of the same route; -1: there is none. */
static int place_for(const struct check_recorded *r, struct str route)
{
    int oldest = -1, of_route = 0;
    for (int i = 0; i < r->count; i++) {
        if (!str_eq(route, r->routes[i]))
            continue;
        of_route++;
        if (oldest < 0 || r->order[i] < r->order[oldest])
            oldest = i;
    }
    return of_route < CHECK_OF_ROUTE && r->count < CHECK_RECORDED ? r->count : oldest;
}

static void keep(struct check_recorded *r, const struct captured *c)
{
    struct arena *a = &r->arena;
    bool is_whole = c->route.p && str_starts(c->request, "{") && !c->is_cut && json_validate(c->headers, NULL) == 0;
    bool is_spoken = c->protocol >= PROTOCOL_CHAT && c->protocol <= PROTOCOL_EMBEDDINGS;
    int place = is_whole && is_spoken && !is_known(r, c) ? place_for(r, c->route) : -1;
    if (place < 0)
        return;
    struct http_head *head = arena_alloc(a, sizeof *head);
    struct check_request kept = {arena_strndup(a, c->id.p, c->id.len), arena_strndup(a, c->request.p, c->request.len), (enum protocol)c->protocol, head};
    const char *route = arena_strndup(a, c->route.p, c->route.len);
    if (!head || !kept.name || !kept.body || !route)
        return;
    trial_head(head, kept.protocol, arena_str(a, c->headers), a);
    r->requests[place] = kept;
    r->routes[place] = route;
    r->order[place] = r->seen++;
    r->count += place == r->count;
}

int check_recorded_read(struct check_recorded *r, const char *dir, bool is_gate, struct err *err)
{
    struct captures *all = captures_open(dir, 0, err);
    *r = (struct check_recorded){.arena = ARENA(RECORDED_BYTES)};
    if (all == NULL)
        return -1;
    captures_newest(all, CHECK_RECORDED * 8, is_gate ? GATE_SEGMENTS : 0);
    for (const struct captured *c; (c = captures_next(all));)
        if (!is_gate || !c->error.p)
            keep(r, c);
    captures_close(all);
    return 0;
}

void check_recorded_clear(struct check_recorded *r)
{
    arena_clear(&r->arena);
}
