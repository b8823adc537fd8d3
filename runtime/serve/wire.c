#include "serve/wire.h"

#include <stdio.h>

#include "base/json.h"

enum { MAX_WORDS = 300 };

static enum err_kind kind_of_status(int status)
{
    switch (status) {
    case 429: return ERR_RATE_LIMIT;
    case 503:
    case 529: return ERR_OVERLOADED;
    case 401:
    case 403: return ERR_AUTH;
    case 408: return ERR_TIMEOUT;
    default: break;
    }
    if (status >= 500)
        return ERR_SERVER_ERROR;
    return status >= 400 ? ERR_BAD_REQUEST : ERR_MALFORMED; /* redirects are never followed */
}

bool wire_has_word(struct str raw, const char *word)
{
    return raw.p && memmem(raw.p, raw.len, word, strlen(word));
}

int64_t wire_count(struct str value)
{
    int64_t n = 0;
    return value.p && json_integer(value, &n) && n > 0 ? n : 0;
}

bool wire_members(struct str data, const struct str *names, struct str *values, int count, struct err *err)
{
    struct json_members members = {names, values, count, false, NULL};
    struct err why;
    if (json_validate_members(data, &members, &why) == 0 && json_type(data) == JSON_OBJECT)
        return true;
    err_set(err, ERR_MALFORMED, "what the provider sent is no JSON object");
    return false;
}

static struct str text_of(struct str error, struct arena *arena)
{
    static const char *const NAMES[] = {"message", "Message", "detail"}; /* some of AWS; Mistral's */
    struct str text = json_text(error, arena);                           /* {"error": "words"} */
    for (int i = 0; i < 3 && text.p == NULL; i++)
        text = json_text(json_get(error, NAMES[i]), arena);
    return text;
}

static void words_of(struct str error, char *out, size_t size)
{
    struct arena arena = ARENA(64 * 1024);
    struct str text = text_of(error, &arena);
    snprintf(out, size, "%.*s", (int)(text.len < size ? text.len : size - 1), text.p ? text.p : "");
    arena_clear(&arena);
}

/* Gemini's way of saying 401 is 400 with a detail. */
static enum err_kind refined(enum err_kind kind, struct str error)
{
    struct str code = json_get(error, "code");
    if (kind != ERR_BAD_REQUEST)
        return kind;
    if (wire_has_word(code, "content_filter") || wire_has_word(code, "content_policy"))
        return ERR_CONTENT_FILTER;
    return wire_has_word(json_get(error, "details"), "API_KEY_INVALID") ? ERR_AUTH : kind;
}

/* The member `error` of a valid body, or the body. */
static struct str error_in(struct str body)
{
    struct json_walk first = json_walk(body);
    if (json_type(body) == JSON_ARRAY && json_next(&first))
        body = first.value; /* a stream of Gemini's that failed at once */
    struct str error = json_get(body, "error");
    return error.p ? error : body;
}

struct str wire_error_words(struct str body, struct arena *arena)
{
    return json_validate(body, NULL) == 0 ? text_of(error_in(body), arena) : str_n(NULL, 0);
}

void wire_error(int status, struct str body, struct err *err)
{
    char words[MAX_WORDS] = "";
    enum err_kind kind = kind_of_status(status);
    if (json_validate(body, NULL) == 0) {
        words_of(error_in(body), words, sizeof words);
        kind = refined(kind, error_in(body));
    }
    err_set(err, kind, "the provider answered %d%s%s", status, words[0] ? ": " : "", words);
}

static const struct {
    const char *word;
    enum err_kind kind;
} WORDS[] = {
    {"overloaded", ERR_OVERLOADED},      {"UNAVAILABLE", ERR_OVERLOADED},      {"rate_limit", ERR_RATE_LIMIT},
    {"quota", ERR_RATE_LIMIT},           {"RESOURCE_EXHAUSTED", ERR_RATE_LIMIT}, {"content_filter", ERR_CONTENT_FILTER},
    {"authentication", ERR_AUTH},        {"permission", ERR_AUTH},             {"invalid_request", ERR_BAD_REQUEST},
    {"invalid_prompt", ERR_BAD_REQUEST}, {"INVALID_ARGUMENT", ERR_BAD_REQUEST},
};

static enum err_kind kind_in_200(struct str error)
{
    struct str type = json_get(error, "type"), code = json_get(error, "code"), status = json_get(error, "status");
    int64_t number = 0;
    if (json_integer(code, &number) && number >= 400 && number < 600)
        return kind_of_status((int)number);
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (wire_has_word(type, WORDS[i].word) || wire_has_word(code, WORDS[i].word) || wire_has_word(status, WORDS[i].word))
            return WORDS[i].kind;
    return ERR_SERVER_ERROR;
}

void wire_error_in_200(struct str error, struct err *err)
{
    char words[MAX_WORDS] = "";
    words_of(error, words, sizeof words);
    err_set(err, kind_in_200(error), "the provider sent an error in its stream%s%s", words[0] ? ": " : "", words);
}
