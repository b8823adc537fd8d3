/* wye: looks the verb up and runs it. */
#include "cmd/command.h"

int main(int argc, char **argv)
{
    return command_run(argc, argv);
}
