#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *role;
static enum log_level least = LOG_INFO;
static int colour = -1;

static const char *const NAMES[] = {"", "warning: ", "error: "};
static const char *const COLOURS[] = {"", "\033[33m", "\033[31m"};

void log_init(const char *who, enum log_level from)
{
    role = who;
    least = from;
}

static void vlog(enum log_level level, const char *format, va_list args)
{
    if (level < least)
        return;
    const char *plain = getenv("NO_COLOR");
    if (colour < 0)
        colour = isatty(STDERR_FILENO) && !(plain && plain[0]);
    char line[2048];
    vsnprintf(line, sizeof line, format, args);
    fprintf(stderr, "wye: %s%s%s%s%s%s\n", role ? role : "", role ? ": " : "",
            colour ? COLOURS[level] : "", NAMES[level], line, colour ? "\033[0m" : "");
}

#define LOG_AT(name, level)                                                                        \
    void name(const char *format, ...)                                                             \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        vlog(level, format, args);                                                                 \
        va_end(args);                                                                              \
    }

LOG_AT(log_info, LOG_INFO)
LOG_AT(log_warn, LOG_WARN)
LOG_AT(log_error, LOG_ERROR)
