/*
 * Any bytes as a segment, as the payloads of events whose checksums hold, and as a query. The first byte says which: readers must
 * end, stay inside the mapping, and print valid JSON.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/json.h"
#include "trace/export.h"
#include "trace/line.h"
#include "trace/query.h"
#include "trace/reader.h"
#include "trace/story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_MAX = 64 * 1024 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static const char *folder(void)
{
    static char dir[] = "/tmp/wye-fuzz-XXXXXX";
    static bool is_made;
    if (!is_made)
        require(mkdtemp(dir) != NULL);
    is_made = true;
    return dir;
}

static void put_file(const void *bytes, size_t len)
{
    char path[64];
    snprintf(path, sizeof path, "%s/0-00000001.seg", folder());
    FILE *f = fopen(path, "w");
    require(f != NULL && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
}

static void put_head(char *file)
{
    struct segment_head *head = (struct segment_head *)file;
    memcpy(head->magic, "wyetrace", 8);
    head->version = SEGMENT_VERSION;
    head->sequence = head->run = 1;
    head->bytes = FILE_MAX;
    head->crc = crc32c(0, head, offsetof(struct segment_head, crc));
    head->state = SEGMENT_ENDED;
}

/* The data as events: type, decision, length, payload. */
static void put_events(const uint8_t *data, size_t size)
{
    static char file[FILE_MAX] __attribute__((aligned(8)));
    memset(file, 0, sizeof file);
    put_head(file);
    size_t at = SEGMENT_FIRST;
    for (uint64_t seq = 1; size >= 3 && at + sizeof(struct event_head) + 256 + 8 < sizeof file; seq++) {
        struct event_head *e = (struct event_head *)(file + at);
        size_t len = data[2] < size - 3 ? data[2] : size - 3;
        e->type = data[0] % 10;
        e->decision = data[1] % 4;
        e->seq = seq;
        e->mono_ns = seq * 1000;
        memcpy(e + 1, data + 3, len);
        e->length = (uint32_t)(sizeof *e + len);
        e->crc = crc32c(0, &e->seq, e->length - offsetof(struct event_head, seq));
        at += (e->length + 7u) & ~7u;
        data += 3 + len;
        size -= 3 + len;
    }
    put_file(file, sizeof file);
}

static void show(struct decision *d)
{
    struct buf out = BUF(STORY_MAX);
    struct str files[4];
    static const struct text_style style = {true, 80};
    require(export_decision(&out, d) == 0);
    require(json_validate(buf_str(&out), NULL) == 0);
    story_files(d, files, 4);
    struct story_source source = {"a.lua", str_of("one\ntwo")};
    require(story_tell(&out, d, &source, 1, &style) == 0);
    require(line_decision(&out, d, &style) == 0);
    buf_clear(&out);
    decision_free(d);
}

static void read_all(void)
{
    struct reader *r = reader_open(folder(), NULL);
    require(r != NULL);
    reader_want_lost(r);
    for (struct decision *d; (d = reader_next(r));)
        show(d);
    for (struct decision *d; (d = reader_unfinished(r));)
        show(d);
    reader_close(r);
}

static void compile(struct str text)
{
    struct err err;
    struct query *q = query_compile(text, &err);
    if (q) {
        struct decision *d = decision_new(1);
        decision_build(d);
        query_match(q, d, NULL);
        decision_free(d);
    }
    query_free(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 3 == 0) {
        compile(str_n((const char *)data + 1, size - 1));
        return 0;
    }
    if (data[0] % 3 == 1)
        put_file(data + 1, size - 1);
    else
        put_events(data + 1, size - 1);
    read_all();
    return 0;
}
