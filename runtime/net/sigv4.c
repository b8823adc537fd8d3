#include "net/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

enum { HASH = SHA256_DIGEST_LENGTH, HEX = 2 * HASH + 1, CANONICAL_LIMIT = 16 * 1024 };

static void to_hex(const unsigned char *hash, char *hex)
{
    for (int i = 0; i < HASH; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", hash[i]);
}

static void hash_hex(struct str s, char *hex)
{
    unsigned char hash[HASH];
    SHA256((const unsigned char *)s.p, s.len, hash);
    to_hex(hash, hex);
}

static void sign(const void *key, size_t key_len, struct str text, unsigned char *mac)
{
    HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text.p, text.len, mac, NULL);
}

static bool is_unreserved(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-._~", c) != NULL;
}

static int put_path(struct buf *out, struct str path)
{
    int bad = 0;
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.p[i];
        bad |= c == '/' || (c && is_unreserved(c)) ? buf_putc(out, (char)c) : buf_printf(out, "%%%02X", c);
    }
    return bad;
}

static int compare_fields(const void *a, const void *b)
{
    return strcmp(((const struct sigv4_field *)a)->name, ((const struct sigv4_field *)b)->name);
}

/* The fields that are signed, in the order of their names; returns how many. */
static int gather_fields(struct sigv4_field *fields, const struct sigv4_request *r, const char *date,
                         const char *session)
{
    int n = 0;
    for (; n < r->count; n++)
        fields[n] = r->fields[n];
    fields[n++] = (struct sigv4_field){"x-amz-date", str_of(date)};
    if (session)
        fields[n++] = (struct sigv4_field){"x-amz-security-token", str_of(session)};
    qsort(fields, (size_t)n, sizeof *fields, compare_fields);
    return n;
}

static int put_names(struct buf *out, const struct sigv4_field *fields, int n)
{
    int bad = 0;
    for (int i = 0; i < n; i++)
        bad |= buf_printf(out, "%s%s", i ? ";" : "", fields[i].name);
    return bad;
}

/* The canonical request. */
static int put_canonical(struct buf *out, const struct sigv4_request *r, const struct sigv4_field *fields, int n)
{
    char body[HEX];
    hash_hex(r->body, body);
    int bad = buf_printf(out, STR_FMT "\n", STR_ARG(r->method));
    bad |= put_path(out, r->path);
    bad |= buf_printf(out, "\n" STR_FMT "\n", STR_ARG(r->query));
    for (int i = 0; i < n; i++)
        bad |= buf_printf(out, "%s:" STR_FMT "\n", fields[i].name, STR_ARG(fields[i].value));
    bad |= buf_putc(out, '\n');
    bad |= put_names(out, fields, n);
    bad |= buf_printf(out, "\n%s", body);
    return bad;
}

/* The key for this day, region and service. */
static void derive_key(const struct sigv4_key *key, struct str day, unsigned char *mac)
{
    char secret[256];
    int len = snprintf(secret, sizeof secret, "AWS4%s", key->secret);
    sign(secret, (size_t)len, day, mac);
    sign(mac, HASH, str_of(key->region), mac);
    sign(mac, HASH, str_of(key->service), mac);
    sign(mac, HASH, str_of("aws4_request"), mac);
    OPENSSL_cleanse(secret, sizeof secret);
}

static void sign_canonical(const struct sigv4_key *key, const char *date, struct str canonical, const char *scope,
                           char *hex)
{
    char text[512], hashed[HEX];
    unsigned char mac[HASH];
    hash_hex(canonical, hashed);
    int len = snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", date, scope, hashed);
    derive_key(key, str_n(date, 8), mac);
    sign(mac, HASH, str_n(text, (size_t)len), mac);
    to_hex(mac, hex);
    OPENSSL_cleanse(mac, sizeof mac);
}

int sigv4_sign(struct sigv4 *out, const struct sigv4_key *key, const struct sigv4_request *request, time_t now)
{
    struct sigv4_field fields[SIGV4_FIELDS];
    struct buf canonical = BUF(CANONICAL_LIMIT), names = BUF(512);
    char scope[256], hex[HEX];
    struct tm tm;
    if (request->count > SIGV4_FIELDS - 2 || strlen(key->secret) > 200)
        return -1;
    strftime(out->date, sizeof out->date, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
    int n = gather_fields(fields, request, out->date, key->session);
    int len = snprintf(scope, sizeof scope, "%.8s/%s/%s/aws4_request", out->date, key->region, key->service);
    int bad = len >= (int)sizeof scope || put_canonical(&canonical, request, fields, n) < 0 ||
              put_names(&names, fields, n) < 0;
    if (!bad) {
        sign_canonical(key, out->date, buf_str(&canonical), scope, hex);
        len = snprintf(out->authorization, sizeof out->authorization,
                       "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", key->id, scope, names.p,
                       hex);
        bad = len >= (int)sizeof out->authorization;
    }
    buf_clear(&canonical);
    buf_clear(&names);
    return bad ? -1 : 0;
}
