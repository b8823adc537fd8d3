#include "proc/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc/process.h"
#include "proc/store.h"
#include "trial/check.h"
#include "vm/guard.h"

enum { LOADER_S = 10, GATED_S = 40, /* of time, and of CPU */ PACKED_MAX = 80 << 20, LOADER_MEMORY = 1 << 30 };

/* ---- in the child ---- */

struct attempt {
    const struct loader_options *options;
    int pipe, memory;
};

#ifndef __SANITIZE_ADDRESS__ /* its shadow alone takes terabytes of address space */
/* Beside what it has from the master, which is mostly reserved for the workers' shared memory. */
static void limit_memory(void)
{
    unsigned long pages = 0;
    FILE *in = fopen("/proc/self/statm", "re");
    if (in && fscanf(in, "%lu", &pages) != 1)
        pages = 0;
    if (in)
        fclose(in);
    rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + LOADER_MEMORY;
    setrlimit(RLIMIT_AS, &(struct rlimit){most, most});
}
#endif

static void set_limits(rlim_t seconds)
{
#ifndef __SANITIZE_ADDRESS__
    limit_memory();
#endif
    setrlimit(RLIMIT_CPU, &(struct rlimit){seconds, seconds});
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

static struct manifest *reopen(int fd, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return NULL;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        err_set(err, ERR_SYSTEM, "cannot map the earlier generation: %s", strerror(errno));
        return NULL;
    }
    struct manifest *files = manifest_unpack(str_n(p, (size_t)st.st_size), err);
    munmap(p, (size_t)st.st_size);
    return files;
}

static void add_warning(struct loader_result *r, const char *words)
{
    size_t n = strlen(r->warnings);
    snprintf(r->warnings + n, sizeof r->warnings - n, "%s\n", words);
}

static int write_memory(int memory, struct str bytes, struct err *err)
{
    while (bytes.len) {
        ssize_t n = write(memory, bytes.p, bytes.len);
        if (n < 0 && errno != EINTR)
            return err_set(err, ERR_SYSTEM, "cannot hand over the project's files: %s", strerror(errno));
        if (n > 0)
            bytes = str_n(bytes.p + n, bytes.len - (size_t)n);
    }
    return 0;
}

/* The disk is waited for here, never in the master. A state directory that cannot be written costs `wye why` its sources, not the reload. */
static int hand_over(const struct attempt *a, struct manifest *files, struct loader_result *r, struct err *err)
{
    struct buf packed = BUF(PACKED_MAX);
    struct err failed;
    if (manifest_pack(files, &packed) < 0)
        return err_set(err, ERR_LIMIT, "the project's files are larger than %d MiB together", PACKED_MAX >> 20);
    if (store_write(a->options->state_dir, r->hash, buf_str(&packed), &failed) < 0)
        add_warning(r, failed.message);
    int result = write_memory(a->memory, buf_str(&packed), err);
    buf_clear(&packed);
    return result;
}

static void warn_of_providers(const struct generation *g, struct loader_result *r)
{
    for (int i = 0; i < g->config->provider_count; i++) {
        char words[400];
        const struct provider *p = &g->config->providers[i];
        const char *problem = generation_provider_warning(g, p, words, sizeof words);
        if (problem && p->kind != KIND_SIM) /* the built-in one, which most projects do not use */
            add_warning(r, problem);
    }
}

static void read_token(const struct config *c, struct loader_result *r)
{
    r->has_token = c->admin.token_env || c->admin.token_file;
    const char *env = c->admin.token_env ? getenv(c->admin.token_env) : NULL;
    if (env)
        snprintf(r->token, sizeof r->token, "%s", env);
    FILE *f = c->admin.token_file ? fopen(c->admin.token_file, "re") : NULL;
    if (!f)
        return;
    if (fgets(r->token, sizeof r->token, f))
        r->token[strcspn(r->token, "\r\n")] = '\0';
    fclose(f);
}

static void read_otlp(const struct config *c, struct loader_result *r)
{
    char words[sizeof c->otlp->headers[0].value + 200];
    if (c->otlp == NULL)
        return;
    r->otlp = *c->otlp;
    if (collector_problem(c->otlp, words, sizeof words))
        add_warning(r, words);
}

/* What the check finds ends a reload; at start, when nothing runs that could go on, it is only told. */
static int run_check(struct generation *g, const struct loader_options *o, struct loader_result *r, struct err *err)
{
    static struct check check;
    static struct check_recorded recorded;
    bool is_gate = o->is_gated;
    if (o->gates && o->gates->trace_dir && check_recorded_read(&recorded, o->gates->trace_dir, true, NULL) == 0)
        check.recorded = &recorded;
    int errors = check_generation(g, &check);
    bool is_first = true;
    for (int i = 0; i < check.count; i++) {
        const struct finding *f = &check.findings[i];
        char line[1300], place[256] = "";
        if (f->line)
            snprintf(place, sizeof place, "%s:%d: ", f->file, f->line);
        int n = snprintf(line, sizeof line, "%s%s", place, f->message);
        if (f->request[0])
            snprintf(line + n, sizeof line - (size_t)n, " (route %s, %s request '%s'%s%s)", f->route,
                     f->is_recorded ? "recorded" : "built-in", f->request, f->seen[0] ? ", " : "", f->seen);
        if (f->is_warning || !is_gate)
            add_warning(r, line);
        else if (is_first)
            err_set(err, ERR_SCRIPT, "%s", line);
        is_first = is_first && f->is_warning;
    }
    return is_gate && errors ? -1 : 0;
}

