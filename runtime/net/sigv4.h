/*
 * sigv4: AWS Signature Version 4, which Bedrock wants on each request. Pure but for OpenSSL's hashes: the time is given.
 *
 * What is signed: the method, the path as it is sent (encoded once more, as every service but S3 wants), the query,
 * the fields given, the body, and the two fields that signing adds. The caller sends `x-amz-date: DATE`,
 * `x-amz-security-token: SESSION` when there is one, and `authorization: AUTHORIZATION`.
 *
 *     struct sigv4_field fields[] = {{"content-type", str_of("application/json")}, {"host", host}};
 *     struct sigv4_request r = {.method = str_of("POST"), .path = path, .body = body, .fields = fields, .count = 2};
 *     struct sigv4 signature;
 *     if (sigv4_sign(&signature, &key, &r, time(NULL)) < 0) ...a name or a path is too long...
 */
#pragma once

#include <time.h>

#include "base/str.h"

enum { SIGV4_FIELDS = 16 };

struct sigv4_key {
    const char *id, *secret;
    const char *session; /* NULL for keys that last */
    const char *region, *service;
};

struct sigv4_field {
    const char *name; /* in lower case */
    struct str value; /* without spaces at its ends or two in a row */
};

struct sigv4_request {
    struct str method, path;
    struct str query; /* encoded and sorted, without the question mark */
    struct str body;
    const struct sigv4_field *fields; /* `host` must be among them; any order */
    int count;                        /* at most SIGV4_FIELDS - 2 */
};

struct sigv4 {
    char date[17]; /* 20150830T123600Z */
    char authorization[1024];
};

/* 0, or -1 when what is to be signed or the result passes its limit (16 KiB, 1,023 bytes). */
int sigv4_sign(struct sigv4 *out, const struct sigv4_key *key, const struct sigv4_request *request, time_t now);
