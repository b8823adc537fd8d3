/*
 * collector: where decisions are sent as spans, the section `otlp` of wye.lua.
 *
 *     otlp = { url = "http://127.0.0.1:4318", headers = { authorization = { env = "OTLP_AUTHORIZATION" }, ["x-dataset"] = "wye" },
 *              attributes = { ["service.name"] = "wye-eu" } }
 *
 * Plain bytes without pointers, zeroed where nothing is written, so that processes hand it on as it is and compare two with memcmp. It holds where
 * secrets are read from, never a secret.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct settings;
struct setting;

enum { COLLECTOR_HEADERS = 16, COLLECTOR_VALUE = 1024, COLLECTOR_ATTRIBUTES = 16 };

enum collector_source { COLLECTOR_TEXT, COLLECTOR_ENV, COLLECTOR_FILE };

struct collector_header {
    char name[64];
    enum collector_source from;
    char value[COLLECTOR_VALUE]; /* itself, a variable's name or a path */
};

struct collector_attribute {
    char name[64], value[256];
};

struct collector {
    char url[2048]; /* as given, with or without /v1/traces; "": there is none */
    char ca[512], proxy[512];
    bool is_private; /* the url's name may resolve to a private address */
    int header_count;
    struct collector_header headers[COLLECTOR_HEADERS];
    int attribute_count;
    struct collector_attribute attributes[COLLECTOR_ATTRIBUTES]; /* of the resource: what the server is known by there */
};

/* A reader for settings: makes one in the arena. */
int collector_read(struct settings *s, void *field, const struct setting *row);

/* A header's value; NULL when its variable is not set or its file cannot be read. The caller's, for secret_forget. */
char *collector_header(const struct collector_header *h);

/* The first header that cannot be read, in words ("otlp: header x-key: NAME is not set"), or NULL. `out` holds them. */
const char *collector_problem(const struct collector *c, char *out, size_t size);
