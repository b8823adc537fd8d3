#include "bind/score.h"

#include <ctype.h>
#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>

#include "base/json.h"
#include "bind/field.h"
#include "bind/reply.h"
#include "bind/scope.h"
#include "bind/validator.h"
#include "vm/state.h"

enum { MAX_ANSWERS = 32, REFUSAL_EARLY = 200, GRAM = 4, MAX_WORDS = 4096, SLOTS = 8192 };

/* ---- logprobs ---- */

static struct reply *reply_at(lua_State *L, int index)
{
    return scope_check(L, index, REPLY_METATABLE);
}

/* What a token gives to a mean; false: it has nothing to give. */
typedef bool token_measure(struct str token, double *out);

static bool log_probability(struct str token, double *out)
{
    return json_number(json_get(token, "logprob"), out);
}

static bool token_margin(struct str token, double *out)
{
    double best = -INFINITY, second = -INFINITY, log;
    for (struct json_walk w = json_walk(json_get(token, "top_logprobs")); json_next(&w);) {
        if (!json_number(json_get(w.value, "logprob"), &log))
            continue;
        second = log > best ? best : fmax(second, log);
        best = fmax(best, log);
    }
    *out = exp(best) - exp(second);
    return isfinite(second);
}

static bool token_entropy(struct str token, double *out)
{
    double sum = 0, weighted = 0, logprob;
    int count = 0;
    for (struct json_walk w = json_walk(json_get(token, "top_logprobs")); json_next(&w);) {
        if (!json_number(json_get(w.value, "logprob"), &logprob))
            continue;
        count++;
        sum += exp(logprob);
        weighted += exp(logprob) * logprob;
    }
    /* With q = p / sum: -sum q log2 q. */
    *out = fmax(0, (log(sum) - weighted / sum) / log(2));
    return count > 1 && sum > 0;
}

/* The mean over the tokens of the answer. False without logprobs. */
static bool mean(const struct reply *r, token_measure *measure, double *out)
{
    double sum = 0, one;
    int count = 0;
    for (struct json_walk w = json_walk(json_pointer(r->body, "/choices/0/logprobs/content")); json_next(&w);) {
        if (!measure(w.value, &one))
            continue;
        sum += one;
        count++;
    }
    *out = count ? sum / count : 0;
    return count > 0;
}

static int push_mean(lua_State *L, token_measure *measure, bool is_log)
{
    double value;
    if (mean(reply_at(L, 1), measure, &value))
        lua_pushnumber(L, is_log ? exp(value) : value);
    else
        lua_pushnil(L);
    return 1;
}

static int confidence(lua_State *L)
{
    return push_mean(L, log_probability, true);
}

static int margin(lua_State *L)
{
    return push_mean(L, token_margin, false);
}

static int entropy(lua_State *L)
{
    return push_mean(L, token_entropy, false);
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
    luaL_checktype(L, 1, LUA_TTABLE);
    uint64_t prints[MAX_ANSWERS];
    int count = (int)lua_objlen(L, 1), best = 0, most = 0;
    if (count < 1 || count > MAX_ANSWERS)
        return luaL_error(L, "wye.score.agreement takes 1 to %d replies, not %d", MAX_ANSWERS, count);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, 1, i + 1);
        prints[i] = fingerprint(text_at(L, lua_gettop(L)));
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

static int valid(lua_State *L)
{
    const struct schema *s = validator_at(L, 2);
    struct err why = {0};
    if (s == NULL)
        return luaL_error(L, "wye.score.valid takes a reply and what wye.schema returned");
    bool is_valid = validator_check(L, s, 1, &why);
    lua_pushboolean(L, is_valid);
    if (is_valid)
        return 1;
    lua_pushstring(L, why.message);
    return 2;
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

static int degenerate(lua_State *L)
{
    struct str text = text_at(L, 1);
    bool is_empty = true;
    for (size_t i = 0; i < text.len; i++)
        is_empty = is_empty && isspace((unsigned char)text.p[i]);
    lua_pushnumber(L, is_empty ? 1 : fmax(repeated_grams(text), longest_run(text)));
    return 1;
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
    static const luaL_Reg FUNCTIONS[] = {{"confidence", confidence}, {"margin", margin},   {"entropy", entropy},
                                         {"agreement", agreement},   {"valid", valid},     {"refusal", refusal},
                                         {"degenerate", degenerate}, {"weighted", weighted}};
    lua_newtable(L);
    for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++)
        field_function(L, FUNCTIONS[i].name, FUNCTIONS[i].func);
    vm_lock(L, "wye.score");
}
