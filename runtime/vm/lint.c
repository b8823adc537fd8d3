#include "vm/lint.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "base/near.h"
#include "vm/lexer.h"
#include "vm/manifest.h"
#include "vm/sandbox.h"

enum { DEEPEST = 512, MOST_LOCALS = 2048, MOST_NAMES = 400, LONGEST_NAME = 64 };

/* What is open. A loop waits for its `do`; FUNCTION_HEAD stands from `function` to the end of its parameters. */
enum kind { BLOCK, REPEAT, LOOP, FUNCTION_HEAD, PARAMETERS, PAREN, BRACE, BRACKET };

struct frame {
    enum kind kind;
    int locals; /* how many there were before it */
};

/* What the next names are. NAMES_OF_FOR ends at `=` or `in`, NAMES_OF_LOCAL where no comma follows. */
enum names { NAMES_READ, NAMES_OF_LOCAL, NAMES_OF_FOR };

struct linter {
    lua_State *L;
    struct vm *vm;
    struct lexer lex;
    struct str source, before; /* the token before the present one */
    enum names names;
    bool is_concat; /* `before` is the second point of ".." */
    struct frame frames[DEEPEST];
    int depth;
    struct str locals[MOST_LOCALS];
    int local_count;
    struct lint_finding finding;
    void (*found)(void *arg, const struct lint_finding *f);
    void *arg;
};

struct walk_files {
    struct vm *vm;
    void (*found)(void *arg, const struct lint_finding *f);
    void *arg;
};

static bool push(struct linter *l, enum kind kind)
{
    if (l->depth == DEEPEST)
        return false;
    l->frames[l->depth++] = (struct frame){kind, l->local_count};
    return true;
}

static bool pop(struct linter *l, enum kind kind)
{
    if (l->depth == 0 || l->frames[l->depth - 1].kind != kind)
        return false;
    l->local_count = l->frames[--l->depth].locals;
    return true;
}

static bool is_in(const struct linter *l, enum kind kind)
{
    return l->depth > 0 && l->frames[l->depth - 1].kind == kind;
}

static bool declare(struct linter *l, struct str name)
{
    if (l->local_count == MOST_LOCALS)
        return false;
    l->locals[l->local_count++] = name;
    return true;
}

static bool is_local(const struct linter *l, struct str name)
{
    for (int i = l->local_count; i-- > 0;)
        if (str_same(l->locals[i], name))
            return true;
    return false;
}

static bool is_before(const struct linter *l, char c)
{
    return l->before.len == 1 && *l->before.p == c;
}

/* The token after the present one, without taking it. */
static struct str ahead(const struct linter *l, struct lexer *x)
{
    *x = l->lex;
    return lexer_next(x) == T_END_OF_FILE ? str_n(NULL, 0) : lexer_text(x);
}

static bool is_char(struct str token, char c)
{
    return token.len == 1 && *token.p == c;
}

/* A single `=`: the lexer gives "==" as two. */
static bool is_assigned(const struct linter *l)
{
    struct lexer x;
    return is_char(ahead(l, &x), '=') && (x.at == x.end || *x.at != '=');
}

/* ---- what is told ---- */

static void tell(struct linter *l, const struct lexer *at, const char *message)
{
    const char *line = at->start;
    while (line > l->source.p && line[-1] != '\n' && line[-1] != '\r')
        line--;
    l->finding.line = at->line;
    l->finding.column = (int)(at->start - line) + 1;
    l->finding.width = (int)(at->at - at->start);
    l->finding.message = message;
    l->found(l->arg, &l->finding);
}

/* The nearest of the locals in scope (when with_locals) and the keys of the table on top; "" when none is near. */
static void find_near(struct linter *l, const char *name, bool with_locals, char out[LONGEST_NAME])
{
    char text[MOST_NAMES][LONGEST_NAME];
    const char *names[MOST_NAMES];
    int count = 0;
    for (int i = l->local_count; with_locals && i-- > 0 && count < MOST_NAMES / 2;)
        snprintf(text[count++], LONGEST_NAME, STR_FMT, STR_ARG(l->locals[i]));
    for (lua_pushnil(l->L); lua_next(l->L, -2); lua_pop(l->L, 1))
        if (count < MOST_NAMES && lua_type(l->L, -2) == LUA_TSTRING &&
            strncmp(lua_tostring(l->L, -2), "__", 2) != 0)
            snprintf(text[count++], LONGEST_NAME, "%s", lua_tostring(l->L, -2));
    for (int i = 0; i < count; i++)
        names[i] = text[i];
    const char *near = near_name(name, names, count);
    snprintf(out, LONGEST_NAME, "%s", near ? near : "");
}

