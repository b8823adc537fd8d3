#include "serve/traceparent.h"

#include "base/hex.h"
#include "serve/router_state.h"
#include "trace/spanid.h"

/* Where the ids lie in "00-<32 hex>-<16 hex>-<2 hex>". */
enum { AT_TRACE = 3, AT_SPAN = 36, AT_FLAGS = 53, LENGTH = 55, STATE_LONGEST = 1024 };

static bool is_zero(const char *digits, size_t count)
{
    return strspn(digits, "0") >= count;
}

/* A later version may go on after a dash; ff is none. */
static bool is_good(struct str s)
{
    static const char shape[] = "hh-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";
    if (s.len < LENGTH || str_starts(s, "ff") || (s.len > LENGTH && (str_starts(s, "00") || s.p[LENGTH] != '-')))
        return false;
    for (size_t i = 0; i < LENGTH; i++) {
        bool is_hex = (s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f');
        if (shape[i] == '-' ? s.p[i] != '-' : !is_hex)
            return false;
    }
    return !is_zero(s.p + AT_TRACE, TRACEID_DIGITS) && !is_zero(s.p + AT_SPAN, SPANID_DIGITS);
}

void traceparent_read(struct request *rq)
{
    struct str given = http_field(rq->scope.view.head, "traceparent");
    rq->traceparent = is_good(given) ? given.p : NULL;
    if (rq->traceparent) {
        memcpy(rq->trace_id, given.p + AT_TRACE, TRACEID_DIGITS);
    } else {
        hex_put(router_random(rq->router), rq->trace_id);
        hex_put(router_random(rq->router), rq->trace_id + TRACEID_DIGITS / 2);
    }
    rq->trace_id[TRACEID_DIGITS] = '\0';
}

struct str traceparent_span(const struct request *rq)
{
    return rq->traceparent ? str_n(rq->traceparent + AT_SPAN, SPANID_DIGITS) : str_n(NULL, 0);
}

struct str traceparent_fields(const struct attempt *a, struct str fields)
{
    const struct request *rq = a->request;
    char line[] = "traceparent: 00-................................-................-01\r\n";
    char *ids = line + strlen("traceparent: ");
    struct str state = rq->traceparent ? http_field(rq->scope.view.head, "tracestate") : str_n(NULL, 0);
    if (a->model->provider->no_traceparent || rq->run) /* a shadow is no part of the client's trace */
        return fields;
    memcpy(ids + AT_TRACE, rq->trace_id, TRACEID_DIGITS);
    spanid_put(str_of(rq->id), a->n, ids + AT_SPAN);
    ids[AT_SPAN + SPANID_DIGITS] = '-';
    if (rq->traceparent)
        memcpy(ids + AT_FLAGS, rq->traceparent + AT_FLAGS, 2);
    bool has_state = state.p && state.len <= STATE_LONGEST;
    const struct str parts[] = {fields, str_n(line, sizeof line - 1), STR("tracestate: "), state, STR("\r\n")};
    return arena_concat(rq->scope.view.arena, parts, has_state ? 5 : 2);
}
