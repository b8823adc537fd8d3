/* completion: a script that lets a shell complete verbs and options, out of the tables that the parser reads. */
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"

static void print_verbs(void)
{
    for (int i = 0; i < command_count(); i++)
        printf("%s%s", i ? " " : "", command_verbs()[i]->name);
}

static void print_options(const char *verb)
{
    struct opt row;
    int count = 0;
    for (int i = 0; i < opt_count(); i++)
        if (opt_row(i, verb, &row) && row.type != OPT_SECRET)
            printf("%s--%s", count++ ? " " : "", row.name);
}

/* zsh reads the same function through bashcompinit. */
static void print_bash(void)
{
    printf("_wye() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} words\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W '");
    print_verbs();
    printf("' -- \"$word\"))\n"
           "        return\n"
           "    fi\n"
           "    case ${COMP_WORDS[1]} in\n");
    for (int i = 0; i < command_count(); i++) {
        printf("    %s) words='", command_verbs()[i]->name);
        print_options(command_verbs()[i]->name);
        printf("' ;;\n");
    }
    printf("    *) return ;;\n"
           "    esac\n"
           "    [[ $word == -* ]] && COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "}\n"
           "complete -o default -F _wye wye\n");
}

static void print_zsh(void)
{
    printf("autoload -U +X bashcompinit && bashcompinit\n");
    print_bash();
}

static void print_quoted(const char *words)
{
    putchar('\'');
    for (; *words; words++)
        printf(*words == '\'' || *words == '\\' ? "\\%c" : "%c", *words);
    putchar('\'');
}

static void print_fish_options(const char *verb)
{
    struct opt row;
    for (int i = 0; i < opt_count(); i++) {
        if (!opt_row(i, verb, &row) || row.type == OPT_SECRET)
            continue;
        printf("complete -c wye -n '__fish_seen_subcommand_from %s' -l %s", verb, row.name);
        if (row.letter)
            printf(" -s %c", row.letter);
        printf("%s -d ", row.type == OPT_FLAG ? "" : " -r");
        print_quoted(row.help);
        putchar('\n');
    }
}

static void print_fish(void)
{
    for (int i = 0; i < command_count(); i++) {
        printf("complete -c wye -n __fish_use_subcommand -f -a %s -d ", command_verbs()[i]->name);
        print_quoted(command_verbs()[i]->summary);
        putchar('\n');
        print_fish_options(command_verbs()[i]->name);
    }
}

int cmd_completion(struct options *o)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (strcmp(o->args[0], shells[i].name) == 0) {
            shells[i].print();
            return EXIT_OK;
        }
    fprintf(stderr, "wye completion: no shell %s: it takes bash, zsh or fish\n", o->args[0]);
    return EXIT_USAGE;
}
