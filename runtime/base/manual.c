#include "base/manual.h"

#include <string.h>

#include "base/json.h"

enum { JSON_MOST = 1 << 20 };

static void print_notes(FILE *out, const struct opt *row)
{
    bool has_default = row->fallback != NULL, has_env = row->env && row->name;
    if (!has_default && !has_env)
        return;
    fprintf(out, " (%s%s%s%s)", has_default ? "default: " : "", has_default ? row->fallback : "",
            has_default && has_env ? "; " : "", has_env ? row->env : "");
}

static void print_row(FILE *out, const struct opt *row)
{
    char left[64], short_form[8] = "";
    if (row->letter)
        snprintf(short_form, sizeof short_form, "-%c, ", row->letter);
    if (row->name)
        snprintf(left, sizeof left, "%4s--%s%s%s", short_form, row->name, row->arg ? " " : "",
                 row->arg ? row->arg : "");
    else
        snprintf(left, sizeof left, "    %s", row->env);
    fprintf(out, "  %-20s%s%s", left, strlen(left) > 20 ? "\n                       " : " ", row->help);
    print_notes(out, row);
    fputc('\n', out);
}

static void print_rows(FILE *out, const char *verb, bool secrets)
{
    struct opt row;
    for (int i = 0; i < opt_count(); i++)
        if (opt_row(i, verb, &row) && (row.type == OPT_SECRET) == secrets)
            print_row(out, &row);
}

static bool has_secret(const char *verb)
{
    struct opt row;
    for (int i = 0; i < opt_count(); i++)
        if (opt_row(i, verb, &row) && row.type == OPT_SECRET)
            return true;
    return false;
}

void manual_verb(FILE *out, const struct verb *verb)
{
    fprintf(out, "Usage: wye %s%s%s [options]\n\n%s\n\nOptions:\n", verb->name,
            *verb->args ? " " : "", verb->args, verb->summary);
    print_rows(out, verb->name, false);
    if (has_secret(verb->name)) {
        fputs("\nEnvironment only:\n", out);
        print_rows(out, verb->name, true);
    }
}

void manual_all(FILE *out, const struct verb *const *verbs, int count)
{
    fputs("wye routes requests to language models by a Lua script.\n\n"
          "Usage: wye VERB [arguments] [options]\n\n",
          out);
    for (int i = 0; i < count; i++) {
        char left[128];
        snprintf(left, sizeof left, "%s %s", verbs[i]->name, verbs[i]->args);
        bool is_long = strlen(left) > 16;
        fprintf(out, "  %-16s%s%s\n", left, is_long ? "\n                   " : " ", verbs[i]->summary);
    }
    fputs("\n`wye VERB --help` lists the options of a verb.\n"
          "Exit status: 0 ok, 1 refused or failed, 2 usage, 3 no server, 130 interrupted.\n",
          out);
}

/* `before` opens the object or parts it from the member in front. */
static void json_member(struct buf *out, char before, const char *name, const char *text)
{
    buf_printf(out, "%c\"%s\":", before, name);
    json_quote_z(out, text);
}

static void json_option(struct buf *out, const struct opt *row)
{
    char letter[2] = {row->letter, '\0'};
    json_member(out, '{', "name", row->name);
    json_member(out, ',', "letter", row->letter ? letter : NULL);
    json_member(out, ',', "arg", row->arg);
    json_member(out, ',', "default", row->fallback);
    json_member(out, ',', "env", row->env);
    json_member(out, ',', "help", row->help);
    buf_putc(out, '}');
}

static void json_verb(struct buf *out, const struct verb *verb)
{
    struct opt row;
    bool is_first = true;
    json_member(out, '{', "name", verb->name);
    json_member(out, ',', "args", verb->args);
    json_member(out, ',', "summary", verb->summary);
    buf_puts(out, ",\"options\":[");
    for (int i = 0; i < opt_count(); i++) {
        if (!opt_row(i, verb->name, &row))
            continue;
        buf_puts(out, is_first ? "" : ",");
        json_option(out, &row);
        is_first = false;
    }
    buf_puts(out, "]}");
}

void manual_json(FILE *out, const struct verb *const *verbs, int count)
{
    struct buf text = BUF(JSON_MOST);
    for (int i = 0; i < count; i++) {
        buf_puts(&text, i ? "," : "{\"verbs\":[");
        json_verb(&text, verbs[i]);
    }
    fprintf(out, "%s]}\n", text.p);
    buf_clear(&text);
}

static void print_code(FILE *out, const char *text)
{
    fprintf(out, text ? "`%s` |" : "%s |", text ? text : "");
}

static void markdown_option(FILE *out, const struct opt *row)
{
    fputs("| ", out);
    if (row->letter)
        fprintf(out, "`-%c`, ", row->letter);
    if (row->name)
        fprintf(out, "`--%s%s%s` | ", row->name, row->arg ? " " : "", row->arg ? row->arg : "");
    else
        fputs("| ", out);
    fprintf(out, "%s | ", strcmp(row->verbs, "*") == 0 ? "every verb" : row->verbs);
    print_code(out, row->fallback);
    fputc(' ', out);
    print_code(out, row->env);
    fprintf(out, " %s |\n", row->help);
}

/* A verb with a default of its own gets a line of its own. */
static void markdown_options(FILE *out, const struct verb *const *verbs, int count)
{
    struct opt row, own;
    for (int i = 0; i < opt_count(); i++) {
        opt_row(i, NULL, &row);
        markdown_option(out, &row);
        for (int v = 0; v < count; v++) {
            if (opt_row(i, verbs[v]->name, &own) && (own.fallback != row.fallback || own.help != row.help)) {
                own.verbs = verbs[v]->name;
                markdown_option(out, &own);
            }
        }
    }
}

void manual_markdown(FILE *out, const struct verb *const *verbs, int count)
{
    fputs("| verb | does |\n|---|---|\n", out);
    for (int i = 0; i < count; i++)
        fprintf(out, "| `%s%s%s` | %s |\n", verbs[i]->name, *verbs[i]->args ? " " : "",
                verbs[i]->args, verbs[i]->summary);
    fputs("\n| option | verbs | default | environment | does |\n|---|---|---|---|---|\n", out);
    markdown_options(out, verbs, count);
}
