#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/conversations.h"
#include "cmd/place.h"
#include "cmd/save.h"
#include "cmd/scan.h"
#include "cmd/terminal.h"
#include "trace/export.h"
#include "trace/line.h"
#include "trace/query.h"
#include "trace/reader.h"

enum { FOLLOW_MS = 100, LINE_MAX_BYTES = 4 * DECISION_MAX, NEWEST_MAX = 1000000 };

struct listing {
    const struct options *options;
    struct reader *reader;
    struct query *query; /* NULL: all */
    struct text_style style;
    bool by_attempt;
    struct buf out;
    uint64_t skip; /* raw: events still to pass over */
};

/* False once nobody reads what is printed. */
static bool flush(struct listing *l)
{
    if (l->out.len > 0)
        fwrite(l->out.p, 1, l->out.len, stdout);
    buf_reset(&l->out);
    return fflush(stdout) == 0;
}

static bool matches(void *ctx, const struct decision *d)
{
    const struct listing *l = ctx;
    if (l->query == NULL)
        return !l->by_attempt || decision_count(d, GROUP_ATTEMPT) > 0;
    if (!l->by_attempt)
        return query_match(l->query, d, NULL);
    const struct record *r;
    for (int i = 0; (r = decision_next(d, GROUP_ATTEMPT, &i));)
        if (query_match(l->query, d, r))
            return true;
    return false;
}

static void put_attempts(struct listing *l, const struct decision *d)
{
    const struct record *r;
    for (int i = 0; (r = decision_next(d, GROUP_ATTEMPT, &i));) {
        if (l->query && !query_match(l->query, d, r))
            continue;
        if (!l->options->json) {
            line_attempt(&l->out, d, r, &l->style);
            continue;
        }
        export_attempt(&l->out, d, r);
        buf_putc(&l->out, '\n');
    }
}

/* Prints one that matched, and frees it. */
static bool put(struct listing *l, struct decision *d)
{
    if (l->by_attempt)
        put_attempts(l, d);
    else if (l->options->json) {
        export_decision(&l->out, d);
        buf_putc(&l->out, '\n');
    } else {
        line_decision(&l->out, d, &l->style);
    }
    decision_free(d);
    fwrite(l->out.p, 1, l->out.len, stdout);
    buf_reset(&l->out);
    return !ferror(stdout);
}

static bool put_newest(struct listing *l, int count)
{
    struct decision **found = xcalloc((size_t)count, sizeof *found);
    int held = reader_newest(l->reader, count, matches, l, found);
    bool is_read = true;
    for (int i = 0; i < held; i++)
        is_read &= put(l, found[i]);
    free(found);
    return is_read && flush(l);
}

/* All that is there now. */
static bool put_all(struct listing *l)
{
    bool is_read = true;
    for (struct decision *d; is_read && (d = reader_next(l->reader));) {
        if (matches(l, d))
            is_read = put(l, d);
        else
            decision_free(d);
    }
    return is_read && flush(l);
}

/* Those that have not ended are shown to whoever asks for `state`. */
static bool put_unfinished(struct listing *l)
{
    bool is_read = true;
    for (struct decision *d; is_read && (d = reader_unfinished(l->reader));) {
        if (matches(l, d))
            is_read = put(l, d);
        else
            decision_free(d);
    }
    return is_read && flush(l);
}

static void list_decisions(struct listing *l)
{
    const struct options *o = l->options;
    bool by_state = l->query && query_names(l->query, GROUP_DECISION, F_STATE);
    long count = o->count ? o->count : o->json || o->follow ? 0 : 20;
    if (by_state)
        reader_want_lost(l->reader);
    if (!o->follow && (o->json || l->by_attempt || (l->query && query_wants_late(l->query))))
        reader_join(l->reader);
    if (l->style.width > 0 && !o->json) {
        if (l->by_attempt)
            line_attempt_title(&l->out, &l->style);
        else
            line_decision_title(&l->out, &l->style);
    }
    bool is_read = true;
    if (count > 0 && count <= NEWEST_MAX)
        is_read = put_newest(l, (int)count);
    else if (count == 0 && o->follow)
        reader_skip(l->reader);
    else
        is_read = put_all(l);
    if (by_state && !o->follow && is_read)
        put_unfinished(l);
    while (o->follow && is_read) {
        is_read = put_all(l);
        poll(NULL, 0, FOLLOW_MS);
    }
}

static bool count_event(void *ctx, const struct segment_head *head, const struct event_head *event)
{
    (void)head;
    (void)event;
    ++*(uint64_t *)ctx;
    return true;
}