/* With the table that lacks it on top: the globals, or those of the view named `of`. */
static void tell_unknown(struct linter *l, const struct lexer *at, const char *of)
{
    char message[400], near[LONGEST_NAME], name[LONGEST_NAME];
    snprintf(name, sizeof name, STR_FMT, STR_ARG(lexer_text(at)));
    const char *instead = of ? NULL : sandbox_instead(name);
    find_near(l, name, !of, near);
    if (instead)
        snprintf(message, sizeof message, "'%s' does not exist here: %s", name, instead);
    else
        snprintf(message, sizeof message, "unknown %s '%s'%s%s%s%s%s", of ? "field" : "global",
                 name, of ? " of " : "", of ? of : "", *near ? " (did you mean '" : "", near,
                 *near ? "'?)" : "");
    tell(l, at, message);
}

static void tell_write(struct linter *l, const struct lexer *at)
{
    char message[400];
    snprintf(message, sizeof message, "globals are read-only: use local (local " STR_FMT " = …)",
             STR_ARG(lexer_text(at)));
    tell(l, at, message);
}

/* ---- globals and their fields ---- */

/* Whether the table on top has it; its value takes the table's place then. */
static bool take(struct linter *l, struct str name)
{
    lua_pushlstring(l->L, name.p, name.len);
    lua_rawget(l->L, -2);
    bool is_there = !lua_isnil(l->L, -1);
    if (is_there)
        lua_remove(l->L, -2);
    else
        lua_pop(l->L, 1);
    return is_there;
}

/* Replaces a view that names what it lacks (vm_lock with a name) by the table behind it; its name, or NULL for another value. */
static const char *open_view(lua_State *L)
{
    if (!lua_istable(L, -1) || !luaL_getmetafield(L, -1, "__index"))
        return NULL;
    lua_remove(L, -2);
    if (!lua_istable(L, -1) || !luaL_getmetafield(L, -1, "__index"))
        return NULL;
    bool has_name = lua_iscfunction(L, -1) && lua_getupvalue(L, -1, 1);
    const char *name = has_name ? lua_tostring(L, -1) : NULL;
    lua_pop(L, has_name ? 2 : 1); /* its closure keeps the name */
    return name;
}

/* `x` is at a global's name and its value on top: follows ".field.field" while the tables are views. */
static void see_fields(struct linter *l, struct lexer x)
{
    for (const char *name; (name = open_view(l->L)) != NULL;) {
        if (lexer_next(&x) != T_OTHER || !is_char(lexer_text(&x), '.') || lexer_next(&x) != T_WORD)
            return;
        if (!take(l, lexer_text(&x))) {
            tell_unknown(l, &x, name);
            return;
        }
    }
}

static void see_global(struct linter *l, bool is_write)
{
    int top = lua_gettop(l->L);
    lua_rawgeti(l->L, LUA_REGISTRYINDEX, l->vm->globals);
    if (is_write)
        tell_write(l, &l->lex);
    else if (take(l, lexer_text(&l->lex)))
        see_fields(l, l->lex);
    else
        tell_unknown(l, &l->lex, NULL);
    lua_settop(l->L, top);
}

/* ---- the walk ---- */

static bool is_keyword(struct str word)
{
    static const char *const words[] = {"and",  "break",  "elseif", "else", "false",
                                        "goto", "if",     "in",     "nil",  "not",
                                        "or",   "return", "then",   "true", "while"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_eq(word, words[i]))
            return true;
    return false;
}

/* A key of a table, a field, a method or a label. */
static bool is_no_variable(const struct linter *l)
{
    if ((is_before(l, '.') && !l->is_concat) || is_before(l, ':') || str_eq(l->before, "goto"))
        return true;
    return is_in(l, BRACE) && (is_before(l, '{') || is_before(l, ',') || is_before(l, ';')) &&
           is_assigned(l);
}

/* In `function NAME.field:method(`: NAME is read, or written when it stands alone. */
static void see_function_name(struct linter *l)
{
    struct lexer x;
    if (!is_local(l, lexer_text(&l->lex)))
        see_global(l, is_char(ahead(l, &x), '('));
}

static bool see_name(struct linter *l)
{
    struct str name = lexer_text(&l->lex);
    if (is_in(l, PARAMETERS) || l->names != NAMES_READ) {
        struct lexer x;
        if (l->names == NAMES_OF_LOCAL && !is_char(ahead(l, &x), ','))
            l->names = NAMES_READ;
        return declare(l, name);
    }
    if (is_no_variable(l))
        return true;
    if (is_in(l, FUNCTION_HEAD))
        see_function_name(l);
    else if (!is_local(l, name))
        see_global(l, is_assigned(l) && !is_in(l, BRACE));
    return true;
}

