#include "policy/limited.h"

static const char *const NAMES[LIMITED_COUNT] = {"key", "requests", "tokens", "concurrent", "usd", "server"};

const char *limited_name(enum limited why)
{
    return NAMES[why];
}