static bool put_event(void *ctx, const struct segment_head *head, const struct event_head *event)
{
    struct listing *l = ctx;
    char time[40];
    if (l->skip > 0) {
        l->skip--;
        return true;
    }
    if (l->options->json) {
        export_event(&l->out, head, event);
    } else {
        buf_printf(&l->out, "%s %2u %8" PRIu64 " %8" PRIu64 " %-13s ",
                   clock_format(segment_wall_us(head, event), time, sizeof time), head->slot, event->seq,
                   event->decision, event_type_name(event->type));
        export_fields(&l->out, event);
    }
    buf_putc(&l->out, '\n');
    fwrite(l->out.p, 1, l->out.len, stdout);
    buf_reset(&l->out);
    return !ferror(stdout);
}

static int list_events(struct listing *l, const char *dir, struct err *err)
{
    const struct options *o = l->options;
    long count = o->count ? o->count : o->json || o->follow ? 0 : 20;
    if (count > 0 || o->follow) {
        uint64_t total = 0;
        struct reader *counter = reader_open(dir, err);
        if (counter == NULL)
            return -1;
        reader_events(counter, count_event, &total);
        reader_close(counter);
        l->skip = total > (uint64_t)count ? total - (uint64_t)count : 0;
    }
    do {
        reader_events(l->reader, put_event, l);
        poll(NULL, 0, o->follow ? FOLLOW_MS : 0);
    } while (fflush(stdout) == 0 && o->follow);
    return 0;
}

static int run(struct listing *l, const char *group, const char *dir, struct err *err)
{
    l->reader = reader_open(dir, err);
    if (l->reader == NULL)
        return -1;
    int result = 0;
    if (strcmp(group, "raw") == 0)
        result = list_events(l, dir, err);
    else if (strcmp(group, "conversation") == 0)
        result = conversations_list(l->options, l->query, dir, &l->style, err);
    else
        list_decisions(l);
    reader_warn(l->reader);
    reader_close(l->reader);
    return result;
}

static int print_fields(bool as_json)
{
    struct buf out = BUF(1024 * 1024);
    (as_json ? fields_json : fields_print)(&out);
    fwrite(out.p, 1, out.len, stdout);
    buf_clear(&out);
    return EXIT_OK;
}

static int check_group(const struct options *o, struct err *err)
{
    static const char *const groups[] = {"decision", "attempt", "conversation", "raw"};
    bool is_known = false;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        is_known |= strcmp(o->group, groups[i]) == 0;
    if (!is_known)
        return err_set(err, ERR_BAD_REQUEST, "-g %s: it takes decision, attempt, conversation or raw", o->group);
    if (o->query && strcmp(o->group, "raw") == 0)
        return err_set(err, ERR_BAD_REQUEST, "-q looks at decisions: it does not go with -g raw");
    if (o->follow && strcmp(o->group, "conversation") == 0)
        return err_set(err, ERR_BAD_REQUEST, "-f does not go with -g conversation: a conversation has no end");
    return 0;
}

/* trace save ID [DIR] */
static int save(const struct options *o)
{
    struct err err;
    struct place place;
    if (strcmp(o->args[0], "save") != 0 || o->arg_count < 2)
        return complain_word(o, (const char *const[]){"save"}, 1, "`wye trace save ID [DIR]`, or no argument at all to list");
    if (place_find(o, &place, &err) < 0)
        return complain_of(o, &err);
    const char *dir = o->arg_count > 2 ? o->args[2] : place.project[0] ? place.project : place_project();
    return save_decision(o, place.trace, o->args[1], dir);
}

int cmd_trace(struct options *o)
{
    struct err err;
    struct place place;
    if (o->arg_count)
        return save(o);
    if (o->fields)
        return print_fields(o->json);
    if (check_group(o, &err) < 0)
        return complain(o, EXIT_USAGE, "%s", err.message);
    struct terminal terminal = terminal_look();
    struct listing l = {.options = o, .style = {terminal.has_colour, terminal.width}, .out = BUF(LINE_MAX_BYTES)};
    l.by_attempt = strcmp(o->group, "attempt") == 0;
    if (o->query && (l.query = query_compile(str_of(o->query), &err)) == NULL)
        return complain(o, EXIT_USAGE, "%s", err.message);
    int status = EXIT_OK;
    if (place_find(o, &place, &err) < 0)
        status = complain_of(o, &err);
    else if (run(&l, o->group, place.trace, &err) < 0)
        status = complain_of(o, &err);
    buf_clear(&l.out);
    query_free(l.query);
    return status;
}
