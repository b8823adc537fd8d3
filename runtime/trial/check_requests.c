#include "trial/check_requests.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "trace/captured.h"

enum { LONG_TURNS = 40, LONG_LINES = 25 };

const struct check_request CHECK_REQUESTS[] = {
    {"chat", "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}"},
    {"streamed", "{\"model\":\"auto\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"messages\":["
                 "{\"role\":\"system\",\"content\":\"Be brief.\"},"
                 "{\"role\":\"user\",\"content\":\"Write a function in C that reverses a string.\"}]}"},
    {"tools", "{\"model\":\"auto\",\"user\":\"u-1\",\"messages\":["
              "{\"role\":\"user\",\"content\":\"What is the weather in Paris?\"},"
              "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\","
              "\"function\":{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\":\\\"Paris\\\"}\"}}]},"
              "{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"content\":\"sunny\"}],"
              "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{\"type\":\"object\","
              "\"properties\":{\"city\":{\"type\":\"string\"}}}}}]}"},
    {"image", "{\"model\":\"auto\",\"metadata\":{\"conversation_id\":\"c-1\"},\"messages\":[{\"role\":\"user\",\"content\":["
              "{\"type\":\"text\",\"text\":\"What is this?\"},"
              "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0KGgo=\"}}]}]}"},
    {"long", NULL},
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

static void keep(struct check_recorded *r, const struct captured *c)
{
    bool is_chat = c->route.p && c->protocol == 0 && c->request.len && c->request.p[0] == '{' && !c->is_cut;
    for (int i = 0; i < r->count && is_chat; i++)
        is_chat = !str_eq(c->request, r->requests[i].body); /* the same again finds the same */
    if (!is_chat || r->count == CHECK_RECORDED)
        return;
    r->routes[r->count] = xstrndup(c->route.p, c->route.len);
    r->requests[r->count++] = (struct check_request){xstrndup(c->id.p, c->id.len), xstrndup(c->request.p, c->request.len)};
}

int check_recorded_read(struct check_recorded *r, const char *dir, struct err *err)
{
    struct captures *all = captures_open(dir, 0, err);
    *r = (struct check_recorded){0};
    if (all == NULL)
        return -1;
    captures_newest(all, CHECK_RECORDED * 4);
    for (const struct captured *c; (c = captures_next(all));)
        keep(r, c);
    captures_close(all);
    return 0;
}

void check_recorded_clear(struct check_recorded *r)
{
    for (int i = 0; i < r->count; i++) {
        free(r->routes[i]);
        free((char *)r->requests[i].name);
        free((char *)r->requests[i].body);
    }
}
