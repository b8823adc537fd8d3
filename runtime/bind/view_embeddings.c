/* The view of an embeddings request: its input stands for the prompt. */
#include "base/json.h"
#include "bind/view_check.h"

enum { MODEL, INPUT, USER, NAME_COUNT };
static const struct str NAMES[NAME_COUNT] = {STR("model"), STR("input"), STR("user")};

int view_read_embeddings(struct view_check *c)
{
    struct view *v = c->view;
    struct str values[NAME_COUNT];
    struct json_members members = {NAMES, values, NAME_COUNT, false, NULL};
    if (view_read_members(c, &members) < 0)
        return -1;
    v->raw_model = values[MODEL];
    v->user = values[USER];
    v->wants_usage = true;
    if (view_check_common(c, str_n(NULL, 0), str_n(NULL, 0)) < 0)
        return -1;
    enum json_type type = json_type(values[INPUT]);
    if (values[INPUT].p == NULL)
        return view_refuse(c, "input", "Missing required parameter: 'input'.");
    if ((type != JSON_STRING && type != JSON_ARRAY) || values[INPUT].len == 2)
        return view_refuse(c, "input", "Invalid 'input': expected a text, a list of texts, or tokens.");
    v->last_user = values[INPUT];
    v->tokens = (int64_t)(values[INPUT].len + VIEW_BYTES_PER_TOKEN - 1) / VIEW_BYTES_PER_TOKEN;
    return 0;
}
