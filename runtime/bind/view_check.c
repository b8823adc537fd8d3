#include "bind/view_check.h"

#include <stdio.h>

#include "base/json.h"

int view_refuse(struct view_check *c, const char *param, const char *format, ...)
{
    char words[400];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    *c->param = param;
    return err_set(c->err, ERR_BAD_REQUEST, "%s", words);
}

const char *view_path(struct view_check *c, const char *list, int index, const char *member)
{
    bool is_dotted = c->view->protocol == PROTOCOL_MESSAGES;
    return arena_printf(c->view->arena, is_dotted ? "%s.%d%s%s" : "%s[%d]%s%s", list, index, member ? "." : "", member ? member : "");
}

static bool is_boolean(struct str value)
{
    enum json_type type = json_type(value);
    return type == JSON_TRUE || type == JSON_FALSE;
}

int view_read_members(struct view_check *c, struct json_members *members)
{
    struct view *v = c->view;
    const char *body = v->protocol == PROTOCOL_MESSAGES ? "The request body" : "The body of your request";
    struct err why;
    if (json_validate_members(v->body, members, &why) < 0)
        return view_refuse(c, NULL, "%s is not valid JSON: %s", body, why.message);
    if (json_type(v->body) != JSON_OBJECT)
        return view_refuse(c, NULL, "%s must be a JSON object.", body);
    v->is_odd = members->repeats;
    return 0;
}

int view_check_common(struct view_check *c, struct str stream, struct str tools)
{
    struct view *v = c->view;
    if (v->raw_model.p == NULL)
        return view_refuse(c, "model", "You must provide a model parameter.");
    if (json_type(v->raw_model) != JSON_STRING)
        return view_refuse(c, "model", "Invalid type for 'model': expected a string.");
    if (v->raw_model.len > VIEW_MAX_MODEL)
        return view_refuse(c, "model", "Invalid 'model': longer than any model's name.");
    if (!view_is_absent(stream) && !is_boolean(stream))
        return view_refuse(c, "stream", "Invalid type for 'stream': expected a boolean.");
    if (!view_is_absent(tools) && json_type(tools) != JSON_ARRAY)
        return view_refuse(c, "tools", "Invalid type for 'tools': expected an array.");
    v->model = json_text(v->raw_model, v->arena);
    v->stream = json_is_true(stream);
    return 0;
}

int view_check_numbers(struct view_check *c, const struct str *names, const struct str *values, int count)
{
    for (int i = 0; i < count; i++)
        if (!view_is_absent(values[i]) && json_type(values[i]) != JSON_NUMBER)
            return view_refuse(c, names[i].p, "Invalid type for '%s': expected a number.", names[i].p);
    return 0;
}

static bool is_type_name(struct str type)
{
    static const char *const TYPES[] = {"object", "string", "number", "integer", "boolean", "array", "null"};
    struct str name = json_plain(type);
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (str_eq(name, TYPES[i]))
            return true;
    return false;
}

static bool has_wrong_type(struct str type)
{
    if (json_type(type) == JSON_STRING)
        return !is_type_name(type);
    for (struct json_walk w = json_walk(type); json_type(type) == JSON_ARRAY && json_next(&w);)
        if (!is_type_name(w.value))
            return true;
    return type.p && json_type(type) != JSON_ARRAY;
}

int view_check_schema(struct view_check *c, const char *param, struct str schema)
{
    enum { TYPE, PROPERTIES, ITEMS, COUNT };
    static const struct str NAMES[COUNT] = {STR("type"), STR("properties"), STR("items")};
    struct str v[COUNT];
    if (json_type(schema) == JSON_TRUE || json_type(schema) == JSON_FALSE)
        return 0; /* a schema of its own, inside of others */
    if (json_type(schema) != JSON_OBJECT)
        return view_refuse(c, param, "Invalid schema for '%s': expected an object.", param);
    json_get_many(schema, NAMES, v, COUNT);
    if (has_wrong_type(v[TYPE]))
        return view_refuse(c, param, "Invalid schema for '%s': its type is none of JSON Schema's.", param);
    if (v[PROPERTIES].p && json_type(v[PROPERTIES]) != JSON_OBJECT)
        return view_refuse(c, param, "Invalid schema for '%s': its properties are no object.", param);
    for (struct json_walk w = json_walk(v[PROPERTIES]); v[PROPERTIES].p && json_next(&w);) {
        const char *inner = arena_printf(c->view->arena, "%s.properties." STR_FMT, param, STR_ARG(w.key));
        if (view_check_schema(c, inner, w.value) < 0)
            return -1;
    }
    if (json_type(v[ITEMS]) == JSON_OBJECT)
        return view_check_schema(c, arena_printf(c->view->arena, "%s.items", param), v[ITEMS]);
    return 0;
}

