/*
 * shared: third-party vectors and recordings that lie beside the project, never inside it.
 *
 * Looked for in $WYE_SHARED, ../shared and ../../shared. A test asks shared_has first and skips without.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

/* True when the folder `name` ("http", "json", …) is there; else says on standard error that it is skipped. */
bool shared_has(const char *name);

/* "ROOT/name"; a static buffer. */
const char *shared_path(const char *name);

/* The whole file at `path`. The caller clears the buffer. Fails the test when it cannot be read. */
struct buf shared_read(const char *path);
