/*
 * signing: the header lines that show AWS who calls, for providers of kind `bedrock` that have a `secret`.
 */
#pragma once

#include "net/transport.h"

struct attempt;

/* Adds them to call->fields, which must be last to change. Nothing for other providers. -1 with a->err. */
int signing_add(struct attempt *a, struct call_request *call);
