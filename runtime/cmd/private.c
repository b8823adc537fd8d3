#include "cmd/private.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

enum { READY_MS = 30 * 1000, LINE = 1024, PATH = 4600, WORDS = 300, OPEN_FILES = 8, END_MS = 5000, TICK_MS = 20 };

/* ---- the copy ---- */

static int write_file(const char *root, const char *path, struct str text, struct err *err)
{
    char whole[PATH];
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(whole, 0700);
    }
    FILE *f = fopen(whole, "we");
    bool is_written = f && fwrite(text.p, 1, text.len, f) == text.len;
    is_written &= f && fclose(f) == 0;
    return is_written ? 0 : err_set(err, ERR_SYSTEM, "cannot write %s: %s", whole, strerror(errno));
}

static int write_project(const char *root, struct manifest *project, const struct private_file *extra, int count, struct err *err)
{
    mkdir(root, 0700);
    for (int i = 0; i < manifest_count(project); i++) {
        const char *path;
        struct str text = manifest_at(project, i, &path);
        if (text.p && write_file(root, path, text, err) < 0)
            return -1;
    }
    for (int i = 0; i < count; i++)
        if (write_file(root, extra[i].path, str_of(extra[i].text), err) < 0)
            return -1;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

/* ---- the process ---- */

static void become_server(const struct private_server *s, const char *root, bool is_demo, int output)
{
    char trace[PATH], state[PATH], log[PATH];
    snprintf(trace, sizeof trace, "%s/trace", s->folder);
    snprintf(state, sizeof state, "%s/state", s->folder);
    snprintf(log, sizeof log, "%s/log", s->folder);
    const char *argv[] = {"wye", "serve", root, "--listen", "127.0.0.1:0", "--admin", s->admin, "--trace", trace, "--state", state,
                          "--workers", "1", "--json", "--no-otlp",
                          is_demo ? "--demo" : "--watch", NULL}; /* either makes it keep all that its routes learn */
    int words = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(output, STDOUT_FILENO);
    if (words >= 0)
        dup2(words, STDERR_FILENO);
    execv("/proc/self/exe", (char **)argv);
    _exit(127);
}

/* The line that says where it listens; false when it ends before, or takes too long. */
static bool read_line(int fd, char *line)
{
    size_t used = 0;
    uint64_t until = clock_ms() + READY_MS;
    while (used < LINE - 1 && clock_ms() < until) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, (int)(until - clock_ms())) < 0 && errno != EINTR)
            return false;
        ssize_t n = p.revents ? read(fd, line + used, LINE - 1 - used) : 0;
        if (p.revents && n <= 0)
            return false;
        used += (size_t)n;
        line[used] = '\0';
        if (strchr(line, '\n'))
            return true;
    }
    return false;
}

static int take_address(struct private_server *s, const char *line)
{
    struct str ready = str_of(line), url;
    if (json_validate(ready, NULL) < 0 || (url = json_plain(json_get(json_pointer(ready, ""), "listen"))).p == NULL)
        return -1;
    size_t scheme = strlen("http://");
    if (url.len <= scheme || url.len - scheme >= sizeof s->address)
        return -1;
    snprintf(s->address, sizeof s->address, "%.*s", (int)(url.len - scheme), url.p + scheme);
    return 0;
}

static int fail_start(const struct private_server *s, struct err *err)
{
    char log[PATH], words[WORDS + 1] = "";
    snprintf(log, sizeof log, "%s/log", s->folder);
    FILE *f = fopen(log, "re");
    size_t n = 0;
    if (f) {
        if (fseek(f, -WORDS, SEEK_END) < 0)
            rewind(f);
        n = fread(words, 1, WORDS, f);
        fclose(f);
    }
    while (n > 0 && words[n - 1] == '\n')
        words[--n] = '\0';
    return err_set(err, ERR_SYSTEM, "the project's private server did not start: %s", words);
}

static int start(struct private_server *s, const char *root, bool is_demo, struct err *err)
{
    int ends[2];
    char line[LINE] = "";
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, ERR_SYSTEM, "no pipe: %s", strerror(errno));
    s->pid = fork();
    if (s->pid == 0)
        become_server(s, root, is_demo, ends[1]);
    close(ends[1]);
    setpgid(s->pid, s->pid);
    bool is_ready = s->pid > 0 && read_line(ends[0], line) && take_address(s, line) == 0;
    close(ends[0]);
    return is_ready ? 0 : fail_start(s, err);
}

int private_open(struct private_server *s, struct manifest *project, const struct private_file *extra, int count, bool is_demo, struct err *err)
{
    char root[PATH];
    const char *tmp = getenv("TMPDIR");
    *s = (struct private_server){0};
    snprintf(s->folder, sizeof s->folder, "%s/wye-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    if (mkdtemp(s->folder) == NULL)
        return err_set(err, ERR_SYSTEM, "no temporary folder %s: %s", s->folder, strerror(errno));
    snprintf(s->admin, sizeof s->admin, "unix:%s/admin", s->folder);
    snprintf(root, sizeof root, "%s/%s", s->folder, manifest_label(project));
    if (write_project(root, project, extra, count, err) == 0 && start(s, root, is_demo, err) == 0)
        return 0;
    private_close(s);
    return -1;
}

void private_kill(struct private_server *s)
{
    if (s->pid <= 0)
        return;
    kill(-s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

void private_close(struct private_server *s)
{
    uint64_t until = clock_ms() + END_MS;
    if (s->pid > 0 && kill(s->pid, SIGTERM) == 0)
        while (clock_ms() < until && waitpid(s->pid, NULL, WNOHANG) == 0)
            poll(NULL, 0, TICK_MS);
    if (s->pid > 0)
        kill(-s->pid, SIGKILL); /* whoever is left of its group */
    if (s->pid > 0 && clock_ms() >= until)
        waitpid(s->pid, NULL, 0);
    s->pid = 0;
    if (s->folder[0])
        nftw(s->folder, remove_one, OPEN_FILES, FTW_DEPTH | FTW_PHYS);
    s->folder[0] = '\0';
}
