#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/server.h"

static int refuse(struct err *err, const char *address, int number)
{
    switch (number) {
    case EADDRINUSE:
        return err_set(
            err, ERR_SYSTEM,
            "%s is in use (another program listens there); choose another with --listen or stop it",
            address);
    case EACCES:
    case EPERM:
        return err_set(
            err, ERR_SYSTEM, "no permission to listen on %s%s", address,
            strncmp(address, "unix:", 5) == 0
                ? "; choose a path in a folder that you may write"
                : "; ports below 1024 belong to root: choose a higher one with --listen");
    case EADDRNOTAVAIL:
        return err_set(err, ERR_SYSTEM,
                       "%s is no address of this machine; 127.0.0.1 and [::1] always are", address);
    default:
        return err_set(err, ERR_SYSTEM, "cannot listen on %s: %s", address, strerror(number));
    }
}

static int bind_and_listen(int fd, const struct sockaddr *to, socklen_t len, const char *address,
                           struct err *err)
{
    if (bind(fd, to, len) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int number = errno;
    close(fd);
    return refuse(err, address, number);
}

static bool somebody_answers(const struct sockaddr_un *to)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_refused = fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof *to) < 0 &&
                      errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return !is_refused;
}

static int open_unix(const char *address, struct err *err)
{
    const char *path = address + strlen("unix:");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!*path || strlen(path) >= sizeof to.sun_path)
        return err_set(err, ERR_SYSTEM, "%s: the path of a Unix socket has 1 to %zu characters",
                       address, sizeof to.sun_path - 1);
    strcpy(to.sun_path, path);
    struct stat st;
    if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode) && !somebody_answers(&to))
        unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refuse(err, address, errno);
    return bind_and_listen(fd, (struct sockaddr *)&to, sizeof to, address, err);
}

static int bad_address(const char *address, struct err *err)
{
    return err_set(
        err, ERR_SYSTEM,
        "\"%s\" is no address: write HOST:PORT (127.0.0.1:8080, [::1]:8080, :8080; a port is 0 to 65535) or "
        "unix:/path",
        address);
}

/* "host:port", "[v6]:port" or ":port" into its parts. */
static int split(const char *address, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(address, ':');
    if (!colon)
        return -1;
    size_t len = (size_t)(colon - address);
    if (len > 1 && address[0] == '[' && address[len - 1] == ']') {
        address++;
        len -= 2;
    } else if (memchr(address, ':', len)) {
        return -1;
    }
    char *end;
    unsigned long number = strtoul(colon + 1, &end, 10);
    bool is_number = colon[1] >= '0' && colon[1] <= '9' && !*end && number <= 65535;
    if (!is_number || len >= size)
        return -1;
    memcpy(host, address, len);
    host[len] = '\0';
    *port = colon + 1;
    return 0;
}

static int open_at(const struct addrinfo *to, const char *address, bool reuse_port, struct err *err)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refuse(err, address, errno);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (reuse_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    if (to->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0},
                   sizeof(int)); /* ":8080" serves IPv4 too */
    return bind_and_listen(fd, to->ai_addr, to->ai_addrlen, address, err);
}

int listen_check(const char *address, struct err *err)
{
    char host[256];
    const char *port;
    bool is_unix = strncmp(address, "unix:", 5) == 0;
    return (is_unix && address[5]) || split(address, host, sizeof host, &port) == 0 ? 0 : bad_address(address, err);
}

int listen_open(const char *address, bool reuse_port, struct err *err)
{
    if (strncmp(address, "unix:", 5) == 0)
        return open_unix(address, err);
    char host[256];
    const char *port;
    if (split(address, host, sizeof host, &port) < 0)
        return bad_address(address, err);
    struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    if (!*host)
        want.ai_family = access("/proc/net/if_inet6", F_OK) == 0 ? AF_INET6 : AF_INET;
    struct addrinfo *found;
    int failed = getaddrinfo(*host ? host : NULL, port, &want, &found);
    if (failed)
        return err_set(err, ERR_SYSTEM, "cannot listen on %s: %s", address, gai_strerror(failed));
    int fd = open_at(found, address, reuse_port, err);
    freeaddrinfo(found);
    return fd;
}

char *listen_name(int fd, char *out, size_t size)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    getsockname(fd, (struct sockaddr *)&at, &len);
    char host[INET6_ADDRSTRLEN] = "";
    if (at.ss_family == AF_UNIX) {
        snprintf(out, size, "unix:%s", ((struct sockaddr_un *)&at)->sun_path);
    } else if (at.ss_family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&at;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(out, size, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)&at;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(out, size, "%s:%u", host, ntohs(in->sin_port));
    }
    return out;
}
