/* terminal: what standard output is, for commands that print for people. */
#pragma once

#include <stdbool.h>

struct terminal {
    bool is_terminal;
    bool has_colour; /* a terminal, and neither NO_COLOR nor TERM=dumb */
    int width;       /* columns; 0 when not a terminal */
};
struct terminal terminal_look(void);
