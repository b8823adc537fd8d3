/*
 * Any bytes as JSON: what validates can be walked to its leaves, each of which validates; a splice is valid JSON
 * whose other members are the same bytes; text survives being quoted and read again.
 */
#include <stdint.h>
#include <stdlib.h>

#include <sys/uio.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena arena = {.limit = 1 << 26};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_leaf(struct str value)
{
    double number;
    int64_t integer;
    if (json_type(value) == JSON_STRING) {
        struct str text = json_text(value, &arena), plain = json_plain(value);
        struct buf quoted = BUF(1 << 24);
        require(text.p != NULL && text.len <= value.len);
        require(plain.p == NULL || str_same(plain, text));
        require(json_quote(&quoted, text) == 0 && json_validate(buf_str(&quoted), NULL) == 0);
        require(str_same(json_text(buf_str(&quoted), &arena), text));
        buf_clear(&quoted);
    } else if (json_type(value) == JSON_NUMBER && json_integer(value, &integer)) {
        require(json_number(value, &number) && (double)integer == number);
    }
}

/* Depth is bounded by validation. */
static void walk(struct str value)
{
    enum json_type type = json_type(value);
    if (type != JSON_ARRAY && type != JSON_OBJECT) {
        check_leaf(value);
        return;
    }
    struct json_walk w = json_walk(value);
    while (json_next(&w)) {
        require(w.key.p >= value.p && w.value.p + w.value.len <= value.p + value.len);
        require(json_validate(w.value, NULL) == 0);
        walk(w.value);
    }
}

static bool is_edited(struct str key, const struct json_edit *edits, int count)
{
    for (int i = 0; i < count; i++)
        if (json_key_is(key, str_of(edits[i].name)))
            return true;
    return false;
}

static bool next_other(struct json_walk *w, const struct json_edit *edits, int count)
{
    while (json_next(w))
        if (!is_edited(w->key, edits, count))
            return true;
    return false;
}

static void check_splice(struct str object, const struct json_edit *edits, int count)
{
    static struct iovec pieces[100000];
    struct buf joined = BUF(1 << 24);
    int n = json_splice(object, edits, count, &arena, pieces, 100000);
    require(n > 0);
    for (int i = 0; i < n; i++)
        buf_append(&joined, pieces[i].iov_base, pieces[i].iov_len);
    struct str result = buf_str(&joined);
    require(json_validate(result, NULL) == 0);
    for (int i = 0; i < count; i++)
        require(str_same(json_get(result, edits[i].name), edits[i].value));
    struct json_walk before = json_walk(object), after = json_walk(result);
    while (next_other(&before, edits, count)) {
        require(next_other(&after, edits, count));
        require(str_same(before.key, after.key) && str_same(before.value, after.value));
    }
    require(!next_other(&after, edits, count));
    buf_clear(&joined);
}

/* A short name that the object has, so that edits meet members. */
static void pick_name(struct str object, unsigned nth, char out[32])
{
    struct json_walk w = json_walk(object);
    strcpy(out, "model");
    while (json_next(&w) && nth-- > 0)
        ;
    struct str plain = json_plain(str_n(w.key.p - 1, w.key.len + 2));
    if (plain.p != NULL && plain.len < 32) {
        memcpy(out, plain.p, plain.len);
        out[plain.len] = '\0';
    }
}

/* The rows of the list that was begun last. */
enum { MOST_ROWS = 8192 };
static struct str rows[MOST_ROWS][2];
static bool is_object[MOST_ROWS];
static int row_count;

static void begin_rows(void *arg)
{
    (void)arg;
    row_count = 0;
}

static void keep_row(void *arg, const struct str *values)
{
    (void)arg;
    require(row_count < MOST_ROWS);
    is_object[row_count] = values != NULL;
    if (values)
        memcpy(rows[row_count], values, sizeof rows[0]);
    row_count++;
}

static void check_rows(struct str list)
{
    int i = 0;
    for (struct json_walk w = json_walk(list); json_next(&w); i++) {
        require(i < row_count && is_object[i] == (json_type(w.value) == JSON_OBJECT));
        for (int k = 0; k < 2 && is_object[i]; k++)
            require(str_same(rows[i][k], json_get(w.value, k ? "content" : "role")));
    }
    require(i == row_count);
}

/* What validation finds on its way is what walks find after it. */
static void check_members(struct str s)
{
    static const struct str NAMES[] = {STR("messages"), STR("usage")}, OF_ITEM[] = {STR("role"), STR("content")}, OF_USAGE[] = {STR("a"), STR("total_tokens")};
    struct str values[2], inside[2];
    struct json_inner list = {0, OF_ITEM, inside, 2, begin_rows, keep_row, NULL}, usage = {.of = 1, .names = OF_USAGE, .values = inside, .count = 2};
    struct json_members members = {NAMES, values, 2, false, &list};
    require(json_validate_members(s, &members, NULL) == 0);
    for (int i = 0; i < 2; i++)
        require(str_same(values[i], json_get(s, NAMES[i].p)));
    if (json_type(values[0]) == JSON_ARRAY)
        check_rows(values[0]);
    members.inner = &usage;
    require(json_validate_members(s, &members, NULL) == 0);
    for (int i = 0; i < 2 && json_type(values[1]) == JSON_OBJECT; i++)
        require(str_same(inside[i], json_get(values[1], OF_USAGE[i].p)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = str_n((const char *)data, size);
    struct err err;
    if (json_validate(s, &err) < 0)
        return 0;
    check_members(s);
    walk(json_pointer(s, ""));
    json_pointer(s, "/0/a~1b/c");
    if (json_type(s) == JSON_OBJECT) {
        char name[32] = "model";
        struct json_walk w = json_walk(s);
        if (json_next(&w))
            pick_name(s, data[size / 2] % 4, name);
        const struct json_edit edits[] = {
            {name, {NULL, 0}}, {"stream\"", {"[true]", 6}}, {"\\", {NULL, 0}}};
        const struct json_edit replaced[] = {{name, {"\"m\"", 3}}};
        if (strcmp(name, "stream\"") != 0 && strcmp(name, "\\") != 0)
            check_splice(s, edits, 3);
        check_splice(s, replaced, 1);
    }
    arena_reset(&arena);
    return 0;
}
