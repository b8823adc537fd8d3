/*
 * answer: what the client reads: the x-wye-* headers, errors before there is a request.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct request;
struct router;
struct exchange;

/* Decimal digits, written backwards from `end`. At most 10 bytes. */
struct str answer_digits(unsigned n, char *end);

/* "x-wye-id: …\r\nx-wye-route: …\r\n…" as it stands now, in the request's arena. "-" where nothing applies. */
struct str answer_fields(struct request *rq, const char *more);

/* A reply that no route has a part in and that leaves no decision, in JSON, with the same fields. `more`: further header lines or "". */
void answer_json(struct router *r, struct exchange *x, int status, const char *more, struct str body);

/* The HTTP status for an error that wye itself reports. */
int answer_status(enum err_kind kind);

/* An error without a request behind it (unknown path, over a limit), in the shape of the path's protocol. */
void answer_error(struct router *r, struct exchange *x, int status, const char *code, const char *more, const char *words);

struct refusal;

/* The same, whole. `cause` may be NULL. */
void answer_refusal(struct router *r, struct exchange *x, const struct refusal *refusal, const char *cause, const char *more);

/* POST /v1/messages/count_tokens: wye's own estimate, the one that routes see as req.tokens. */
void answer_count(struct router *r, struct exchange *x);
