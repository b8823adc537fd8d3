#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

struct block4 {
    uint32_t net;
    int bits;
};

/* Not globally reachable, or not unicast. */
static const struct block4 SPECIAL4[] = {
    {0x00000000, 8},  /* "this network"; Linux connects 0.0.0.0 to itself */
    {0x0a000000, 8},  /* private */
    {0x64400000, 10}, /* carrier-grade NAT */
    {0x7f000000, 8},  /* loopback */
    {0xa9fe0000, 16}, /* link-local, cloud metadata */
    {0xac100000, 12}, /* private */
    {0xc0000000, 24}, /* protocol assignments */
    {0xc0000200, 24}, /* documentation */
    {0xc0586300, 24}, /* 6to4 relays */
    {0xc0a80000, 16}, /* private */
    {0xc6120000, 15}, /* benchmarks */
    {0xc6336400, 24}, /* documentation */
    {0xcb007100, 24}, /* documentation */
    {0xe0000000, 4},  /* multicast */
    {0xf0000000, 4},  /* reserved, broadcast */
};

struct block6 {
    uint8_t net[6];
    int bits;
};

static const struct block6 SPECIAL6[] = {
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48}, /* NAT64 of local use */
    {{0x01, 0x00, 0, 0, 0, 0}, 48},             /* discard */
    {{0x20, 0x01, 0x00, 0x00}, 23},             /* protocol assignments, Teredo, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32},             /* documentation */
    {{0x3f, 0xff}, 20},                         /* documentation */
    {{0x5f, 0x00}, 16},                         /* segment routing */
    {{0xfc, 0x00}, 7},                          /* unique local */
    {{0xfe, 0x80}, 10},                         /* link-local */
    {{0xfe, 0xc0}, 10},                         /* site-local */
    {{0xff, 0x00}, 8},                          /* multicast */
};

static bool is_public4(uint32_t address)
{
    for (size_t i = 0; i < sizeof SPECIAL4 / sizeof *SPECIAL4; i++)
        if ((address ^ SPECIAL4[i].net) >> (32 - SPECIAL4[i].bits) == 0)
            return false;
    return true;
}

static uint32_t read4(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_in6(const uint8_t *address, const uint8_t *net, int bits)
{
    int whole = bits / 8, rest = bits % 8;
    if (memcmp(address, net, (size_t)whole) != 0)
        return false;
    return rest == 0 || (address[whole] ^ net[whole]) >> (8 - rest) == 0;
}

/* Addresses that carry an IPv4 address are judged by it. */
static bool is_public6(const uint8_t *address)
{
    static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff},
                         TRANSLATED[12] = {[8] = 0xff, [9] = 0xff};
    static const uint8_t NAT64[12] = {0x00, 0x64, 0xff, 0x9b}, NOTHING[12] = {0};
    if (memcmp(address, MAPPED, 12) == 0 || memcmp(address, TRANSLATED, 12) == 0 ||
        memcmp(address, NAT64, 12) == 0)
        return is_public4(read4(address + 12));
    if (memcmp(address, NOTHING, 12) == 0)
        return false; /* unspecified, loopback, IPv4-compatible */
    if (address[0] == 0x20 && address[1] == 0x02)
        return is_public4(read4(address + 2)); /* 6to4 */
    for (size_t i = 0; i < sizeof SPECIAL6 / sizeof *SPECIAL6; i++)
        if (is_in6(address, SPECIAL6[i].net, SPECIAL6[i].bits))
            return false;
    return true;
}

bool address_may_connect(const struct sockaddr *address, bool literal, bool is_private)
{
    if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
        return false;
    if (literal || is_private)
        return true;
    if (address->sa_family == AF_INET)
        return is_public4(
            ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    return is_public6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
}
