#include "cmd/amount.h"

#include <stdlib.h>

int amount_read(const char *name, const char *text, double most, double *out, struct err *err)
{
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !(*out >= 0 && *out <= most))
        return err_set(err, ERR_BAD_REQUEST, "--%s is '%s'; a number from 0 to %g is needed", name, text, most);
    return 0;
}
