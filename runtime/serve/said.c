#include "serve/said.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/json.h"
#include "net/sse.h"

enum { SAID_MOST = 512 * 1024 };

struct said {
    struct arena *arena;
    struct buf text, tools;
    bool is_in_string, is_escaped; /* where the arguments of a tool stand */
    bool is_whole;
};

static void add_text(struct said *s, struct str value)
{
    struct str text = json_text(value, s->arena);
    if (text.len > 0)
        buf_append(&s->text, text.p, text.len);
}

static void begin_tool(struct said *s, struct str name)
{
    struct str text = json_text(name, s->arena);
    if (text.len == 0)
        return;
    buf_putc(&s->tools, '\n');
    buf_append(&s->tools, text.p, text.len);
    buf_putc(&s->tools, ' ');
    s->is_in_string = s->is_escaped = false;
}

/* JSON, perhaps in pieces, without the blanks outside its strings: a provider writes them otherwise when it streams. */
static void add_arguments(struct said *s, struct str json)
{
    for (size_t i = 0; i < json.len; i++) {
        char c = json.p[i];
        if (!s->is_in_string && isspace((unsigned char)c))
            continue;
        buf_putc(&s->tools, c);
        if (c == '"' && !s->is_escaped)
            s->is_in_string = !s->is_in_string;
        s->is_escaped = c == '\\' && !s->is_escaped;
    }
}

/* ---- whole replies ---- */

static void read_calls(struct said *s, struct str calls)
{
    for (struct json_walk w = json_walk(calls); json_next(&w);) {
        struct str function = json_get(w.value, "function");
        begin_tool(s, json_get(function, "name"));
        add_arguments(s, json_text(json_get(function, "arguments"), s->arena));
    }
}

static void read_chat(struct said *s, struct str reply)
{
    struct str message = json_pointer(reply, "/choices/0/message");
    add_text(s, json_get(message, "content"));
    read_calls(s, json_get(message, "tool_calls"));
    s->is_whole = message.p != NULL;
}

/* Anthropic's content, and that of a message of OpenAI's responses. */
static void read_blocks(struct said *s, struct str blocks)
{
    for (struct json_walk w = json_walk(blocks); json_next(&w);) {
        struct str type = json_plain(json_get(w.value, "type"));
        if (str_eq(type, "text") || str_eq(type, "output_text"))
            add_text(s, json_get(w.value, "text"));
        if (!str_eq(type, "tool_use"))
            continue;
        begin_tool(s, json_get(w.value, "name"));
        add_arguments(s, json_get(w.value, "input"));
    }
}

static void read_messages(struct said *s, struct str reply)
{
    struct str content = json_get(reply, "content");
    read_blocks(s, content);
    s->is_whole = json_type(content) == JSON_ARRAY;
}

static void read_responses(struct said *s, struct str reply)
{
    struct str output = json_get(reply, "output");
    for (struct json_walk w = json_walk(output); json_next(&w);) {
        struct str type = json_plain(json_get(w.value, "type"));
        if (str_eq(type, "message"))
            read_blocks(s, json_get(w.value, "content"));
        if (!str_eq(type, "function_call"))
            continue;
        begin_tool(s, json_get(w.value, "name"));
        add_arguments(s, json_text(json_get(w.value, "arguments"), s->arena));
    }
    s->is_whole = json_type(output) == JSON_ARRAY;
}

/* ---- streams ---- */

static void take_chat(struct said *s, struct str data)
{
    struct str choice = json_pointer(data, "/choices/0"), delta = json_get(choice, "delta");
    add_text(s, json_get(delta, "content"));
    read_calls(s, json_get(delta, "tool_calls"));
    s->is_whole |= json_type(json_get(choice, "finish_reason")) == JSON_STRING;
}

static void take_messages(struct said *s, struct str data)
{
    struct str type = json_plain(json_get(data, "type")), block = json_get(data, "content_block"), delta = json_get(data, "delta");
    if (str_eq(type, "content_block_start") && str_eq(json_plain(json_get(block, "type")), "tool_use"))
        begin_tool(s, json_get(block, "name"));
    if (str_eq(type, "content_block_delta")) {
        add_text(s, json_get(delta, "text"));
        add_arguments(s, json_text(json_get(delta, "partial_json"), s->arena));
    }
    s->is_whole |= str_eq(type, "message_stop");
}

