#include "cmd/scan.h"

#include <stdio.h>

#include "base/log.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/place.h"
#include "cmd/span.h"

int scan_open(struct scan *s, const struct options *o)
{
    struct err err;
    struct place place = {0};
    *s = (struct scan){0};
    if (o->since && span_since(o->since, &s->since_us, &err) < 0)
        return complain(o, EXIT_USAGE, "%s", err.message);
    if (o->query && (s->query = query_compile(str_of(o->query), &err)) == NULL)
        return complain(o, EXIT_USAGE, "%s", err.message);
    if (place_find(o, &place, &err) == 0)
        s->reader = reader_open(place.trace, &err);
    snprintf(s->state, sizeof s->state, "%s", place.state);
    if (s->reader && s->query && query_wants_late(s->query))
        reader_join(s->reader);
    if (s->reader)
        return EXIT_OK;
    query_free(s->query);
    return complain_of(o, &err);
}

struct decision *scan_next(struct scan *s)
{
    for (struct decision *d; (d = reader_next(s->reader)); decision_free(d)) {
        bool is_wanted = s->query == NULL || s->by_record || query_match(s->query, d, NULL);
        if (d->began_us >= s->since_us && is_wanted)
            return d;
    }
    return NULL;
}

void scan_close(struct scan *s)
{
    reader_warn(s->reader);
    reader_close(s->reader);
    query_free(s->query);
}
