#include "serve/retell.h"

#include "bind/translation.h"
#include "net/sse.h"
#include "serve/chat.h"
#include "serve/router_state.h"

/* The frames that chat would get, each translated. */
static int retell_stream(struct translation *t, struct str completion, struct buf *out, struct err *err)
{
    struct buf frames = BUF(completion.len * 4 + 65536);
    struct sse sse;
    struct sse_event e;
    int result = 0;
    chat_write_stream(&frames, completion, true);
    struct str bytes = buf_str(&frames);
    sse_init(&sse, frames.len + 1);
    while (result == 0 && sse_next(&sse, &bytes, &e) > 0)
        if (!str_eq(e.data, "[DONE]"))
            result = translation_event(t, e.name, e.data, out, err);
    sse_clear(&sse);
    buf_clear(&frames);
    return result < 0 ? -1 : translation_end(t, out, err);
}

int retell(struct request *rq, struct str completion, struct buf *out, struct err *err)
{
    struct view *v = &rq->scope.view;
    const char *name = PROTOCOL_NAMES[v->protocol], *param;
    if (v->protocol == PROTOCOL_CHAT)
        return v->stream ? chat_write_stream(out, completion, v->wants_usage) : buf_append(out, completion.p, completion.len);
    struct translator *host = router_translator(rq->router, err);
    struct translation_from from = {.client = name, .shape = name, .provider = "openai", .stream = v->stream, .text = v->body};
    from.model = rq->served ? rq->served->name : "";
    struct translation *t = host ? translation_open(host, &from, v->arena, &param, err) : NULL;
    if (t == NULL)
        return -1;
    int result = v->stream ? retell_stream(t, completion, out, err) : translation_reply(t, completion, out, err);
    translation_close(t);
    return result;
}
