#include "base/shm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"

void *shm_new(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        log_error("cannot share %zu bytes of memory: %s", size, strerror(errno));
        abort();
    }
    return p;
}

void shm_free(void *p, size_t size)
{
    if (p)
        munmap(p, size);
}