/* Its last event repeats the whole. */
static void take_responses(struct said *s, struct str data)
{
    if (str_eq(json_plain(json_get(data, "type")), "response.completed"))
        read_responses(s, json_get(data, "response"));
}

typedef void reader(struct said *s, struct str json);

static void read_stream(struct said *s, struct str reply, reader *take)
{
    struct sse sse;
    struct sse_event event;
    sse_init(&sse, 0);
    while (sse_next(&sse, &reply, &event) > 0)
        if (json_validate(event.data, NULL) == 0)
            take(s, event.data);
    sse_clear(&sse);
}

struct str said_read(enum protocol protocol, bool is_stream, struct str reply, struct arena *arena)
{
    static reader *const READERS[][2] = {
        [PROTOCOL_CHAT] = {read_chat, take_chat},
        [PROTOCOL_MESSAGES] = {read_messages, take_messages},
        [PROTOCOL_RESPONSES] = {read_responses, take_responses},
        [PROTOCOL_EMBEDDINGS] = {NULL, NULL},
    };
    struct said s = {.arena = arena, .text = BUF(SAID_MOST), .tools = BUF(SAID_MOST)};
    reader *read = READERS[protocol][is_stream];
    if (read && is_stream)
        read_stream(&s, reply, read);
    else if (read && json_validate(reply, NULL) == 0)
        read(&s, reply);
    struct str said = {NULL, 0};
    if (s.is_whole && s.text.len + s.tools.len > 0) {
        if (s.tools.len > 0)
            buf_append(&s.text, s.tools.p, s.tools.len);
        said = arena_str(arena, buf_str(&s.text));
    }
    buf_clear(&s.text);
    buf_clear(&s.tools);
    return said;
}

/* ---- likeness ---- */

/* Bytes above ASCII belong to words of whatever language. */
static bool is_word(char c)
{
    return isalnum((unsigned char)c) || (c & 0x80);
}

/* Views of the words, in lower case, in a copy. */
static struct str *words_of(struct str text, struct arena *arena, size_t *count)
{
    char *copy = arena_alloc(arena, text.len + 1);
    struct str *words = arena_alloc(arena, (text.len / 2 + 1) * sizeof *words);
    *count = 0;
    if (copy == NULL || words == NULL)
        return NULL;
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = (char)tolower((unsigned char)text.p[i]);
        if (!is_word(text.p[i]))
            continue;
        if (i == 0 || !is_word(text.p[i - 1]))
            words[(*count)++] = str_n(copy + i, 0);
        words[*count - 1].len++;
    }
    return words;
}

static int in_order(const void *one, const void *other)
{
    const struct str *a = one, *b = other;
    int order = memcmp(a->p, b->p, a->len < b->len ? a->len : b->len);
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

static bool are_same(const struct str *a, size_t count, const struct str *b, size_t other)
{
    for (size_t i = 0; count == other && i < count; i++)
        if (!str_same(a[i], b[i]))
            return false;
    return count == other;
}

static size_t common(const struct str *a, size_t count, const struct str *b, size_t other)
{
    size_t both = 0;
    for (size_t i = 0, k = 0; i < count && k < other;) {
        int order = in_order(&a[i], &b[k]);
        both += order == 0;
        i += order <= 0;
        k += order >= 0;
    }
    return both;
}

struct likeness said_likeness(struct str a, struct str b, struct arena *arena)
{
    size_t count, other;
    struct likeness l = {.is_exact = str_same(a, b)};
    struct str *of_a = words_of(a, arena, &count), *of_b = words_of(b, arena, &other);
    if (of_a == NULL || of_b == NULL)
        return l;
    l.is_alike = l.is_exact || (count > 0 && are_same(of_a, count, of_b, other));
    qsort(of_a, count, sizeof *of_a, in_order);
    qsort(of_b, other, sizeof *of_b, in_order);
    l.overlap = l.is_exact ? 1 : count + other == 0 ? 0 : 2.0 * (double)common(of_a, count, of_b, other) / (double)(count + other);
    return l;
}
