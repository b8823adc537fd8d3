#include "cmd/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct terminal terminal_look(void)
{
    struct terminal t = {.is_terminal = isatty(STDOUT_FILENO)};
    struct winsize size;
    const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");
    t.has_colour = t.is_terminal && !(plain && plain[0]) && !(term && strcmp(term, "dumb") == 0);
    if (t.is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        t.width = size.ws_col;
    return t;
}
