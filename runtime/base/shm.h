/* shm: memory shared by the master and everything it forks. Zeroed; pages cost nothing until they are written to; dies with the last process. */
#pragma once

#include <stddef.h>

void *shm_new(size_t size);
void shm_free(void *p, size_t size);
