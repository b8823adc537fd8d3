---@meta wye.score
-- luacheck: ignore 111 112 121 122 131 142 143 212 241
-- wye.score, for editors, beside wye.d.lua; the comments are the reference. Nothing loads this file.

---Cheap signs of how good an answer is. Nothing is asked for them.
---@class wye.score
wye.score = {}

---exp(mean log probability) of the answer's tokens, in (0, 1]: the inverse of its perplexity. nil unless asked with `logprobs`.
---@param reply wye.Reply
---@return number?
function wye.score.confidence(reply) end

---The probability of the least likely token of the answer, in (0, 1]: one doubtful number can spoil an answer whose mean is high.
---nil unless asked with `logprobs`.
---@param reply wye.Reply
---@return number?
function wye.score.least(reply) end

---The mean of p(best) - p(second best) over the tokens, in [0, 1]. nil unless asked with `logprobs = 2` or more.
---@param reply wye.Reply
---@return number?
function wye.score.margin(reply) end

---The mean entropy of the tokens in bits, from `top_logprobs` scaled to sum to 1: a lower bound. nil as for margin.
---@param reply wye.Reply
---@return number?
function wye.score.entropy(reply) end

---The share of the most frequent answer, in (0, 1], and the index of the first such. Case, punctuation and blanks are ignored
---unless `how` is "exact".
---@param replies (wye.Reply|string)[] 1 to 32
---@param how? "words"|"exact"
---@return number share
---@return integer index
function wye.score.agreement(replies) end

---With a schema as `schema(reply)`: true, or false and why. With "json": whether the text is JSON. With neither: whether the
---reply
---is whole (not cut at the limit of tokens) and every code fence in it closes.
---@param reply any
---@param what? wye.Schema|"json"
---@return boolean valid
---@return string? why
function wye.score.valid(reply, what) end

---Whether an English phrase of refusal stands in the text; and 1 when it begins in the first 200 bytes, 0.5 when later, else 0.
---@param text string|wye.Reply
---@return boolean refuses
---@return number score
function wye.score.refusal(text) end

---How much of the text repeats itself, in [0, 1]: the share of runs of 4 words that stood before already, or the longest run
---of one byte by the text's length. 1 for an empty text and for a reply that is cut at the limit of tokens. The second result
---says which.
---@param text string|wye.Reply
---@return number score
---@return "empty"|"cut"|"repeats"|"run"|nil what
function wye.score.degenerate(text) end

---1 when the text has `from` to `to` words, less in proportion when it has fewer or more; and how many it has.
---@param text string|wye.Reply
---@param from? number 1 unless given
---@param to? number   without end unless given
---@return number score
---@return integer words
function wye.score.length(text, from, to) end

---The weighted mean; true counts as 1, false as 0. Items without a score are left out; nil when all are.
---
---    local p = wye.score.weighted { { wye.score.confidence(reply) or 0.5, 2 }, { wye.score.valid(reply, invoice), 1 } }
---@param items { [1]: number|boolean, [2]: number }[]
---@return number?
function wye.score.weighted(items) end

return wye.score
