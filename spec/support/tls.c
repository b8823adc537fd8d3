#include "tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

/* An authority when `names` is NULL. `begin` and `end` are seconds from now. */
static X509 *certify(EVP_PKEY *key, X509 *issuer, EVP_PKEY *signer, const char *names, long begin,
                     long end)
{
    static long serial = 1;
    char title[32];
    snprintf(title, sizeof title, "%s %ld", names ? "server" : "authority", serial);
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const void *)title, -1, -1, 0);
    X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : subject);
    X509_gmtime_adj(X509_getm_notBefore(cert), begin);
    X509_gmtime_adj(X509_getm_notAfter(cert), end);
    X509_set_pubkey(cert, key);
    add_extension(cert, issuer ? issuer : cert, NID_basic_constraints,
                  names ? "CA:FALSE" : "critical,CA:TRUE");
    add_extension(cert, issuer ? issuer : cert, NID_subject_key_identifier, "hash");
    if (names)
        add_extension(cert, issuer, NID_subject_alt_name, names);
    X509_sign(cert, signer, EVP_sha256());
    return cert;
}

static void save(const char *path, X509 *cert)
{
    FILE *file = fopen(path, "w");
    if (file == NULL || !PEM_write_X509(file, cert))
        abort();
    fclose(file);
}

void tls_open(struct tls_lab *lab)
{
    strcpy(lab->folder, "/tmp/wye-tls-XXXXXX");
    if (mkdtemp(lab->folder) == NULL)
        abort();
    snprintf(lab->ca, sizeof lab->ca, "%s/ca.pem", lab->folder);
    snprintf(lab->other_ca, sizeof lab->other_ca, "%s/other-ca.pem", lab->folder);
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other_key = EVP_EC_gen("P-256");
    X509 *cert = certify(key, NULL, key, NULL, -3600, 3600);
    X509 *other = certify(other_key, NULL, other_key, NULL, -3600, 3600);
    save(lab->ca, cert);
    save(lab->other_ca, other);
    X509_free(other);
    EVP_PKEY_free(other_key);
    lab->authority = cert;
    lab->authority_key = key;
}

void tls_close(struct tls_lab *lab)
{
    X509_free(lab->authority);
    EVP_PKEY_free(lab->authority_key);
    unlink(lab->ca);
    unlink(lab->other_ca);
    rmdir(lab->folder);
}

static void flood(struct tls_server *s, SSL *ssl)
{
    char block[16 * 1024];
    memset(block, 'x', sizeof block);
    for (size_t left = s->flood; left > 0;) {
        int n = SSL_write(ssl, block, left < sizeof block ? (int)left : (int)sizeof block);
        if (n <= 0)
            return;
        left -= (size_t)n;
    }
}

/* Bytes of the whole request at the start of (p, len), or 0. */
static size_t whole(const char *p, size_t len)
{
    const char *end = memmem(p, len, "\r\n\r\n", 4),
               *length = memmem(p, len, "Content-Length: ", 16);
    if (end == NULL)
        return 0;
    size_t need =
        (size_t)(end - p) + 4 + (length && length < end ? strtoul(length + 16, NULL, 10) : 0);
    return len >= need ? need : 0;
}

/* Answers requests until the client or the script ends the connection. */
static void converse(struct tls_server *s, SSL *ssl)
{
    enum { MOST = 8 << 20 };
    char *in = malloc(MOST);
    size_t len = 0;
    for (int n; (n = SSL_read(ssl, in + len, (int)(MOST - len))) > 0;) {
        len += (size_t)n;
        size_t used = whole(in, len);
        if (used == 0)
            continue;
        s->requests++;
        s->received += used;
        len -= used;
        memmove(in, in + used, len);
        if (s->say && SSL_write(ssl, s->say, (int)strlen(s->say)) <= 0)
            break;
        flood(s, ssl);
        if (s->ending == TLS_NOTIFY)
            SSL_shutdown(ssl);
        if (s->ending != TLS_KEEP)
            break;
    }
    free(in);
}

static void leave(SSL *ssl)
{
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
}

static void *serve(void *arg)
{
    struct tls_server *s = arg;
    sigset_t pipe; /* SSL_write cannot be told; the client under test must do without this */
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    enum { MOST_HELD = 256 };
    SSL *held[MOST_HELD];
    int holding = 0;
    for (int fd; (fd = accept(s->fd, NULL, NULL)) >= 0;) {
        SSL *ssl = SSL_new(s->context);
        s->accepted++;
        SSL_set_fd(ssl, fd);
        bool is_shaken = SSL_accept(ssl) == 1;
        s->shaken += is_shaken;
        s->resumed += is_shaken && SSL_session_reused(ssl);
        if (s->holds && holding < MOST_HELD) {
            held[holding++] = ssl;
            continue;
        }
        if (is_shaken)
            converse(s, ssl);
        leave(ssl);
    }
    while (holding > 0)
        leave(held[--holding]);
    return NULL;
}

void tls_serve(struct tls_server *s, struct tls_lab *lab)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = certify(key, lab->authority, lab->authority_key, s->name, -7200,
                         s->is_expired ? -3600 : 3600);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context, cert);
    SSL_CTX_use_PrivateKey(context, key);
    SSL_CTX_set_session_id_context(context, (const void *)"wye", 3);
    X509_free(cert);
    EVP_PKEY_free(key);
    s->context = context;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->fd, (void *)&at, sizeof at) < 0 || listen(s->fd, 64) < 0 ||
        getsockname(s->fd, (void *)&at, &len) < 0)
        abort();
    s->port = ntohs(at.sin_port);
    pthread_create(&s->thread, NULL, serve, s);
}

void tls_stop(struct tls_server *s)
{
    shutdown(s->fd, SHUT_RDWR); /* ends accept */
    pthread_join(s->thread, NULL);
    close(s->fd);
    SSL_CTX_free(s->context);
}
