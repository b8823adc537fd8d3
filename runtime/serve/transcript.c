#include "serve/transcript.h"

#include "base/json.h"
#include "net/sse.h"
#include "serve/usage.h"

enum { MAX_TEXT = 512 << 10 };

static const char *const TEXTS[TEXT_COUNT] = {"content", "refusal", "reasoning_content", "reasoning"};

void transcript_init(struct transcript *t, struct arena *arena)
{
    *t = (struct transcript){.arena = arena};
    for (int i = 0; i < TEXT_COUNT; i++)
        t->texts[i] = BUF(MAX_TEXT);
}

void transcript_clear(struct transcript *t)
{
    for (int i = 0; i < TEXT_COUNT; i++)
        buf_clear(&t->texts[i]);
    for (int i = 0; i < t->tool_count; i++)
        buf_clear(&t->tools[i].arguments);
}

/* ---- reading ---- */

/* What stands between the quotes: two of them joined are the JSON of the joined texts. */
static void add_text(struct transcript *t, struct buf *out, struct str value)
{
    if (json_type(value) == JSON_STRING && buf_append(out, value.p + 1, value.len - 2) == 0)
        return;
    t->is_unfaithful = true;
}

static void keep(struct transcript *t, struct str *field, struct str value)
{
    if (field->p || json_type(value) == JSON_NULL || value.p == NULL)
        return;
    *field = arena_str(t->arena, value);
    t->is_unfaithful = t->is_unfaithful || field->p == NULL;
}

static void read_tool(struct transcript *t, struct str call)
{
    int64_t index = -1;
    struct str type = json_get(call, "type"), function = json_get(call, "function");
    if (!json_integer(json_get(call, "index"), &index) || index < 0 || index > t->tool_count || index >= TRANSCRIPT_TOOLS ||
        (type.p && !str_eq(type, "\"function\""))) {
        t->is_unfaithful = true;
        return;
    }
    if (index == t->tool_count)
        t->tools[t->tool_count++].arguments = BUF(MAX_TEXT);
    keep(t, &t->tools[index].id, json_get(call, "id"));
    keep(t, &t->tools[index].name, json_get(function, "name"));
    struct str arguments = json_get(function, "arguments");
    if (arguments.p)
        add_text(t, &t->tools[index].arguments, arguments);
}

static bool is_empty(struct str value)
{
    enum json_type type = json_type(value);
    return type == JSON_NULL || (type == JSON_ARRAY && value.len == 2);
}

static void read_delta(struct transcript *t, struct str delta)
{
    for (struct json_walk w = json_walk(delta); json_next(&w);) {
        int i = 0;
        while (i < TEXT_COUNT && !str_eq(w.key, TEXTS[i]))
            i++;
        if (str_eq(w.key, "role") || is_empty(w.value))
            continue;
        if (i < TEXT_COUNT)
            add_text(t, &t->texts[i], w.value);
        else if (str_eq(w.key, "tool_calls"))
            for (struct json_walk calls = json_walk(w.value); json_next(&calls);)
                read_tool(t, calls.value);
        else
            t->is_unfaithful = true;
    }
}

static void read_choice(struct transcript *t, struct str choice)
{
    int64_t index = 0;
    struct str logprobs = json_get(choice, "logprobs");
    json_integer(json_get(choice, "index"), &index);
    if (index != 0 || (logprobs.p && json_type(logprobs) != JSON_NULL))
        t->is_unfaithful = true;
    read_delta(t, json_get(choice, "delta"));
    keep(t, &t->finish, json_get(choice, "finish_reason"));
}

static void read_chunk(struct transcript *t, struct str data)
{
    enum { ID, CREATED, MODEL, FINGERPRINT, CHOICES, COUNT };
    static const struct str NAMES[COUNT] = {
        STR("id"), STR("created"), STR("model"), STR("system_fingerprint"), STR("choices")};
    struct str values[COUNT];
    json_get_many(data, NAMES, values, COUNT);
    keep(t, &t->id, values[ID]);
    keep(t, &t->created, values[CREATED]);
    keep(t, &t->model, values[MODEL]);
    keep(t, &t->fingerprint, values[FINGERPRINT]);
    for (struct json_walk w = json_walk(values[CHOICES]); json_next(&w);)
        read_choice(t, w.value);
}

void transcript_read(struct transcript *t, struct str frames)
{
    struct sse sse;
    struct sse_event event;
    sse_init(&sse, 0);
    while (!t->is_unfaithful && sse_next(&sse, &frames, &event) > 0)
        if (event.data.len > 0 && event.data.p[0] == '{')
            read_chunk(t, event.data);
    sse_clear(&sse);
}

/* ---- writing ---- */

static void write_member(struct buf *out, const char *name, struct str raw)
{
    if (raw.p)
        buf_printf(out, "\"%s\":" STR_FMT ",", name, STR_ARG(raw));
}

static void write_quoted(struct buf *out, const struct buf *text)
{
    buf_putc(out, '"');
    buf_append(out, text->p, text->len);
    buf_putc(out, '"');
}

static void write_tools(const struct transcript *t, struct buf *out)
{
    for (int i = 0; i < t->tool_count; i++) {
        buf_puts(out, i ? ",{" : ",\"tool_calls\":[{");
        write_member(out, "id", t->tools[i].id);
        buf_puts(out, "\"type\":\"function\",\"function\":{");
        write_member(out, "name", t->tools[i].name);
        buf_puts(out, "\"arguments\":");
        write_quoted(out, &t->tools[i].arguments);
        buf_puts(out, "}}");
    }
    if (t->tool_count)
        buf_putc(out, ']');
}

static void write_message(const struct transcript *t, struct buf *out)
{
    buf_puts(out, "{\"role\":\"assistant\",\"content\":");
    if (t->texts[TEXT_CONTENT].len == 0 && t->tool_count)
        buf_puts(out, "null");
    else
        write_quoted(out, &t->texts[TEXT_CONTENT]);
    for (int i = TEXT_REFUSAL; i < TEXT_COUNT; i++) {
        if (t->texts[i].len == 0)
            continue;
        buf_printf(out, ",\"%s\":", TEXTS[i]);
        write_quoted(out, &t->texts[i]);
    }
    write_tools(t, out);
    buf_putc(out, '}');
}

static bool fits(const struct transcript *t, const struct buf *out)
{
    enum { AROUND = 2048 }; /* names, braces and usage */
    size_t size = AROUND + t->id.len + t->created.len + t->model.len + t->fingerprint.len + t->finish.len;
    for (int i = 0; i < TEXT_COUNT; i++)
        size += t->texts[i].len;
    for (int i = 0; i < t->tool_count; i++)
        size += t->tools[i].id.len + t->tools[i].name.len + t->tools[i].arguments.len;
    return size + (size_t)t->tool_count * 80 <= out->limit - out->len;
}

int transcript_write(const struct transcript *t, const struct usage *usage, struct buf *out)
{
    if (t->is_unfaithful || t->finish.p == NULL || !fits(t, out))
        return -1;
    buf_putc(out, '{');
    write_member(out, "id", t->id);
    buf_puts(out, "\"object\":\"chat.completion\",");
    write_member(out, "created", t->created);
    write_member(out, "model", t->model);
    write_member(out, "system_fingerprint", t->fingerprint);
    buf_puts(out, "\"choices\":[{\"index\":0,\"message\":");
    write_message(t, out);
    buf_printf(out, ",\"finish_reason\":" STR_FMT "}]", STR_ARG(t->finish));
    if (usage->is_known) {
        buf_puts(out, ",\"usage\":");
        usage_write(out, usage);
    }
    return buf_putc(out, '}');
}
