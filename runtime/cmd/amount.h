/* amount: a number that an option gives. */
#pragma once

#include "base/err.h"

/* From 0 to `most`. -1: "--NAME is 'TEXT'; …". */
int amount_read(const char *name, const char *text, double most, double *out, struct err *err);
