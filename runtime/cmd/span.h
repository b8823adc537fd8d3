/* span: "1h", "30m" and "5%" as people type them. */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* s, m, h or d; seconds without a letter. *since_us: that long ago, microseconds since 1970. */
int span_since(const char *text, uint64_t *since_us, struct err *err);

/* 0 to 100, with or without the sign; `option` is for the error. */
int span_percent(const char *text, const char *option, double *percent, struct err *err);
