/*
 * manual: what --help prints, written from options.def and the table of verbs.
 */
#pragma once

#include <stdio.h>

#include "base/opt.h"

/* `wye VERB --help`. */
void manual_verb(FILE *out, const struct verb *verb);

/* `wye help`: one line a verb. */
void manual_all(FILE *out, const struct verb *const *verbs, int count);

/* {"verbs":[{"name","args","summary","options":[{"name","letter","arg","default","env","help"}]}]}: for shell completion and the like. */
void manual_json(FILE *out, const struct verb *const *verbs, int count);

/* Two tables for cmd/README.md. */
void manual_markdown(FILE *out, const struct verb *const *verbs, int count);
