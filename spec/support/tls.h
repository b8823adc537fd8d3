/*
 * tls: certificates made at test time, and an HTTPS server in a thread that answers each connection by a script.
 *
 * Works from a temporary folder that tls_close removes.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* An authority and what it signed, as PEM files in `folder`: ca.pem, other-ca.pem. */
struct tls_lab {
    char folder[64];
    char ca[96], other_ca[96];
    void *authority, *authority_key; /* X509 *, EVP_PKEY * */
};

void tls_open(struct tls_lab *lab);
void tls_close(struct tls_lab *lab);

enum tls_ending { TLS_KEEP, TLS_NOTIFY, TLS_ABRUPT };

struct tls_server {
    const char *name; /* in the certificate: "DNS:localhost", "IP:127.0.0.1" */
    bool is_expired;
    const char *say;        /* to each request */
    size_t flood;           /* then so many bytes of 'x' */
    enum tls_ending ending; /* after an answer */
    bool holds;             /* shakes hands, never answers, and goes on to the next connection */
    /* seen, once closed */
    unsigned accepted, shaken, requests, resumed;
    size_t received; /* bytes of requests */
    int port;
    /* inside */
    int fd;
    void *context; /* SSL_CTX * */
    pthread_t thread;
};

/* Fill in what is to be said first. One connection at a time, unless it holds. */
void tls_serve(struct tls_server *s, struct tls_lab *lab);
void tls_stop(struct tls_server *s);