static bool see_end(struct linter *l)
{
    return pop(l, BLOCK);
}

/* The branches of an `if` are one block whose locals go at each of them. */
static bool see_branch(struct linter *l)
{
    if (!is_in(l, BLOCK))
        return false;
    l->local_count = l->frames[l->depth - 1].locals;
    return true;
}

static bool see_do(struct linter *l)
{
    if (!is_in(l, LOOP))
        return push(l, BLOCK);
    l->frames[l->depth - 1].kind = BLOCK;
    return true;
}

static bool see_until(struct linter *l)
{
    if (!is_in(l, REPEAT))
        return false;
    l->depth--; /* its locals stay: the condition sees them */
    return true;
}

static bool see_local(struct linter *l)
{
    struct lexer x;
    if (!str_eq(ahead(l, &x), "function")) {
        l->names = NAMES_OF_LOCAL;
        return true;
    }
    return lexer_next(&x) == T_WORD && declare(l, lexer_text(&x));
}

static bool see_word(struct linter *l)
{
    const struct lexer *x = &l->lex;
    if (lexer_is(x, "local"))
        return see_local(l);
    if (lexer_is(x, "function"))
        return push(l, FUNCTION_HEAD);
    if (lexer_is(x, "if"))
        return push(l, BLOCK);
    if (lexer_is(x, "while"))
        return push(l, LOOP);
    if (lexer_is(x, "for")) {
        l->names = NAMES_OF_FOR;
        return push(l, LOOP);
    }
    if (lexer_is(x, "do"))
        return see_do(l);
    if (lexer_is(x, "repeat"))
        return push(l, REPEAT);
    if (lexer_is(x, "until"))
        return see_until(l);
    if (lexer_is(x, "end"))
        return see_end(l);
    if (lexer_is(x, "else") || lexer_is(x, "elseif"))
        return see_branch(l);
    if (lexer_is(x, "in"))
        l->names = NAMES_READ;
    return is_keyword(lexer_text(x)) || see_name(l);
}

static bool open_paren(struct linter *l)
{
    if (!is_in(l, FUNCTION_HEAD))
        return push(l, PAREN);
    l->frames[l->depth - 1].kind = PARAMETERS;
    return declare(l, str_of("self")); /* only methods have it; silent for the others */
}

static bool close_paren(struct linter *l)
{
    if (!is_in(l, PARAMETERS))
        return pop(l, PAREN);
    l->frames[l->depth - 1].kind = BLOCK;
    return true;
}

static bool see_other(struct linter *l)
{
    if (l->lex.at - l->lex.start > 1)
        return true;
    switch (*l->lex.start) {
    case '(':
        return open_paren(l);
    case ')':
        return close_paren(l);
    case '{':
        return push(l, BRACE);
    case '}':
        return pop(l, BRACE);
    case '[':
        return push(l, BRACKET);
    case ']':
        return pop(l, BRACKET);
    case '=':
        l->names = NAMES_READ;
        return true;
    default:
        return true;
    }
}

/* Stops at the first thing that it does not understand. */
static void lint_file(struct linter *l)
{
    for (;;) {
        enum token t = lexer_next(&l->lex);
        if (t == T_END_OF_FILE || t == T_BROKEN || !(t == T_WORD ? see_word(l) : see_other(l)))
            return;
        struct str token = lexer_text(&l->lex);
        l->is_concat = is_char(token, '.') && is_before(l, '.') && l->before.p + 1 == token.p;
        l->before = token;
    }
}

static bool is_lua(const char *path)
{
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".lua") == 0;
}

static int lint_all(lua_State *L)
{
    const struct walk_files *w = lua_touserdata(L, 1);
    struct manifest *files = w->vm->files;
    struct linter *l = lua_newuserdata(L, sizeof *l);
    for (int i = 0; i < manifest_count(files); i++) {
        const char *path;
        struct str source = manifest_at(files, i, &path);
        if (source.p == NULL || !is_lua(path))
            continue;
        *l = (struct linter){.L = L,
                             .vm = w->vm,
                             .lex = lexer_open(source),
                             .source = source,
                             .found = w->found,
                             .arg = w->arg};
        l->finding.path = path;
        lint_file(l);
    }
    return 0;
}

int lint_files(struct vm *vm, void (*found)(void *arg, const struct lint_finding *f), void *arg,
               struct err *err)
{
    struct walk_files w = {vm, found, arg};
    return vm_protect(vm, lint_all, &w, err);
}