void view_note_call(struct view_check *c, struct str id)
{
    if (json_type(id) != JSON_STRING)
        return;
    if (c->call_count == c->call_room) {
        int room = c->call_room ? c->call_room * 2 : 16;
        struct str *more = arena_alloc(c->view->arena, (size_t)room * sizeof *more);
        if (more == NULL)
            return;
        if (c->call_count)
            memcpy(more, c->calls, (size_t)c->call_count * sizeof *more);
        c->calls = more;
        c->call_room = room;
    }
    ((struct str *)c->calls)[c->call_count++] = id;
}

int view_check_result(struct view_check *c, const char *list, int index, const char *member, struct str id)
{
    enum { MOST_COMPARED = 2 * 1000 * 1000 };
    for (int i = c->call_count - 1; i >= 0; i--)
        if (c->compared++ > MOST_COMPARED || str_same(c->calls[i], id))
            return 0;
    const char *param = view_path(c, list, index, member);
    if (json_type(id) != JSON_STRING)
        return view_refuse(c, param, "Missing required parameter: '%s', the id of the call that this is the result of.", param);
    return view_refuse(c, param, "Invalid '%s': no call of that id comes before this result.", param);
}

static bool is_image(struct str type)
{
    return str_eq(type, "image_url") || str_eq(type, "input_image") || str_eq(type, "image");
}

/* What makes an image large: the link itself, or what holds it. */
static struct str image_of(struct str part)
{
    struct str link = json_get(part, "image_url"), source = json_get(part, "source");
    if (json_type(link) == JSON_OBJECT)
        link = json_get(link, "url");
    return link.p ? link : source.p ? json_get(source, "data") : link;
}

static int64_t refuse_image(struct view_check *c, const char *list, int index, int part, size_t size)
{
    const char *content = index < 0 ? list : view_path(c, list, index, "content"), *param = view_path(c, content, part, NULL);
    view_refuse(c, param, "The image in '%s' has %zu bytes as it is sent; the limit is %d (20 MiB).", param, size, VIEW_MAX_IMAGE);
    return -1;
}

int64_t view_weigh(struct view_check *c, const char *list, int index, struct str content)
{
    if (json_type(content) != JSON_ARRAY)
        return json_type(content) == JSON_STRING ? (int64_t)content.len : 0;
    int64_t bytes = 0;
    int n = 0;
    for (struct json_walk w = json_walk(content); json_next(&w); n++) {
        bytes += (int64_t)json_get(w.value, "text").len;
        if (!is_image(json_plain(json_get(w.value, "type"))))
            continue;
        c->view->has_image = true;
        c->view->tokens += VIEW_TOKENS_PER_IMAGE;
        struct str image = image_of(w.value);
        if (image.len > VIEW_MAX_IMAGE)
            return refuse_image(c, list, index, n, image.len);
    }
    return bytes;
}

struct str view_text(struct view *v, struct str content)
{
    if (json_type(content) == JSON_STRING)
        return json_text(content, v->arena);
    if (json_type(content) != JSON_ARRAY)
        return str_of("");
    struct buf text = BUF(v->body.len);
    for (struct json_walk w = json_walk(content); json_next(&w);) {
        struct str part = json_type(w.value) == JSON_STRING ? json_text(w.value, v->arena) : json_text(json_get(w.value, "text"), v->arena);
        if (part.p == NULL)
            continue;
        if (text.len > 0)
            buf_putc(&text, '\n');
        buf_append(&text, part.p, part.len);
    }
    struct str all = arena_str(v->arena, str_n(text.p, text.len));
    buf_clear(&text);
    return all.p ? all : str_of("");
}
