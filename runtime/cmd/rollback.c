#include "cmd/client.h"
#include "cmd/command.h"

int cmd_rollback(struct options *o)
{
    return client_order(o, "/rollback", CLIENT_QUICK_MS);
}
