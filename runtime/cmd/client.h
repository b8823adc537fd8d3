/*
 * client: one request to the admin API, for the commands that talk to a server.
 */
#pragma once

#include "base/opt.h"
#include "base/str.h"

enum { CLIENT_QUICK_MS = 10 * 1000, CLIENT_CHECK_MS = 180 * 1000 };

/*
 * Sends it and returns the command's exit status. With --json the reply is printed as it came; else a success is `print`ed (valid JSON) and a
 * refusal's message goes to standard error. Nobody there: what was tried and how to start a server.
 */
int client_call(const struct options *o, const char *method, const char *path, unsigned timeout_ms,
                void (*print)(struct str reply));

/* POST, and the reply's message. */
int client_order(const struct options *o, const char *path, unsigned timeout_ms);

/* A generation as typed: a number, or when `or_hash` also the beginning of a hash. Complains and returns false for anything else. */
bool client_is_generation(const struct options *o, const char *text, bool or_hash);
