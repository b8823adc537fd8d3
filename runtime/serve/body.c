#include "serve/body.h"

#include <sys/uio.h>

#include "base/json.h"
#include "bind/derive.h"
#include "serve/adapt.h"
#include "serve/attempt.h"
#include "serve/request.h"

enum { MAX_PIECES = 32, MANY_PIECES = 96, MAX_EDITS = BODY_ASK_EDITS, SYSTEM_PIECES = 5 };

static struct str join(const struct iovec *pieces, int count, struct arena *arena)
{
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += pieces[i].iov_len;
    char *text = count < 0 ? NULL : arena_alloc(arena, len);
    char *at = text;
    for (int i = 0; text && i < count; at += pieces[i++].iov_len)
        memcpy(at, pieces[i].iov_base, pieces[i].iov_len);
    return str_n(text, text ? len : 0);
}

/* The client's stream_options with include_usage set. */
static struct str usage_options(struct view *v)
{
    static const struct json_edit EDIT = {"include_usage", {"true", 4}};
    if (json_type(v->stream_options) != JSON_OBJECT)
        return str_of("{\"include_usage\":true}");
    struct iovec pieces[MAX_PIECES];
    int count = json_splice(v->stream_options, &EDIT, 1, v->arena, pieces, MAX_PIECES);
    return join(pieces, count, v->arena);
}

static struct iovec view_between(const char *from, const char *to)
{
    return (struct iovec){(void *)from, (size_t)(to - from)};
}

/*
 * Cuts the piece that holds the first of `messages`: the system message of `d` takes its place when it is one itself, and comes
 * before it when not. Returns the new count; `pieces` has room for four more.
 */
static int set_system(const struct derived *d, struct str messages, struct arena *arena, struct iovec *pieces, int count)
{
    struct json_walk w = json_walk(messages);
    json_next(&w);
    struct str role = json_text(json_get(w.value, "role"), arena);
    bool is_developer = str_eq(role, "developer"), is_system = is_developer || str_eq(role, "system");
    const char *from = w.value.p, *to = is_system ? from + w.value.len : from;
    int i = 0;
    while (from < (char *)pieces[i].iov_base || from >= (char *)pieces[i].iov_base + pieces[i].iov_len)
        i++;
    const char *start = pieces[i].iov_base, *end = start + pieces[i].iov_len;
    struct str head = str_of(is_developer ? "{\"role\":\"developer\",\"content\":" : "{\"role\":\"system\",\"content\":");
    memmove(pieces + i + SYSTEM_PIECES, pieces + i + 1, (size_t)(count - i - 1) * sizeof *pieces);
    pieces[i] = view_between(start, from);
    pieces[i + 1] = view_between(head.p, head.p + head.len);
    pieces[i + 2] = view_between(d->system.p, d->system.p + d->system.len);
    pieces[i + 3] = (struct iovec){is_system ? "}" : "},", is_system ? 1 : 2};
    pieces[i + 4] = view_between(to, end);
    return count + SYSTEM_PIECES - 1;
}

/* `messages` with that system message, copied. */
static struct str joined_messages(const struct derived *d, struct str messages, struct arena *arena)
{
    struct iovec pieces[SYSTEM_PIECES] = {{(void *)messages.p, messages.len}};
    int count = set_system(d, messages, arena, pieces, 1);
    return join(pieces, count, arena);
}

static struct json_edit *edit_of(struct json_edit *edits, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(edits[i].name, name) == 0)
            return &edits[i];
    return NULL;
}

static bool has_system(struct str messages, struct arena *arena)
{
    struct json_walk w = json_walk(messages);
    struct str role = json_next(&w) ? json_text(json_get(w.value, "role"), arena) : str_of("");
    return str_eq(role, "system") || str_eq(role, "developer");
}

/* The members that the model sets, unless the ask sets them itself. */
static int add_derived(const struct derived *d, struct json_edit *edits, int count)
{
    int own = count;
    for (int i = 0; i < d->edit_count; i++)
        if (edit_of(edits, own, d->edits[i].name) == NULL)
            edits[count++] = d->edits[i];
    return count;
}

/*
 * The body under a derived model. Messages that the ask gave keep the system message that they begin with. What is spliced
 * whole (those, and a body that names `messages` twice) gets it first, the client's in the pieces that come of it.
 */
static int splice_derived(struct attempt *a, struct json_edit *edits, int count, struct iovec *pieces)
{
    struct view *v = &a->request->scope.view;
    const struct derived *d = a->model->derived;
    struct json_edit *given = edit_of(edits, count, "messages");
    bool is_whole = given || v->is_odd, sets = d->system.p && !(given && has_system(given->value, v->arena));
    if (sets && is_whole) {
        struct str messages = joined_messages(d, given ? given->value : v->messages, v->arena);
        if (messages.p == NULL)
            return -1;
        if (given == NULL)
            given = &edits[count++];
        *given = (struct json_edit){"messages", messages};
    }
    count = add_derived(d, edits, count);
    struct str body = a->options.body.p ? a->options.body : v->chat;
    int n = json_splice(body, edits, count, v->arena, pieces, MANY_PIECES - SYSTEM_PIECES);
    return n > 0 && sets && !is_whole ? set_system(d, v->messages, v->arena, pieces, n) : n;
}

