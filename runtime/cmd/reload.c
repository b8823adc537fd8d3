#include "cmd/client.h"
#include "cmd/command.h"

int cmd_reload(struct options *o)
{
    return client_order(o, o->force ? "/reload?force=1" : "/reload", CLIENT_CHECK_MS);
}
