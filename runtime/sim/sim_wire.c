#include "sim/sim_wire.h"

#include <stdlib.h>

#include "base/alloc.h"

void sim_frames_clear(struct sim_frames *f)
{
    buf_clear(&f->text);
    free(f->ends);
    f->ends = NULL;
    f->count = f->room = 0;
}

void sim_frames_end(struct sim_frames *f)
{
    if (f->count == f->room) {
        f->room = f->room ? f->room * 2 : 64;
        f->ends = xrealloc(f->ends, (size_t)f->room * sizeof *f->ends);
    }
    f->ends[f->count++] = f->text.len;
}

size_t sim_prompt_tokens(const struct sim_ask *ask)
{
    return ask->prompt_bytes / 4 + 1;
}

struct str sim_frame(const struct sim_frames *f, int i)
{
    size_t start = i ? f->ends[i - 1] : 0;
    return str_n(f->text.p + start, f->ends[i] - start);
}
