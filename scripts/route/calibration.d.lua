---@meta wye.calibration
-- luacheck: ignore 111 112 121 122 131 142 143 212 221 241
-- wye.calibration, for editors, beside wye.d.lua; the comments are the reference. Nothing loads this file.

---What a score says of being right: `sure(reply)` is the probability, from 0 to 1, and the score that it comes from. A reply is
---measured by the calibration's function of wye.score; one that does not carry that score (asked without `logprobs`) gets 0 and
---nil. Any other score is given as a number: `sure((wye.score.agreement(drafts)))`. What it says is noted in the trace, for
---`wye why` and `wye drift`.
---@class wye.Calibration
---@field threshold? number the probability from which on an answer is kept, when `wye calibrate` was given a target
---@field score string      the function of wye.score that replies are measured by
---@field accuracy number   share of right answers in the data that it was fitted to
---@overload fun(what: wye.Reply|number): number, number?
local Calibration = {}

---Whether the answer is kept at the target that `wye calibrate` was given, and its probability. Answers at exactly the
---threshold are kept
---by chance (wye.random's), so that the share of the strong model comes out where many answers have one score.
---@param what wye.Reply|number
---@return boolean is_kept
---@return number p
function Calibration:keeps(what) end

---The calibration in calibrations/NAME.json, which `wye calibrate DATA -o calibrations/NAME.json` writes. Only while the file
---loads.
---
---    local sure = wye.calibration "invoice"
---    if sure(reply) >= 0.9 then return reply, "sure" end
---@param name string
---@return wye.Calibration
function wye.calibration(name) end
