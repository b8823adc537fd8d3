#include "serve/continuation.h"

#include <sys/uio.h>

#include "base/json.h"
#include "bind/derive.h"
#include "serve/journal.h"
#include "serve/request.h"
#include "serve/transcript.h"
#include "serve/usage.h"

enum { MAX_PIECES = 32, BYTES_A_TOKEN = 4 };

static const char INSTRUCTION[] = "Your answer was cut off. Go on exactly where it stopped, in the same words and format as if it had never been "
                                  "interrupted: begin with the very next character, repeat nothing, and do not mention the interruption.";

/* ---- when ---- */

/* JSON that a model begins anew is no end of what another began. */
static bool wants_text(struct str body)
{
    struct str type = json_plain(json_get(json_get(body, "response_format"), "type"));
    return type.p == NULL || str_eq(type, "text");
}

static bool wants_one(struct str body)
{
    int64_t n = 1;
    json_integer(json_get(body, "n"), &n);
    return n == 1;
}

bool continuation_is_wanted(const struct request *rq)
{
    const struct view *v = &rq->scope.view;
    return rq->decision.continues && v->protocol == PROTOCOL_CHAT && !v->is_odd && wants_text(v->body) && wants_one(v->body);
}

bool continuation_is_possible(const struct attempt *a)
{
    const struct transcript *t = a->request->transcript;
    return t && continuation_is_wanted(a->request) && !t->is_unfaithful && t->tool_count == 0 && t->finish.p == NULL &&
           t->texts[TEXT_REFUSAL].len == 0;
}

void continuation_begin(struct attempt *a, const struct model *next)
{
    struct request *rq = a->request;
    const struct transcript *t = rq->transcript;
    size_t sent = t->texts[TEXT_CONTENT].len + t->texts[TEXT_REASONING].len + t->texts[TEXT_REASONING_CONTENT].len;
    if (!a->usage.is_known) {
        a->usage = (struct usage){.is_known = true};
        a->usage.tokens[PRICE_INPUT] = rq->scope.view.tokens;
        a->usage.tokens[PRICE_OUTPUT] = (int64_t)(sent / BYTES_A_TOKEN) + 1;
        rq->tokens += a->usage.tokens[PRICE_INPUT] + a->usage.tokens[PRICE_OUTPUT];
        a->usd = usage_usd(&a->usage, a->model);
    }
    for (int i = 0; i < PRICE_BUCKETS; i++)
        rq->told.tokens[i] += a->usage.tokens[i];
    const char *data = arena_printf(rq->scope.view.arena, "{\"from\":\"%s\",\"by\":\"%s\",\"bytes\":%zu}", a->model->id, next->id, sent);
    journal_note(rq, str_of("the stream broke off and goes on"), str_of(data), str_of(rq->place ? rq->place : ""));
    rq->is_continued = true;
}

/* ---- what is asked ---- */

/* The client's messages between their brackets, without the leading system message where the model brings its own. */
static struct str own_messages(const struct view *v, const struct model *model)
{
    struct json_walk w = json_walk(v->messages);
    struct str inside = str_n(v->messages.p + 1, v->messages.len - 2);
    if (model->derived == NULL || model->derived->system.p == NULL || !json_next(&w))
        return inside;
    struct str role = json_plain(json_get(w.value, "role"));
    if (!str_eq(role, "system") && !str_eq(role, "developer"))
        return inside;
    const char *end = inside.p + inside.len;
    return json_next(&w) ? str_n(w.value.p, (size_t)(end - w.value.p)) : str_n(end, 0);
}

