#include "bind/score.h"

#include <ctype.h>
#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <xxhash.h>

#include "base/json.h"
#include "bind/field.h"
#include "bind/logprob.h"
#include "bind/reply.h"
#include "bind/scope.h"
#include "bind/validator.h"
#include "vm/state.h"

enum { MAX_ANSWERS = 32, REFUSAL_EARLY = 200, GRAM = 4, MAX_WORDS = 4096, SLOTS = 8192, FENCE = 3 };

/* ---- logprobs ---- */

static struct reply *reply_at(lua_State *L, int index)
{
    return scope_check(L, index, METATABLE_REPLY);
}

/* The measure is the function's upvalue. */
static int measure(lua_State *L)
{
    double value;
    if (logprob_measure((int)lua_tointeger(L, lua_upvalueindex(1)), reply_at(L, 1), &value))
        lua_pushnumber(L, value);
    else
        lua_pushnil(L);
    return 1;
}

/* ---- texts ---- */

/* A reply's text, or a string. */
static struct str text_at(lua_State *L, int index)
{
    struct str text;
    if (lua_type(L, index) != LUA_TSTRING)
        return reply_text(reply_at(L, index), scope_of(L, "wye.score")->view.arena);
    text.p = lua_tolstring(L, index, &text.len);
    return text;
}

/* A reply that ended because no more tokens were allowed. */
static bool is_cut(lua_State *L, int index)
{
    return lua_type(L, index) != LUA_TSTRING && str_eq(json_pointer(reply_at(L, index)->body, "/choices/0/finish_reason"), "\"length\"");
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* FNV-1a over the words, lower case, one blank between two. */
static uint64_t fingerprint(struct str text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    bool is_gap = false, has_begun = false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_word(text.p[i])) {
            is_gap = has_begun;
            continue;
        }
        if (is_gap)
            hash = (hash ^ ' ') * UINT64_C(0x100000001b3);
        hash = (hash ^ (unsigned char)tolower((unsigned char)text.p[i])) * UINT64_C(0x100000001b3);
        is_gap = false;
        has_begun = true;
    }
    return hash;
}

static int agreement(lua_State *L)
{
    static const char *const HOW[] = {"words", "exact", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    bool is_exact = luaL_checkoption(L, 2, "words", HOW) == 1;
    uint64_t prints[MAX_ANSWERS];
    int count = (int)lua_objlen(L, 1), best = 0, most = 0;
    if (count < 1 || count > MAX_ANSWERS)
        return luaL_error(L, "wye.score.agreement takes 1 to %d replies, not %d", MAX_ANSWERS, count);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, 1, i + 1);
        struct str text = text_at(L, lua_gettop(L));
        prints[i] = is_exact ? XXH3_64bits(text.p, text.len) : fingerprint(text);
        lua_pop(L, 1);
    }
    for (int i = 0; i < count; i++) {
        int same = 0;
        for (int k = 0; k < count; k++)
            same += prints[k] == prints[i];
        if (same > most) {
            most = same;
            best = i + 1;
        }
    }
    lua_pushnumber(L, (lua_Number)most / count);
    lua_pushinteger(L, best);
    return 2;
}

/* Code fences (CommonMark 0.31, 4.5): a line of three or more ` or ~ opens, one of at least as many of the same closes. False: one is left open. */
static bool fences_close(struct str text)
{
    size_t open = 0;
    char mark = 0;
    for (size_t i = 0; i < text.len; i++) {
        size_t start = i, run = 0;
        while (i < text.len && text.p[i] == ' ')
            i++;
        bool is_inside = i - start > 3;
        while (i + run < text.len && text.p[i + run] == text.p[i] && (text.p[i] == '`' || text.p[i] == '~'))
            run++;
        if (!is_inside && run >= FENCE && !open) {
            open = run;
            mark = text.p[i];
        } else if (!is_inside && open && run >= open && text.p[i] == mark) {
            open = 0;
        }
        const char *end = i < text.len ? memchr(text.p + i, '\n', text.len - i) : NULL;
        i = end ? (size_t)(end - text.p) : text.len;
    }
    return open == 0;
}

static int push_verdict(lua_State *L, bool is_valid, const char *why)
{
    lua_pushboolean(L, is_valid);
    if (is_valid)
        return 1;
    lua_pushstring(L, why);
    return 2;
}

/* valid(reply): what is cut short or leaves a code fence open is not; with "json" or a schema: the text must be that. */
static int valid(lua_State *L)
{
    struct err why = {0};
    const struct schema *s = validator_at(L, 2);
    if (s)
        return push_verdict(L, validator_check(L, s, 1, &why), why.message);
    if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "json") == 0)
        return push_verdict(L, json_validate(text_at(L, 1), &why) == 0, why.message);
    if (!lua_isnoneornil(L, 2))
        return luaL_error(L, "wye.score.valid takes a reply and, if you like, what wye.schema returned, or \"json\"");
    if (is_cut(L, 1))
        return push_verdict(L, false, "cut at the limit of tokens");
    return push_verdict(L, fences_close(text_at(L, 1)), "a code fence is left open");
}

