#include "proc/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/title.h"

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* What the master holds (other workers' sockets, its event loop) would live on in the child and keep ports and peers open. */
static void close_others(const struct process *p)
{
    int keep[PROCESS_KEEP];
    memcpy(keep, p->keep, sizeof keep);
    qsort(keep, (size_t)p->keep_count, sizeof *keep, by_number);
    unsigned from = STDERR_FILENO + 1;
    for (int i = 0; i < p->keep_count; i++) {
        if (keep[i] < (int)from)
            continue;
        if (keep[i] > (int)from)
            close_range(from, (unsigned)keep[i] - 1, 0);
        from = (unsigned)keep[i] + 1;
    }
    close_range(from, ~0u, 0);
}

static void reset_signals(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void begin(const struct process *p, pid_t parent)
{
    static char role[32];
    loop_leave(p->loop);
    close_others(p);
    if (p->dies_with_parent) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(EXIT_FAILURE);
    }
    snprintf(role, sizeof role, "%s", p->role);
    log_init(role, LOG_INFO);
    title_set(p->title);
    reset_signals();
}

pid_t process_fork(const struct process *p)
{
    sigset_t all, before;
    sigfillset(&all);
    fflush(NULL);
    pid_t parent = getpid();
    /* Between fork and reset_signals a signal must not run the master's handlers in the child. */
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) {
        begin(p, parent);
        exit(p->run(p->arg));
    }
    int failed = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = failed;
    return pid;
}

const char *process_end(int status, char *out, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exit status %d", WEXITSTATUS(status));
    return out;
}
