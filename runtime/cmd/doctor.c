/* wye doctor [DIR]: looks at all that a server needs, before it is started and when something is wrong. */
#include "cmd/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "cmd/terminal.h"
#include "vm/generation.h"
#include "vm/guard.h"

enum { WORDS_MOST = 4 << 20, STATUS_MOST = 1 << 20, MODELS_MOST = 64 << 20, OUTPUT_MOST = 8 << 20 };

static const char *const STATES[] = {"ok", "warn", "fail"};

void doctor_say(struct doctor *d, enum doctor_state state, const char *look, const char *advice, const char *format, ...)
{
    char words[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    for (char *c = words; *c; c++)
        *c = (unsigned char)*c < ' ' ? ' ' : *c; /* one line, and no terminal obeys it */
    struct doctor_line *line = arena_need(&d->arena, sizeof *line);
    *line = (struct doctor_line){.state = state, .look = look, .words = arena_strdup(&d->arena, words), .advice = advice ? arena_strdup(&d->arena, advice) : NULL};
    *d->end = line;
    d->end = &line->next;
    d->counts[state]++;
}

static void print_json(const struct doctor *d)
{
    struct buf out = BUF(OUTPUT_MOST);
    buf_printf(&out, "{\"ok\":%s,\"warnings\":%d,\"failures\":%d,\"checks\":[", d->counts[DOCTOR_FAIL] ? "false" : "true", d->counts[DOCTOR_WARN],
               d->counts[DOCTOR_FAIL]);
    for (const struct doctor_line *l = d->first; l; l = l->next) {
        buf_printf(&out, "%s{\"check\":\"%s\",\"state\":\"%s\",\"message\":", l == d->first ? "" : ",", l->look, STATES[l->state]);
        json_quote(&out, str_of(l->words ? l->words : ""));
        buf_puts(&out, ",\"advice\":");
        json_quote_z(&out, l->advice);
        buf_putc(&out, '}');
    }
    buf_putc(&out, ']');
    for (const struct doctor_line *l = d->first; l; l = l->next)
        if (l->state == DOCTOR_FAIL) {
            complain_member(&out, l->words ? l->words : l->look); /* the first stands for all of them */
            break;
        }
    buf_puts(&out, "}\n");
    fwrite(out.p, 1, out.len, stdout);
    buf_clear(&out);
}

static void print_text(const struct doctor *d)
{
    static const char *const COLOURS[] = {"\033[32m", "\033[33m", "\033[31m"};
    bool has_colour = terminal_look().has_colour;
    for (const struct doctor_line *l = d->first; l; l = l->next)
        printf("%s%-4s%s  %-11s  %s%s%s\n", has_colour ? COLOURS[l->state] : "", STATES[l->state], has_colour ? "\033[0m" : "", l->look, l->words ? l->words : "",
               l->advice ? ": " : "", l->advice ? l->advice : "");
    printf("%d ok, %d to mind, %d wrong\n", d->counts[DOCTOR_OK], d->counts[DOCTOR_WARN], d->counts[DOCTOR_FAIL]);
}

static void open_places(struct doctor *d)
{
    const struct options *o = d->options;
    snprintf(d->trace, sizeof d->trace, "%s/.wye/trace", d->project);
    snprintf(d->state, sizeof d->state, "%s/.wye/state", d->project);
    doctor_ask_server(d);
    if (o->trace)
        snprintf(d->trace, sizeof d->trace, "%s", o->trace);
    if (o->state)
        snprintf(d->state, sizeof d->state, "%s", o->state);
}

int cmd_doctor(struct options *o)
{
    static void (*const LOOKS[])(struct doctor *) = {doctor_project, doctor_keys,        doctor_providers, doctor_server, doctor_ports,
                                                     doctor_disk,    doctor_descriptors, doctor_libraries, doctor_trace};
    struct err err;
    if (guard_open(&err) < 0)
        return complain_of(o, &err);
    struct doctor d = {.options = o,
                       .project = o->arg_count ? o->args[0] : "routes",
                       .status_text = BUF(STATUS_MOST),
                       .models_text = BUF(MODELS_MOST),
                       .arena = ARENA(WORDS_MOST)};
    d.end = &d.first;
    open_places(&d);
    for (size_t i = 0; i < sizeof LOOKS / sizeof *LOOKS; i++)
        LOOKS[i](&d);
    (o->json ? print_json : print_text)(&d);
    if (d.generation)
        generation_release(d.generation);
    buf_clear(&d.status_text);
    buf_clear(&d.models_text);
    arena_clear(&d.arena);
    guard_close();
    return d.counts[DOCTOR_FAIL] ? EXIT_REFUSED : EXIT_OK;
}
