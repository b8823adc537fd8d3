/*
 * entries: the two large sections of wye.lua, `providers` and `models`, and the secrets they name.
 */
#pragma once

#include "vm/config.h"
#include "vm/settings.h"

/* Reads the section of the configuration on top of the stack, which may be missing; the provider `sim` exists besides. Sorted by name. */
int entries_providers(struct settings *s, struct config *c);

/* After the providers. The section must be there; sim/fast and sim/smart exist besides while `sim` is the simulator. Sorted by id. */
int entries_models(struct settings *s, struct config *c);

/* How the complaint about a secret that is written out begins. */
#define ENTRIES_SECRET_WRITTEN_OUT "a secret does not belong in the source"

/* A reader for settings: { env = "NAME" } or { file = "PATH" } into two neighbouring texts, env first. */
int entries_secret(struct settings *s, void *field, const struct setting *row);

/* Readers for settings, into a text: an http(s) URL without user, query and fragment; a proxy's. */
int entries_base_url(struct settings *s, void *field, const struct setting *row);
int entries_proxy(struct settings *s, void *field, const struct setting *row);