static int refusal(lua_State *L)
{
    static const char *const PHRASES[] = {
        "i can't help with", "i cannot help with", "i can't assist", "i cannot assist", "i'm unable to", "i am unable to",
        "i'm not able to", "i am not able to", "i can't provide", "i cannot provide", "i can't comply", "i cannot comply",
        "i won't be able to", "i must decline", "as an ai", "against my guidelines"};
    struct str text = text_at(L, 1);
    double score = 0;
    for (size_t i = 0; i < sizeof PHRASES / sizeof *PHRASES && score < 1; i++) {
        size_t len = strlen(PHRASES[i]);
        for (size_t at = 0; at + len <= text.len; at++) {
            if (tolower((unsigned char)text.p[at]) != PHRASES[i][0] || strncasecmp(text.p + at, PHRASES[i], len) != 0)
                continue;
            score = fmax(score, at < REFUSAL_EARLY ? 1 : 0.5);
            break;
        }
    }
    lua_pushboolean(L, score > 0);
    lua_pushnumber(L, score);
    return 2;
}

/* Hashes of the words of the text, the first MAX_WORDS. */
static int read_words(struct str text, uint64_t *words)
{
    int count = 0;
    for (size_t i = 0; i < text.len && count < MAX_WORDS;) {
        size_t start = i;
        while (i < text.len && is_word(text.p[i]))
            i++;
        if (i > start)
            words[count++] = fingerprint(str_n(text.p + start, i - start));
        else
            i++;
    }
    return count;
}

/* The share of the GRAMs that stood before already. */
static double repeated_grams(struct str text)
{
    static uint64_t words[MAX_WORDS], seen[SLOTS];
    int count = read_words(text, words) - GRAM + 1, repeated = 0;
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < count; i++) {
        uint64_t gram = 1;
        for (int k = 0; k < GRAM; k++)
            gram = (gram ^ words[i + k]) * UINT64_C(0x9e3779b97f4a7c15) | 1;
        size_t slot = (size_t)(gram >> 40) % SLOTS;
        while (seen[slot] && seen[slot] != gram)
            slot = (slot + 1) % SLOTS;
        repeated += seen[slot] == gram;
        seen[slot] = gram;
    }
    return count > 0 ? (double)repeated / count : 0;
}

static double longest_run(struct str text)
{
    size_t longest = 0, run = 0;
    for (size_t i = 0; i < text.len; i++) {
        run = i > 0 && text.p[i] == text.p[i - 1] ? run + 1 : 1;
        longest = run > longest ? run : longest;
    }
    return longest > GRAM * GRAM ? (double)longest / (double)text.len : 0;
}

static bool is_blank(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isspace((unsigned char)text.p[i]))
            return false;
    return true;
}

static int degenerate(lua_State *L)
{
    struct str text = text_at(L, 1);
    double grams = repeated_grams(text), run = longest_run(text);
    bool is_empty = is_blank(text), is_short = !is_empty && is_cut(L, 1);
    lua_pushnumber(L, is_empty || is_short ? 1 : fmax(grams, run));
    if (is_empty || is_short || grams > 0 || run > 0)
        lua_pushstring(L, is_empty ? "empty" : is_short ? "cut" : run > grams ? "run" : "repeats");
    else
        lua_pushnil(L);
    return 2;
}

static int length(lua_State *L)
{
    struct str text = text_at(L, 1);
    double least = luaL_optnumber(L, 2, 1), most = luaL_optnumber(L, 3, INFINITY), words = 0;
    if (!(least >= 0 && most >= least))
        return luaL_error(L, "wye.score.length takes a text and the least and the most words, in that order");
    for (size_t i = 0; i < text.len; i++)
        words += is_word(text.p[i]) && (i == 0 || !is_word(text.p[i - 1]));
    lua_pushnumber(L, words < least ? words / least : words > most ? most / words : 1);
    lua_pushnumber(L, words);
    return 2;
}

/* ---- together ---- */

static int weighted(lua_State *L)
{
    double sum = 0, weights = 0;
    luaL_checktype(L, 1, LUA_TTABLE);
    for (int i = 1; i <= (int)lua_objlen(L, 1); i++) {
        lua_rawgeti(L, 1, i);
        if (!lua_istable(L, -1))
            return luaL_error(L, "wye.score.weighted: item %d is a %s, not { score, weight }", i, luaL_typename(L, -1));
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        double weight = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
        if (!(weight >= 0) || !isfinite(weight))
            return luaL_error(L, "wye.score.weighted: the weight of item %d must be a number from 0 on", i);
        if (!lua_isnil(L, -2)) {
            sum += weight * (lua_isboolean(L, -2) ? lua_toboolean(L, -2) : luaL_checknumber(L, -2));
            weights += weight;
        }
        lua_pop(L, 3);
    }
    if (weights > 0)
        lua_pushnumber(L, sum / weights);
    else
        lua_pushnil(L);
    return 1;
}

void score_open(lua_State *L)
{
    static const luaL_Reg FUNCTIONS[] = {{"agreement", agreement},   {"valid", valid},   {"refusal", refusal},
                                         {"degenerate", degenerate}, {"length", length}, {"weighted", weighted}};
    lua_newtable(L);
    for (int i = 0; i < LOGPROB_MEASURES; i++) {
        lua_pushinteger(L, i);
        lua_pushcclosure(L, measure, 1);
        lua_setfield(L, -2, logprob_names[i]);
    }
    for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++)
        field_function(L, FUNCTIONS[i].name, FUNCTIONS[i].func);
    vm_lock(L, "wye.score");
}
