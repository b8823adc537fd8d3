/*
 * view_check: what the protocols' views check alike. Internal to view*.c.
 *
 * Each complaint names the field the way its protocol does: `messages[1].role` in OpenAI's, `messages.1.role` in Anthropic's.
 */
#pragma once

#include "base/json.h"
#include "bind/view.h"

enum { VIEW_MAX_MODEL = 1024, VIEW_BYTES_PER_TOKEN = 4, VIEW_TOKENS_PER_MESSAGE = 3, VIEW_TOKENS_PER_IMAGE = 765 };
enum { VIEW_MAX_IMAGE = 20 << 20 }; /* bytes of one image as it stands in the body, base64 and all */

/* Where a check is, and where its complaint goes. */
struct view_check {
    struct view *view;
    const char **param;
    struct err *err;
    const struct str *calls; /* the ids of tool calls so far, raw */
    int call_count, call_room;
    int compared; /* ids: after so many the rest is not looked for */
};

/* -1, with *param set to the formatted path and the words. */
int view_refuse(struct view_check *c, const char *param, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* "messages", 3, "role" → messages[3].role or messages.3.role; `member` may be NULL. */
const char *view_path(struct view_check *c, const char *list, int index, const char *member);

static inline bool view_is_absent(struct str value)
{
    return value.p == NULL || (value.len == 4 && value.p[0] == 'n');
}

/* The members of the body, which must be a valid JSON object; sets v->is_odd. */
int view_read_members(struct view_check *c, struct json_members *members);

/* model, stream and tools, alike in all of them; sets v->model and v->stream. */
int view_check_common(struct view_check *c, struct str stream, struct str tools);

/* Numbers, each NULL, null or a number. */
int view_check_numbers(struct view_check *c, const struct str *names, const struct str *values, int count);

/* The JSON schema at `param`: an object whose types exist. */
int view_check_schema(struct view_check *c, const char *param, struct str schema);

/* A call's id, and that of the result at view_path(list, index, member): it must follow one. */
void view_note_call(struct view_check *c, struct str id);
int view_check_result(struct view_check *c, const char *list, int index, const char *member, struct str id);

/* The protocols, with the members validated and found. */
int view_read_chat(struct view_check *c);
int view_read_messages(struct view_check *c);
int view_read_responses(struct view_check *c);
int view_read_embeddings(struct view_check *c);

/* The text of a content: a string, or the parts that have text. */
struct str view_text(struct view *v, struct str content);

/* Counts the images of a content, that of view_path(list, index, "content"); returns its bytes of text. -1: an image is too large. */
int64_t view_weigh(struct view_check *c, const char *list, int index, struct str content);