int continuation_edits(struct request *rq, const struct model *model, const struct json_edit **edits)
{
    const struct buf *sent = &rq->transcript->texts[TEXT_CONTENT];
    struct arena *arena = rq->scope.view.arena;
    struct str own = own_messages(&rq->scope.view, model);
    if (sent->len == 0)
        return 0;
    struct buf out = BUF(own.len + sent->len + 1024);
    buf_putc(&out, '[');
    buf_append(&out, own.p, own.len);
    buf_printf(&out, "%s{\"role\":\"assistant\",\"content\":\"", own.len ? "," : "");
    buf_append(&out, sent->p, sent->len);
    buf_printf(&out, "\"},{\"role\":\"user\",\"content\":\"%s\"}]", INSTRUCTION);
    struct json_edit *edit = arena_need(arena, sizeof *edit);
    *edit = (struct json_edit){"messages", arena_str(arena, buf_str(&out))};
    buf_clear(&out);
    *edits = edit;
    return edit->value.p ? 1 : -1;
}

/* ---- what is told ---- */

static struct str spliced(struct arena *arena, struct str object, const struct json_edit *edits, int count)
{
    struct iovec pieces[MAX_PIECES];
    struct buf out = BUF(SSE_LIMIT * 2);
    int n = json_splice(object, edits, count, arena, pieces, MAX_PIECES);
    for (int i = 0; i < n; i++)
        buf_append(&out, pieces[i].iov_base, pieces[i].iov_len);
    struct str text = n < 0 ? str_n(NULL, 0) : arena_str(arena, buf_str(&out));
    buf_clear(&out);
    return text.p ? text : object;
}

static struct str without_role(struct arena *arena, struct str choices)
{
    static const struct json_edit NO_ROLE = {"role", {NULL, 0}};
    struct json_walk w = json_walk(choices);
    struct str delta = json_next(&w) ? json_get(w.value, "delta") : str_n(NULL, 0);
    if (json_get(delta, "role").p == NULL)
        return choices;
    struct str rest = spliced(arena, delta, &NO_ROLE, 1);
    const char *end = choices.p + choices.len, *after = delta.p + delta.len;
    struct buf out = BUF(SSE_LIMIT * 2);
    buf_append(&out, choices.p, (size_t)(delta.p - choices.p));
    buf_append(&out, rest.p, rest.len);
    buf_append(&out, after, (size_t)(end - after));
    struct str text = arena_str(arena, buf_str(&out));
    buf_clear(&out);
    return text.p ? text : choices;
}

static struct str sum_of(struct request *rq, struct arena *arena, struct str raw)
{
    struct usage sum = usage_read(raw);
    struct buf out = BUF(4096);
    for (int i = 0; i < PRICE_BUCKETS; i++)
        sum.tokens[i] += rq->told.tokens[i];
    usage_write(&out, &sum);
    struct str text = arena_str(arena, buf_str(&out));
    buf_clear(&out);
    return text;
}

static int add(struct json_edit *edits, int count, const char *name, struct str value)
{
    if (value.p)
        edits[count++] = (struct json_edit){name, value};
    return count;
}

static void retell_chunk(struct request *rq, struct str data, struct buf *out)
{
    const struct transcript *t = rq->transcript;
    struct arena scratch = ARENA(16 * SSE_LIMIT); /* the request's would grow with every frame */
    struct json_edit edits[6];
    int count = add(edits, 0, "id", t->id);
    count = add(edits, count, "created", t->created);
    count = add(edits, count, "model", t->model);
    struct str choices = json_get(data, "choices"), usage = json_get(data, "usage");
    if (json_type(choices) == JSON_ARRAY)
        count = add(edits, count, "choices", without_role(&scratch, choices));
    if (json_type(usage) == JSON_OBJECT)
        count = add(edits, count, "usage", sum_of(rq, &scratch, usage));
    struct str text = spliced(&scratch, data, edits, count);
    buf_puts(out, "data: ");
    buf_append(out, text.p, text.len);
    buf_puts(out, "\n\n");
    arena_clear(&scratch);
}

void continuation_retell(struct request *rq, struct str frames, struct buf *out)
{
    struct sse sse;
    struct sse_event event;
    sse_init(&sse, 0);
    while (sse_next(&sse, &frames, &event) > 0) {
        if (event.data.len > 0 && event.data.p[0] == '{')
            retell_chunk(rq, event.data, out);
        else
            buf_append(out, event.raw.p, event.raw.len);
    }
    sse_clear(&sse);
}
