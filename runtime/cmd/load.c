#include "cmd/client.h"
#include "cmd/command.h"

int cmd_load(struct options *o)
{
    return client_order(o, "/load", CLIENT_CHECK_MS);
}
