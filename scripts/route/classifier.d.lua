---@meta wye.classifier
-- luacheck: ignore 111 112 121 122 131 142 143 212 221 241
-- wye.classifier, for editors, beside wye.d.lua; the comments are the reference. Nothing loads this file.

---What `wye train` made of labelled texts. Call it on a text: the label, the probability that it is right, and the probability
---that the text is of any of the labels at all (the label is "oos" when that was trained and this is below a half). It takes
---microseconds. The trace notes what it said.
---@class wye.Classifier
---@field labels string[]
---@overload fun(text: string): string, number, number

---The classifier of classifiers/NAME.model, while a file loads.
---
---    local intent = wye.classifier "intent"
---    local label, p, known = intent(req.prompt)
---@param name string
---@return wye.Classifier
function wye.classifier(name) end
