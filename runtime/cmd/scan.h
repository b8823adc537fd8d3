/*
 * scan: the decisions that -q and --since leave of a trace, for the verbs that go over all of it.
 *
 *     struct scan s;
 *     if ((status = scan_open(&s, o)) != EXIT_OK) return status;       // said why
 *     for (struct decision *d; (d = scan_next(&s)); decision_free(d)) ...
 *     scan_close(&s);                                                  // says what could not be read
 */
#pragma once

#include "base/opt.h"
#include "trace/query.h"
#include "trace/reader.h"

struct scan {
    struct reader *reader;
    struct query *query; /* NULL: all */
    uint64_t since_us;   /* 0: all */
    char state[3072];    /* directory of the server's state */
    bool by_record;      /* the caller looks at -q itself, record by record */
};

/* The exit status; complains. */
int scan_open(struct scan *s, const struct options *o);

/* As reader_next: NULL when there is none now. */
struct decision *scan_next(struct scan *s);
void scan_close(struct scan *s);
