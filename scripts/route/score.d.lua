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

---The mean of p(best) - p(second best) over the tokens, in [0, 1]. nil without two or more `top_logprobs`.
---@param reply wye.Reply
---@return number?
function wye.score.margin(reply) end

---The mean entropy of the tokens in bits, from `top_logprobs` scaled to sum to 1: a lower bound. nil as for margin.
---@param reply wye.Reply
---@return number?
function wye.score.entropy(reply) end

---The share of the most frequent answer (case, punctuation and blanks ignored), in (0, 1], and the index of the first such.
---@param replies (wye.Reply|string)[] 1 to 32
---@return number share
---@return integer index
function wye.score.agreement(replies) end

---As `schema(reply)`: true, or false and why.
---@param reply any
---@param schema wye.Schema
---@return boolean valid
---@return string? why
function wye.score.valid(reply, schema) end

---Whether an English phrase of refusal stands in the text; and 1 when it begins in the first 200 bytes, 0.5 when later, else 0.
---@param text string|wye.Reply
---@return boolean refuses
---@return number score
function wye.score.refusal(text) end

---How much of the text repeats itself, in [0, 1]: the share of runs of 4 words that stood before already, or the longest run
---of one byte by the text's length. 1 for an empty text.
---@param text string|wye.Reply
---@return number
function wye.score.degenerate(text) end

---The weighted mean; true counts as 1, false as 0. Items without a score are left out; nil when all are.
---
---    local p = wye.score.weighted { { wye.score.confidence(reply) or 0.5, 2 }, { wye.score.valid(reply, invoice), 1 } }
---@param items { [1]: number|boolean, [2]: number }[]
---@return number?
function wye.score.weighted(items) end

return wye.score