int body_ask_edits(const struct model *model, const struct ask_options *o, struct str messages, struct arena *arena, struct json_edit *edits)
{
    const struct derived *d = model->derived;
    int count = 0;
    for (; count < o->edit_count; count++)
        edits[count] = o->edits[count];
    if (d == NULL)
        return count;
    struct json_edit *given = edit_of(edits, count, "messages");
    messages = given ? given->value : messages;
    if (d->system.p && json_pointer(messages, "/0").p && !(given && has_system(messages, arena))) {
        if (given == NULL)
            given = &edits[count++];
        *given = (struct json_edit){"messages", joined_messages(d, messages, arena)};
    }
    return add_derived(d, edits, count);
}

/* What is edited: the client's own bytes; their form in chat's shape for an ask. */
static struct str in_shape(const struct attempt *a)
{
    const struct view *v = &a->request->scope.view;
    return a->options.purpose != PURPOSE_SERVE ? v->chat : v->body;
}

/* A request of another protocol than chat's, served under a derived model. */
static int splice_adapted(struct attempt *a, struct iovec *pieces)
{
    struct view *v = &a->request->scope.view;
    struct json_edit edits[ADAPTED_EDITS + 1] = {{"model", a->model->quoted}};
    int count = 1 + adapt_edits(a->model->derived, v->protocol, v->arena, edits + 1);
    /* Anthropic wants the limit: one that is only taken away stays. */
    for (int i = 1; i < count && v->protocol == PROTOCOL_MESSAGES; i++)
        if (edits[i].value.p == NULL && strcmp(edits[i].name, "max_tokens") == 0)
            edits[i--] = edits[--count];
    return json_splice(v->body, edits, count, v->arena, pieces, MANY_PIECES);
}

/* Removing members needs a look at their neighbours; odd bodies and derived models, at everything. */
static int splice_slowly(struct attempt *a, struct iovec *pieces)
{
    struct view *v = &a->request->scope.view;
    const struct attempt_options *o = &a->options;
    struct json_edit edits[MAX_EDITS];
    int count = 0;
    edits[count++] = (struct json_edit){"model", a->model->quoted};
    if (a->adds_usage)
        edits[count++] = (struct json_edit){"stream_options", usage_options(v)};
    if (v->stream && !o->stream) {
        edits[count++] = (struct json_edit){"stream", {NULL, 0}};
        edits[count++] = (struct json_edit){"stream_options", {NULL, 0}};
    }
    for (int i = 0; i < o->edit_count; i++)
        edits[count++] = o->edits[i];
    if (a->model->derived)
        return splice_derived(a, edits, count, pieces);
    return json_splice(o->body.p ? o->body : in_shape(a), edits, count, v->arena, pieces, MAX_PIECES);
}

struct splice {
    const char *at; /* the body's bytes before it are in the pieces */
    struct iovec *pieces;
    int count;
};

static void put(struct splice *s, struct str text)
{
    s->pieces[s->count++] = (struct iovec){(void *)text.p, text.len};
}

static void replace(struct splice *s, struct str old, struct str new)
{
    put(s, str_n(s->at, (size_t)(old.p - s->at)));
    put(s, new);
    s->at = old.p + old.len;
}

/* The view knows where model and stream_options stand. */
static int splice_quickly(struct attempt *a, struct iovec *pieces)
{
    struct view *v = &a->request->scope.view;
    struct splice s = {v->body.p, pieces, 0};
    struct str model = v->raw_model, options = v->stream_options;
    if (a->adds_usage && options.p == NULL) {
        const char *brace = memchr(v->body.p, '{', v->body.len);
        replace(&s, str_n(brace, 1), str_of("{\"stream_options\":{\"include_usage\":true},"));
    }
    if (a->adds_usage && options.p && options.p < model.p)
        replace(&s, options, usage_options(v));
    replace(&s, model, a->model->quoted);
    if (a->adds_usage && options.p && options.p > model.p)
        replace(&s, options, usage_options(v));
    put(&s, str_n(s.at, (size_t)(v->body.p + v->body.len - s.at)));
    return s.count;
}

int body_splice(struct attempt *a, struct iovec **pieces)
{
    struct view *v = &a->request->scope.view;
    int max = a->model->derived ? MANY_PIECES : MAX_PIECES;
    *pieces = arena_need(v->arena, (size_t)max * sizeof **pieces);
    a->adds_usage = a->wire == &WIRE_CHAT && a->options.stream && !v->wants_usage;
    if (a->model->derived && a->options.purpose == PURPOSE_SERVE && v->protocol != PROTOCOL_CHAT)
        return splice_adapted(a, *pieces);
    if (v->is_odd || in_shape(a).p != v->body.p || a->options.edit_count || a->model->derived || (v->stream && !a->options.stream))
        return splice_slowly(a, *pieces);
    return splice_quickly(a, *pieces);
}
