#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/search.h"

#include <pcre2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"

enum {
    MATCH_STEPS = 1000000, /* for one start position */
    JIT_STACK = 512 << 10,
    HEAP_KIB = 4096,
    FIRST_RUN = 1,         /* start positions */
    LONGEST_RUN = 1 << 20,
    CHEAP_NS = 500000,     /* a run under this lets the next be four times as long */
    MOST_NS = 40000000     /* for one search */
};

struct search {
    pcre2_code *code;
    int groups;
};

/* What no two searches use at once. */
static pcre2_match_context *context;
static pcre2_match_data *found;
static pcre2_jit_stack *stack;

static void open_context(void)
{
    context = pcre2_match_context_create(NULL);
    found = pcre2_match_data_create(SEARCH_MAX_GROUPS + 1, NULL);
    stack = pcre2_jit_stack_create(32 << 10, JIT_STACK, NULL);
    if (context == NULL || found == NULL || stack == NULL)
        abort();
    pcre2_jit_stack_assign(context, NULL, stack);
    pcre2_set_match_limit(context, MATCH_STEPS);
    pcre2_set_heap_limit(context, HEAP_KIB);
}

static int refuse(struct err *err, int code, size_t offset)
{
    PCRE2_UCHAR words[128];
    pcre2_get_error_message(code, words, sizeof words);
    return err_set(err, ERR_BAD_REQUEST, "%s at offset %zu", (const char *)words, offset);
}

struct search *search_new(struct str pattern, struct err *err)
{
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_USE_OFFSET_LIMIT | PCRE2_NEVER_BACKSLASH_C;
    int code;
    size_t offset;
    uint32_t groups;
    if (context == NULL)
        open_context();
    if (pattern.len > SEARCH_MAX_PATTERN) {
        err_set(err, ERR_BAD_REQUEST, "the pattern is over %d KiB", SEARCH_MAX_PATTERN >> 10);
        return NULL;
    }
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.len, options, &code, &offset, NULL);
    if (compiled == NULL) {
        refuse(err, code, offset);
        return NULL;
    }
    pcre2_pattern_info(compiled, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (groups > SEARCH_MAX_GROUPS) {
        pcre2_code_free(compiled);
        err_set(err, ERR_BAD_REQUEST, "the pattern has %u captures; %d are the limit (write (?:…) where none is needed)", groups,
                SEARCH_MAX_GROUPS);
        return NULL;
    }
    pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* without it PCRE2 interprets, which is only slower */
    struct search *s = xmalloc(sizeof *s);
    *s = (struct search){compiled, (int)groups};
    return s;
}

void search_free(struct search *s)
{
    if (s)
        pcre2_code_free(s->code);
    free(s);
}

int search_groups(const struct search *s)
{
    return s->groups;
}

static enum search_verdict search_run(const struct search *s, struct str text, size_t at, size_t run)
{
    pcre2_set_offset_limit(context, run < text.len - at ? at + run : PCRE2_UNSET);
    int n = pcre2_match(s->code, (PCRE2_SPTR)text.p, text.len, at, 0, found, context);
    return n >= 0 ? SEARCH_FOUND : n == PCRE2_ERROR_NOMATCH ? SEARCH_NONE : SEARCH_OVER;
}

static bool is_inside_character(struct str text, size_t at)
{
    return at < text.len && ((unsigned char)text.p[at] & 0xc0) == 0x80;
}

enum search_verdict search_text(const struct search *s, struct str text, size_t at)
{
    uint64_t began = clock_ns(), now = began;
    size_t run = FIRST_RUN;
    for (;;) {
        enum search_verdict verdict = search_run(s, text, at, run);
        if (verdict != SEARCH_NONE || run >= text.len - at)
            return verdict;
        for (at += run + 1; is_inside_character(text, at);)
            at++;
        if (at > text.len)
            return SEARCH_NONE;
        uint64_t before = now;
        now = clock_ns();
        if (now - began > MOST_NS)
            return SEARCH_OVER;
        if (now - before < CHEAP_NS && run < LONGEST_RUN)
            run *= 4;
    }
}

const size_t *search_found(void)
{
    return pcre2_get_ovector_pointer(found);
}
