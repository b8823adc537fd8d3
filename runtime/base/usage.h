/*
 * usage: what --help prints, written from options.def and the table of verbs.
 */
#pragma once

#include <stdio.h>

#include "base/opt.h"

/* `wye VERB --help`. */
void usage_verb(FILE *out, const struct verb *verb);

/* `wye help`: one line a verb. */
void usage_all(FILE *out, const struct verb *const *verbs, int count);

/* Two tables for cmd/README.md. */
void usage_markdown(FILE *out, const struct verb *const *verbs, int count);