static int run_gates(const struct gates *gates, struct generation *g, struct loader_result *r, struct err *err)
{
    struct buf told = BUF(sizeof r->gates - 1);
    int result = gates ? gates_run(gates, g, &told, err) : 0;
    snprintf(r->gates, sizeof r->gates, STR_FMT, (int)told.len, told.p ? told.p : "");
    buf_clear(&told);
    return result;
}

static int attempt(const struct attempt *a, struct loader_result *r, struct err *err)
{
    const struct loader_options *o = a->options;
    struct manifest *files = o->packed_fd >= 0 ? reopen(o->packed_fd, err) : manifest_new(o->project);
    if (!files || guard_open(err) < 0)
        return -1;
    struct generation *g = generation_load(o->id, files, o->building, err);
    if (!g)
        return -1;
    bool is_live = o->live_hash && strcmp(o->live_hash, manifest_hash(g->files)) == 0;
    bool has_check = !o->gates || !(o->gates->skip & GATE_CHECK);
    if (!is_live && ((has_check && run_check(g, o, r, err) < 0) || run_gates(o->gates, g, r, err) < 0))
        return -1;
    warn_of_providers(g, r);
    read_token(g->config, r);
    read_otlp(g->config, r);
    r->files = manifest_count(g->files);
    snprintf(r->hash, sizeof r->hash, "%s", manifest_hash(g->files));
    return hand_over(a, g->files, r, err);
}

static int run_attempt(void *arg)
{
    const struct attempt *a = arg;
    static struct loader_result r;
    struct err err = {.message = "it could not be read"};
    set_limits(a->options->gates ? GATED_S : LOADER_S);
    r.ok = attempt(a, &r, &err) == 0;
    if (!r.ok)
        snprintf(r.error, sizeof r.error, "%s", err.message);
    /* What was built goes with the process: freeing it first would only cost time. */
    _exit(write(a->pipe, &r, sizeof r) == sizeof r ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- in the master ---- */

static void finish(struct loader *l)
{
    struct loader_result *r = &l->result;
    int memory = l->memory;
    timer_clear(&l->deadline);
    watch_clear(&l->watch);
    close(l->pipe);
    l->pid = 0;
    if (!r->ok) {
        close(memory);
        memory = -1;
    }
    r->error[sizeof r->error - 1] = '\0';
    l->done(l->arg, r, memory);
}

static void fail(struct loader *l, const char *words)
{
    kill(l->pid, SIGKILL);
    memset(&l->result, 0, sizeof l->result);
    snprintf(l->result.error, sizeof l->result.error, "%s", words);
    finish(l);
}

static void on_pipe(void *arg, int events)
{
    (void)events;
    struct loader *l = arg;
    ssize_t n = read(l->pipe, (char *)&l->result + l->got, sizeof l->result - l->got);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        fail(l, "the project ended the process that tried it (out of memory or CPU time: 1 GiB and 10 s are allowed, 40 s with specs and replay)");
        return;
    }
    l->got += (size_t)n;
    if (l->got == sizeof l->result)
        finish(l);
}

static void on_deadline(void *arg)
{
    struct loader *l = arg;
    fail(l, l->is_gated ? "the project did not load, and pass its specs and the replay, within 40 s (--skip specs leaves them out)"
                        : "the project did not load within 10 s");
}

static int open_channel(struct loader *l, int ends[2], struct err *err)
{
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, ERR_SYSTEM, "no pipe for the loader: %s", strerror(errno));
    l->memory = memfd_create("wye generation", MFD_CLOEXEC);
    if (l->memory >= 0)
        return 0;
    close(ends[0]);
    close(ends[1]);
    return err_set(err, ERR_SYSTEM, "no memory file for the loader: %s", strerror(errno));
}

int loader_start(struct loader *l, struct loop *loop, const struct loader_options *options,
                 void (*done)(void *arg, struct loader_result *result, int memory), void *arg, struct err *err)
{
    int ends[2];
    *l = (struct loader){.done = done, .arg = arg};
    if (open_channel(l, ends, err) < 0)
        return -1;
    struct attempt a = {.options = options, .pipe = ends[1], .memory = l->memory};
    struct process p = {.title = "wye: loader",
                        .role = "loader",
                        .keep = {ends[1], l->memory, options->packed_fd},
                        .keep_count = options->packed_fd >= 0 ? 3 : 2,
                        .loop = loop,
                        .dies_with_parent = true,
                        .run = run_attempt,
                        .arg = &a};
    l->pid = process_fork(&p);
    int failed = errno;
    close(ends[1]);
    if (l->pid < 0) {
        l->pid = 0;
        close(ends[0]);
        close(l->memory);
        return err_set(err, ERR_SYSTEM, "no process for the loader: %s", strerror(failed));
    }
    l->pipe = ends[0];
    fcntl(l->pipe, F_SETFL, O_NONBLOCK);
    watch_init(&l->watch, loop, l->pipe, on_pipe, l);
    watch_set(&l->watch, WATCH_READ);
    timer_init(&l->deadline, loop, on_deadline, l);
    l->is_gated = options->gates != NULL;
    timer_set(&l->deadline, (l->is_gated ? GATED_S : LOADER_S) * 1000);
    return 0;
}

void loader_cancel(struct loader *l)
{
    if (!l->pid)
        return;
    kill(l->pid, SIGKILL);
    timer_clear(&l->deadline);
    watch_clear(&l->watch);
    close(l->pipe);
    close(l->memory);
    l->pid = 0;
}
