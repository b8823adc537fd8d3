/* completion: a script that lets a shell complete verbs and options, out of the tables that the parser reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "cmd/command.h"
#include "cmd/complain.h"

enum { JSON_MOST = 1 << 20 };

static void print_verbs(FILE *out)
{
    for (int i = 0; i < command_count(); i++)
        fprintf(out, "%s%s", i ? " " : "", command_verbs()[i]->name);
}

static void print_options(FILE *out, const char *verb)
{
    struct opt row;
    int count = 0;
    for (int i = 0; i < opt_count(); i++)
        if (opt_row(i, verb, &row) && row.type != OPT_SECRET)
            fprintf(out, "%s--%s", count++ ? " " : "", row.name);
}

/* The words of the verb's own, out of its arguments, after `before`: "list | drain MODEL" has list and drain. False when it has none. */
static bool print_own(FILE *out, const char *before, const char *args)
{
    int count = 0;
    for (const char *at = args; *at; at += strcspn(at, "|") + (at[strcspn(at, "|")] == '|')) {
        const char *word = at + strspn(at, " [");
        size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz-");
        if (len > 0 && (word[len] == '\0' || strchr(" ]|", word[len])))
            fprintf(out, "%s%.*s", count++ ? " " : before, (int)len, word);
    }
    return count > 0;
}

/* zsh reads the same function through bashcompinit. */
static void print_bash(FILE *out)
{
    fprintf(out, "_wye() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} words own\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W '");
    print_verbs(out);
    fprintf(out, "' -- \"$word\"))\n"
           "        return\n"
           "    fi\n"
           "    case ${COMP_WORDS[1]} in\n");
    for (int i = 0; i < command_count(); i++) {
        fprintf(out, "    %s) words='", command_verbs()[i]->name);
        print_options(out, command_verbs()[i]->name);
        fprintf(out, "' own='");
        print_own(out, "", command_verbs()[i]->args);
        fprintf(out, "' ;;\n");
    }
    fprintf(out, "    *) return ;;\n"
           "    esac\n"
           "    [[ $word == -* ]] || words=$own\n"
           "    [[ $word == -* || $COMP_CWORD -eq 2 ]] && COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "}\n"
           "complete -o default -F _wye wye\n");
}

static void print_zsh(FILE *out)
{
    fprintf(out, "autoload -U +X bashcompinit && bashcompinit\n");
    print_bash(out);
}

static void print_quoted(FILE *out, const char *words)
{
    putc('\'', out);
    for (; *words; words++)
        fprintf(out, *words == '\'' || *words == '\\' ? "\\%c" : "%c", *words);
    putc('\'', out);
}

static void print_fish_options(FILE *out, const char *verb)
{
    struct opt row;
    for (int i = 0; i < opt_count(); i++) {
        if (!opt_row(i, verb, &row) || row.type == OPT_SECRET)
            continue;
        fprintf(out, "complete -c wye -n '__fish_seen_subcommand_from %s' -l %s", verb, row.name);
        if (row.letter)
            fprintf(out, " -s %c", row.letter);
        fprintf(out, "%s -d ", row.type == OPT_FLAG ? "" : " -r");
        print_quoted(out, row.help);
        putc('\n', out);
    }
}

static void print_fish(FILE *out)
{
    for (int i = 0; i < command_count(); i++) {
        fprintf(out, "complete -c wye -n __fish_use_subcommand -f -a %s -d ", command_verbs()[i]->name);
        print_quoted(out, command_verbs()[i]->summary);
        putc('\n', out);
        char before[128];
        snprintf(before, sizeof before, "complete -c wye -n '__fish_seen_subcommand_from %s' -a '", command_verbs()[i]->name);
        if (print_own(out, before, command_verbs()[i]->args))
            fprintf(out, "'\n");
        print_fish_options(out, command_verbs()[i]->name);
    }
}

static int print_json(const char *shell, void (*print)(FILE *out))
{
    char *script = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&script, &len);
    struct buf out = BUF(JSON_MOST);
    if (memory) {
        print(memory);
        fclose(memory);
    }
    buf_printf(&out, "{\"shell\":\"%s\",\"script\":", shell);
    json_quote(&out, str_n(script, len));
    printf("%s}\n", out.p);
    buf_clear(&out);
    free(script);
    return EXIT_OK;
}

int cmd_completion(struct options *o)
{
    static const struct {
        const char *name;
        void (*print)(FILE *out);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (strcmp(o->args[0], shells[i].name) == 0) {
            if (o->json)
                return print_json(shells[i].name, shells[i].print);
            shells[i].print(stdout);
            return EXIT_OK;
        }
    return complain(o, EXIT_USAGE, "no shell '%s': it takes bash, zsh or fish", o->args[0]);
}
