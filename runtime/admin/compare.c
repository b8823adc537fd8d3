#include "admin/compare.h"

#include <string.h>

#include "base/json.h"
#include "admin/diff.h"

enum { COMPARE_TEXT = 64 << 20 };

static int write_id(struct buf *out, const char *name, unsigned id)
{
    return id ? buf_printf(out, "\"%s\":%u", name, id) : buf_printf(out, "\"%s\":null", name);
}

/* A NUL, or bytes that a JSON string cannot carry unchanged. */
static bool is_text(struct str s)
{
    struct buf quoted = BUF(s.len + 2);
    if (s.len && memchr(s.p, 0, s.len))
        return false;
    bool holds = buf_putc(&quoted, '"') == 0;
    for (size_t i = 0; i < s.len && holds; i++) /* only UTF-8 is in question: escapes and quotes are not */
        holds = buf_putc(&quoted, s.p[i] == '"' || s.p[i] == '\\' || (unsigned char)s.p[i] < 0x20 ? ' ' : s.p[i]) == 0;
    holds = holds && buf_putc(&quoted, '"') == 0 && json_validate(buf_str(&quoted), NULL) == 0;
    buf_clear(&quoted);
    return holds;
}

int compare_show(struct buf *out, unsigned id, struct manifest *files)
{
    int failed = buf_puts(out, "{") || write_id(out, "id", id) ||
                 buf_printf(out, ",\"hash\":\"%s\",\"files\":[", manifest_hash(files));
    for (int i = 0; i < manifest_count(files) && !failed; i++) {
        const char *path;
        struct str bytes = manifest_at(files, i, &path);
        failed = buf_puts(out, i ? ",{\"path\":" : "{\"path\":") || json_quote(out, str_of(path)) ||
                 buf_printf(out, ",\"bytes\":%zu,\"text\":", bytes.len) ||
                 (is_text(bytes) ? json_quote(out, bytes) : buf_puts(out, "null")) || buf_puts(out, "}");
    }
    return failed || buf_puts(out, "]}\n") ? -1 : 0;
}

static struct str find(const struct manifest *m, const char *wanted)
{
    for (int i = 0; i < manifest_count(m); i++) {
        const char *path;
        struct str bytes = manifest_at(m, i, &path);
        if (strcmp(path, wanted) == 0)
            return bytes.p ? bytes : str_of("");
    }
    return str_n(NULL, 0);
}

/* One changed file: its JSON into out, its diff into the text of all. */
static int write_change(struct buf *out, struct buf *text, const char *path, struct str before, struct str after)
{
    const char *change = !before.p ? "added" : !after.p ? "removed" : "changed";
    struct buf diff = BUF(COMPARE_TEXT);
    bool is_binary = !is_text(before.p ? before : str_of("")) || !is_text(after.p ? after : str_of(""));
    int failed = buf_printf(&diff, "--- %s%s\n+++ %s%s\n", before.p ? "a/" : "", before.p ? path : "/dev/null",
                            after.p ? "b/" : "", after.p ? path : "/dev/null");
    failed = failed || (is_binary ? buf_puts(&diff, "(no text: the bytes differ)\n") : diff_write(&diff, before, after));
    failed = failed || buf_append(text, diff.p, diff.len) ||
             buf_puts(out, out->p[out->len - 1] == '[' ? "{\"path\":" : ",{\"path\":") || json_quote(out, str_of(path)) ||
             buf_printf(out, ",\"change\":\"%s\",\"diff\":", change) || json_quote(out, buf_str(&diff)) ||
             buf_puts(out, "}");
    buf_clear(&diff);
    return failed;
}

static int write_changes(struct buf *out, struct buf *text, struct manifest *a, struct manifest *b)
{
    int failed = 0;
    const char *path;
    for (int i = 0; i < manifest_count(a) && !failed; i++) {
        struct str before = manifest_at(a, i, &path), after = find(b, path);
        if (!after.p || !str_same(before, after))
            failed = write_change(out, text, path, before.p ? before : str_of(""), after);
    }
    for (int i = 0; i < manifest_count(b) && !failed; i++) {
        struct str after = manifest_at(b, i, &path);
        if (!find(a, path).p)
            failed = write_change(out, text, path, str_n(NULL, 0), after.p ? after : str_of(""));
    }
    return failed;
}

int compare_generations(struct buf *out, const unsigned ids[2], struct manifest *a, struct manifest *b)
{
    struct buf text = BUF(COMPARE_TEXT);
    int failed = buf_puts(out, "{") || write_id(out, "a", ids[0]) || buf_puts(out, ",") || write_id(out, "b", ids[1]) ||
                 buf_puts(out, ",\"files\":[") || write_changes(out, &text, a, b) || buf_puts(out, "],\"text\":") ||
                 json_quote(out, buf_str(&text)) || buf_puts(out, "}\n");
    buf_clear(&text);
    return failed ? -1 : 0;
}
