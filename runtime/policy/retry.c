#include "policy/retry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TOKEN = 1000, DEPOSIT = 200, FIRST = 5 * TOKEN, MOST = 20 * TOKEN };
enum { BASE_MS = 250, CAP_MS = 8000, LONGEST_TEXT = 40 };

#define LONGEST_MS (1000.0 * 86400 * 365)

void retry_budget_init(struct retry_budget *b)
{
    atomic_store(&b->milli, FIRST);
}

void retry_deposit(struct retry_budget *b)
{
    /* Full is the usual case, and then nothing is written. A little over by a race does no harm. */
    if (atomic_load_explicit(&b->milli, memory_order_relaxed) < MOST)
        atomic_fetch_add_explicit(&b->milli, DEPOSIT, memory_order_relaxed);
}

bool retry_withdraw(struct retry_budget *b)
{
    int64_t have = atomic_load(&b->milli);
    do
        if (have < TOKEN)
            return false;
    while (!atomic_compare_exchange_weak(&b->milli, &have, have - TOKEN));
    atomic_fetch_add_explicit(&b->spent, 1, memory_order_relaxed);
    return true;
}

unsigned retry_backoff_ms(int n, uint64_t random)
{
    unsigned most = n >= 5 ? CAP_MS : (unsigned)BASE_MS << n;
    return (unsigned)(random % (most + 1));
}

static int64_t rounded_ms(double ms)
{
    return ms >= 0 && ms <= LONGEST_MS ? (int64_t)ceil(ms - 1e-6) : -1;
}

static bool copy_text(struct str value, char *out)
{
    while (value.len > 0 && (*value.p == ' ' || *value.p == '\t'))
        value = str_n(value.p + 1, value.len - 1);
    while (value.len > 0 && (value.p[value.len - 1] == ' ' || value.p[value.len - 1] == '\t'))
        value.len--;
    if (value.len == 0 || value.len >= LONGEST_TEXT)
        return false;
    memcpy(out, value.p, value.len);
    out[value.len] = '\0';
    return true;
}

/* Digits with at most one point; strtod would take "inf", "0x1p3" and "1e9" too. */
static bool read_number(const char **at, double *out)
{
    size_t digits = strspn(*at, "0123456789"), n = digits;
    if ((*at)[n] == '.') {
        size_t more = strspn(*at + n + 1, "0123456789");
        digits += more;
        n += 1 + more;
    }
    if (digits == 0)
        return false;
    char text[LONGEST_TEXT];
    memcpy(text, *at, n);
    text[n] = '\0';
    *out = strtod(text, NULL);
    *at += n;
    return true;
}

/* RFC 9110, 5.6.7: the three forms of HTTP-date. */
static int64_t read_date(const char *text, uint64_t wall_us)
{
    static const char *const FORMS[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"};
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
        struct tm tm = {0};
        const char *end = strptime(text, FORMS[i], &tm);
        if (end == NULL || *end)
            continue;
        double ms = (double)timegm(&tm) * 1000 - (double)wall_us / 1000;
        return rounded_ms(ms > 0 ? ms : 0);
    }
    return -1;
}

int64_t retry_after_ms(struct str value, uint64_t wall_us)
{
    char text[LONGEST_TEXT];
    double seconds;
    if (!copy_text(value, text))
        return -1;
    const char *at = text;
    if (read_number(&at, &seconds) && *at == '\0')
        return rounded_ms(seconds * 1000);
    return read_date(text, wall_us);
}

/* Reads "ms", "h", "m" and so on at *at; milliseconds in one of it, or -1. */
static double read_unit(const char **at)
{
    static const struct {
        const char *name;
        double ms;
    } UNITS[] = {{"ns", 1e-6}, {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}};
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++) {
        size_t len = strlen(UNITS[i].name);
        if (strncmp(*at, UNITS[i].name, len) == 0) {
            *at += len;
            return UNITS[i].ms;
        }
    }
    return -1;
}

int64_t retry_duration_ms(struct str value)
{
    char text[LONGEST_TEXT];
    double n, unit, ms = 0;
    if (!copy_text(value, text))
        return -1;
    const char *at = text;
    if (!read_number(&at, &n))
        return -1;
    if (*at == '\0')
        return rounded_ms(n * 1000);
    for (;;) {
        if ((unit = read_unit(&at)) < 0)
            return -1;
        ms += n * unit;
        if (*at == '\0')
            return rounded_ms(ms);
        if (!read_number(&at, &n))
            return -1;
    }
}
