---@meta wye.similar
-- luacheck: ignore 111 112 121 122 131 142 143 212 221 241
-- wye.similar, for editors, beside wye.d.lua; the comments are the reference. Nothing loads this file.

---Labelled examples, as `wye train --similar` indexed them. Call it on a text: the label that the nearest examples vote for, the
---probability that it is right, and the probability that the text is of any of the labels at all. Up to 10,000 examples; a
---hundred take about ten microseconds to look through.
---@class wye.Similar
---@overload fun(text: string): string, number, number
local Similar = {}

---@class wye.Example
---@field text string
---@field label string
---@field score number the cosine, above 0 and up to 1

---The nearest `n` examples (3 unless given, at most 16), nearest first.
---@param text string
---@param n? integer
---@return wye.Example[]
function Similar:nearest(text, n) end

---The index of classifiers/NAME.similar, while a file loads.
---
---    local faq = wye.similar "faq"
---    local label, p, known = faq(req.prompt)
---@param name string
---@return wye.Similar
function wye.similar(name) end
