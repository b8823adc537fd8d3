/*
 * title: what `ps` and `top` call a process: "wye: worker 1".
 *
 * The kernel shows the bytes where the command line lay when the process began. title_init finds them and moves the environment, which lies behind them,
 * out of the way; after it, titles may be as long as both were. Call it once, before threads.
 */
#pragma once

void title_init(void);
void title_set(const char *title);
