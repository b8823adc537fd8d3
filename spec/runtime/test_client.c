/* The verbs that talk to a server, against a scripted one: what they send, print and return. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/command.h"

struct peer {
    int fd;
    pthread_t thread;
    char answer[4096];
    char seen[4096];
};

static void *serve_one(void *arg)
{
    struct peer *peer = arg;
    int fd = accept(peer->fd, NULL, NULL);
    size_t len = 0;
    for (ssize_t n; strstr(peer->seen, "\r\n\r\n") == NULL; len += (size_t)n) {
        n = recv(fd, peer->seen + len, sizeof peer->seen - 1 - len, 0);
        if (n <= 0)
            break;
    }
    if (send(fd, peer->answer, strlen(peer->answer), MSG_NOSIGNAL) < 0)
        peer->seen[0] = '\0';
    close(fd);
    return NULL;
}

/* Sets WYE_ADMIN to where it listens. */
static void peer_open(struct peer *peer, int status, const char *json)
{
    *peer = (struct peer){0};
    snprintf(peer->answer, sizeof peer->answer, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s",
             status, strlen(json), json);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    char address[32];
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(peer->fd, (void *)&at, sizeof at), 0);
    assert_int_equal(listen(peer->fd, 4), 0);
    assert_int_equal(getsockname(peer->fd, (void *)&at, &len), 0);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(at.sin_port));
    setenv("WYE_ADMIN", address, 1);
    pthread_create(&peer->thread, NULL, serve_one, peer);
}

static void peer_close(struct peer *peer)
{
    pthread_join(peer->thread, NULL);
    close(peer->fd);
}

static char said[16384], complained[16384];

static void read_back(FILE *f, char *out, size_t size)
{
    rewind(f);
    size_t len = fread(out, 1, size - 1, f);
    out[len] = '\0';
    fclose(f);
}

/* Runs "wye WORDS" with its output caught. */
static int run(const char *line)
{
    char words[256], *argv[8] = {"wye"};
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *at = strtok(words, " "); at; at = strtok(NULL, " "))
        argv[argc++] = at;
    FILE *out = tmpfile(), *err = tmpfile();
    fflush(NULL);
    int old_out = dup(STDOUT_FILENO), old_err = dup(STDERR_FILENO);
    dup2(fileno(out), STDOUT_FILENO);
    dup2(fileno(err), STDERR_FILENO);
    int status = command_run(argc, argv);
    fflush(NULL);
    dup2(old_out, STDOUT_FILENO);
    dup2(old_err, STDERR_FILENO);
    close(old_out);
    close(old_err);
    read_back(out, said, sizeof said);
    read_back(err, complained, sizeof complained);
    return status;
}

#define DONE "{\"ok\":true,\"message\":\"generation 3 is live\",\"generation\":3}"
#define REFUSED                                                                                    \
    "{\"ok\":false,\"message\":\"refused; generation 2 goes on\","                                 \
    "\"error\":{\"message\":\"unexpected symbol\",\"file\":\"routes/route.lua\",\"line\":7}}"
#define PLAIN_REFUSAL                                                                              \
    "{\"ok\":false,\"message\":\"not loaded\",\"error\":{\"message\":\"not "                       \
    "loaded\",\"file\":null,\"line\":null}}"

static const struct {
    const char *line;
    int status;
    const char *answer, *request;
    int exit_status;
    const char *said, *complained;
} CALLS[] = {
    {"reload", 200, DONE, "POST /reload?force=0 HTTP", 0, "generation 3 is live\n", ""},
    {"reload --force", 200, DONE, "POST /reload?force=1 HTTP", 0, "generation 3 is live\n", ""},
    {"reload --skip specs,replay --max-change 2", 200, DONE, "POST /reload?force=0&skip=specs,replay&max_change=2 HTTP", 0,
     "generation 3 is live\n", ""},
    {"load", 200, DONE, "POST /load HTTP", 0, "generation 3 is live\n", ""},
    {"use 12", 200, DONE, "POST /use/12 HTTP", 0, "generation 3 is live\n", ""},
    {"rollback", 200, DONE, "POST /rollback HTTP", 0, "generation 3 is live\n", ""},
    {"drop 1", 200, DONE, "POST /drop/1 HTTP", 0, "generation 3 is live\n", ""},
    {"reload --json", 200, DONE, "POST /reload?force=0 HTTP", 0, DONE "\n", ""},
    {"reload", 422, REFUSED, "POST /reload?force=0 HTTP", 1, "",
     "routes/route.lua:7: unexpected symbol\nwye reload: refused; generation 2 goes on\n"},
    {"reload --json", 422, REFUSED, "POST /reload?force=0 HTTP", 1, REFUSED "\n", ""},
    {"use 9", 404, PLAIN_REFUSAL, "POST /use/9 HTTP", 1, "", "wye use: not loaded\n"},
    {"rollback", 200, PLAIN_REFUSAL, "POST /rollback HTTP", 1, "", "wye rollback: not loaded\n"},
    {"diff 1 abcdef", 200, "{\"text\":\"--- a\\n+++ b\\n\"}", "GET /diff/1/abcdef HTTP", 0,
     "--- a\n+++ b\n", ""},
    {"diff 1 2", 200, "{\"text\":\"\"}", "GET /diff/1/2 HTTP", 0, "no difference\n", ""},
    {"show 3", 200,
     "{\"id\":3,\"hash\":\"ab\",\"files\":[{\"path\":\"x.lua\",\"bytes\":3,\"text\":\"a\\nb\"},"
     "{\"path\":\"m\",\"bytes\":1,\"text\":null}]}",
     "GET /generations/3 HTTP", 0,
     "generation 3, hash ab\n\n==> x.lua (3 bytes)\na\nb\n\n==> m (1 bytes)\n(not text)\n", ""},
    {"load", 500, "{}", "POST /load HTTP", 1, "", NULL},
    {"load", 200, "hello", "POST /load HTTP", 1, "", NULL},
};

