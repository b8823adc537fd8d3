#include "proc/aide.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/process.h"

enum { REVIVE_MS = 200 };

static const char *role_of(const struct aide *a)
{
    return a->title + strlen("wye: ");
}

void aide_open(struct aide *a, struct loop *loop)
{
    a->listen_fd = -1;
    a->loop = loop;
    timer_init(&a->again, loop, a->revive, a->arg);
}

void aide_close(struct aide *a)
{
    timer_clear(&a->again);
    if (a->pid) {
        kill(a->pid, SIGKILL);
        waitpid(a->pid, NULL, 0);
    }
    if (a->listen_fd >= 0)
        close(a->listen_fd);
}

void aide_retry(struct aide *a)
{
    timer_set(&a->again, REVIVE_MS);
}

void aide_start(struct aide *a, int extra_fd)
{
    struct process p = {.title = a->title,
                        .role = role_of(a),
                        .keep = {a->listen_fd, extra_fd},
                        .keep_count = extra_fd >= 0 ? 2 : 1,
                        .loop = a->loop,
                        .dies_with_parent = true,
                        .run = a->run,
                        .arg = a->arg};
    a->pid = process_fork(&p);
    if (a->pid >= 0)
        return;
    a->pid = 0;
    log_error("cannot start the %s process: %s", role_of(a), strerror(errno));
    aide_retry(a);
}

bool aide_reaped(struct aide *a, pid_t pid, int status)
{
    char words[64];
    if (!a->pid || a->pid != pid)
        return false;
    a->pid = 0;
    log_warn("the %s process (pid %d) ended: %s; a new one starts", role_of(a), (int)pid,
             process_end(status, words, sizeof words));
    aide_retry(a);
    return true;
}
