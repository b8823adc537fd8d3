#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const NAMES[] = {
#define X(name, text) text,
    ERR_KINDS(X)
#undef X
};

int err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
    if (err == NULL)
        return -1;
    err->kind = kind;
    err->retryable = kind == ERR_RATE_LIMIT || kind == ERR_OVERLOADED || kind == ERR_SERVER_ERROR ||
                     kind == ERR_CONNECT || kind == ERR_TIMEOUT;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return -1;
}

const char *err_kind_name(enum err_kind kind)
{
    return (unsigned)kind < ERR_KIND_COUNT ? NAMES[kind] : "unknown";
}

enum err_kind err_kind_of(const char *name)
{
    for (int i = 0; i < ERR_KIND_COUNT; i++)
        if (strcmp(NAMES[i], name) == 0)
            return (enum err_kind)i;
    return ERR_NONE;
}