static void test_calls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++) {
        struct peer peer;
        peer_open(&peer, CALLS[i].status, CALLS[i].answer);
        int status = run(CALLS[i].line);
        peer_close(&peer);
        assert_int_equal(status, CALLS[i].exit_status);
        assert_int_equal(strncmp(peer.seen, CALLS[i].request, strlen(CALLS[i].request)), 0);
        assert_string_equal(said, CALLS[i].said);
        if (CALLS[i].complained)
            assert_string_equal(complained, CALLS[i].complained);
        else
            assert_int_equal(strncmp(complained, "wye load: ", 10), 0);
    }
}

static void test_token(void **state)
{
    (void)state;
    struct peer peer;
    setenv("WYE_TOKEN", "s3cret", 1);
    peer_open(&peer, 401, "{\"ok\":false,\"message\":\"wrong token\"}");
    assert_int_equal(run("status"), EXIT_REFUSED);
    peer_close(&peer);
    unsetenv("WYE_TOKEN");
    assert_non_null(strstr(peer.seen, "\r\nAuthorization: Bearer s3cret\r\n"));
    assert_string_equal(complained,
                        "wye status: wrong token\nThe token is taken from WYE_TOKEN.\n");
}

static void test_status_is_a_table(void **state)
{
    (void)state;
    struct peer peer;
    peer_open(&peer, 200,
              "{\"version\":\"1\",\"pid\":7,\"uptime_s\":93784,\"listen\":\"L\",\"admin\":\"A\","
              "\"project\":\"P\","
              "\"trace_dir\":\"T\",\"generation\":12,\"ready\":true,"
              "\"workers\":[{\"slot\":1,\"pid\":123,\"state\":\"serving\",\"restarts\":0,"
              "\"generation\":12,"
              "\"requests\":1000,\"in_flight\":2,\"connections\":3}],"
              "\"generations\":[{\"id\":12,\"hash\":\"0123456789abcdef\",\"state\":\"live\","
              "\"loaded_at\":\"now\","
              "\"requests\":1000,\"script_errors\":4,\"files\":2},"
              "{\"id\":9,\"hash\":\"ff\",\"state\":\"warm\",\"loaded_at\":\"then\",\"requests\":20,"
              "\"script_errors\":0,\"files\":11}],"
              "\"trace\":{\"events\":5,\"dropped\":0}}");
    assert_int_equal(run("status"), EXIT_OK);
    peer_close(&peer);
    assert_string_equal(
        said, "wye 1, pid 7, up 1d 2h 3m 4s\n"
              "serving P on L, admin on A\n"
              "\n"
              "generation  state  hash          loaded at  requests  script errors  files\n"
              "        12  live   0123456789ab  now            1000              4      2\n"
              "         9  warm   ff            then             20              0     11\n"
              "\n"
              "worker  pid  state    restarts  generation  requests  in flight  connections\n"
              "     1  123  serving         0          12      1000          2            3\n"
              "\n"
              "trace in T: 5 events, 0 dropped\n");
}

static void test_nobody_there(void **state)
{
    (void)state;
    assert_int_equal(run("status --admin unix:/nonexistent/wye.sock"), EXIT_NO_SERVER);
    assert_string_equal(said, "");
    assert_non_null(strstr(complained, "unix:/nonexistent/wye.sock"));
    assert_non_null(strstr(complained, "Start one with `wye serve`"));
}

static void test_bad_generations_are_usage(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "use x",    "use 1/../status", "use abcdef", "drop -1",
        "show abc", "show abcdeg",     "diff 1 ..",  "use 99999999999999999999"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_int_equal(run(lines[i]), EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_status_is_a_table),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_bad_generations_are_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
