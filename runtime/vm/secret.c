#include "vm/secret.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* What the file holds up to one of `ends`, without the blanks around it. */
static char *read_file(const char *path, const char *ends)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return NULL;
    char text[SECRET_MOST];
    size_t len = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[len] = '\0';
    char *start = text + strspn(text, " \t\r\n");
    start[strcspn(start, ends)] = '\0';
    for (size_t n = strlen(start); n > 0 && strchr(" \t", start[n - 1]); n--)
        start[n - 1] = '\0';
    char *secret = *start ? xstrdup(start) : NULL;
    explicit_bzero(text, sizeof text);
    return secret;
}

static char *read_either(const struct secret *s, const char *ends)
{
    if (s->file)
        return read_file(s->file, ends);
    const char *value = s->env ? getenv(s->env) : NULL;
    return value && *value ? xstrdup(value) : NULL;
}

char *secret_read(const struct secret *s)
{
    return read_either(s, " \t\r\n");
}

char *secret_line(const struct secret *s)
{
    char *line = read_either(s, "\r\n");
    for (const char *c = line; c && *c; c++) {
        if (iscntrl((unsigned char)*c) && *c != '\t') {
            secret_forget(line);
            return NULL;
        }
    }
    return line;
}

void secret_forget(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}
