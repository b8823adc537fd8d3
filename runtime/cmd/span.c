#include "cmd/span.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

int span_since(const char *text, uint64_t *since_us, struct err *err)
{
    static const char LETTERS[] = "smhd";
    static const double SECONDS[] = {1, 60, 3600, 86400};
    char *end;
    double n = strtod(text, &end);
    const char *letter = *end ? strchr(LETTERS, *end) : LETTERS;
    if (end == text || !(n > 0 && n < 1e7) || !letter || (*end && end[1]))
        return err_set(err, ERR_BAD_REQUEST, "--since %s: it takes a span such as 90s, 30m, 1h or 7d", text);
    double us = n * SECONDS[letter - LETTERS] * 1e6;
    uint64_t now = clock_wall_us();
    *since_us = us < (double)now ? now - (uint64_t)us : 0;
    return 0;
}

int span_percent(const char *text, const char *option, double *percent, struct err *err)
{
    char *end;
    *percent = strtod(text, &end);
    bool is_number = end != text && (*end == '\0' || strcmp(end, "%") == 0);
    if (!is_number || !(*percent >= 0 && *percent <= 100))
        return err_set(err, ERR_BAD_REQUEST, "%s %s: it takes percent, from 0 to 100", option, text);
    return 0;
}
