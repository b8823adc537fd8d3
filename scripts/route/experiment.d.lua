---@meta wye
-- luacheck: ignore 111 121 122 131 142 143 212 241
-- Experiments, for editors that run LuaLS. Nothing loads this file.

---One arm: its name, its weight in percent (weights add up to 100) and its rule, which decides as a route does. What the
---rule's file or function says is part of the arm: when it changes, reports split.
---@alias wye.Arm { [1]: string, [2]: number, [3]: fun(req: wye.Request): any, string? }

---@class wye.ExperimentOptions
---@field [integer] wye.Arm  the control first; 2 to 16
---@field unit? string       who gets the same arm again: "user" (unless given), "conversation" (as `req.conversation` says),
---                          "key", "header:NAME" or "request". Another one needs another name or salt
---@field metric? string     what decides: one that feedback or wye.metric gives, or error, usd, ms, ttft, tokens, valid, refused
---@field better? "higher"|"lower"  of the metric; "higher" unless it is a cost, a time, or a share of failures
---@field guard? string[]    what must not become worse: metrics as above, "cost" (usd), "latency" (ms at the 95th percentile)
---@field bandit? number     seconds; after each such period weights follow the metric (Thompson sampling, 5 % at least)
---@field salt? string       what the assignment hangs on; the experiment's name unless given. A new one deals all units anew

---A measure of this decision, as `POST /v1/feedback` gives one: in the route, or in its `after` once the answer is complete. The
---first value of a name stands.
---@param name string           up to 63 letters, digits and . _ -
---@param value number|boolean
function wye.metric(name, value) end

---A rule that is one of several, by unit: `local trial = wye.experiment("name", { … })`, then `return trial(req)`. Only while
---the file loads. The same unit gets the same arm, in every worker and after every restart, as long as the weights stay; when
---they are ramped up it only moves from the control towards later arms. A request without the unit gets the control and is not
---exposed. The trace tells of each exposure with its probability.
---
---    local trial = wye.experiment("short-prompts-to-mini", {
---      unit = "user", metric = "task_ok", guard = { "cost", "latency" },
---      { "v1", 90, require "rules.v1" },
---      { "v2", 10, require "rules.v2" },
---    })
---@param name string  up to 63 letters, digits and . _ -
---@param options wye.ExperimentOptions
---@return fun(req: wye.Request): any, string?
function wye.experiment(name, options) end

---@class wye.ShadowOptions
---@field rate? number  share of the calls that run, 0 to 1; 1 unless given
---@field answers? boolean  what it decides is answered, too, and compared with what the client got
---@field usd? number  what an answer may cost at most, US dollars

---A rule that decides beside the route and changes nothing: it runs once the answer has left, on the same request, with memory
---and time of its own. The trace tells what it would have done among the `shadows` of the decision, and whether the two differ
---(`wye trace -q 'shadow.differs == true'`). It has no hands: the first ask ends it undecided (and is
---counted), `wye.kv` is read and not written, notes, metrics and exposures are not kept. One that runs longer than 5 ms is
---ended, and all shadows of a worker get a tenth of its time; past that they wait, 64 at most, and are then left out and
---counted, as are requests over 1 MiB. `wye check` tries it too; in specs and replay nothing runs.
---
---With `answers` its asks and its decision go to the providers once the client has its answer, and the route's own decision
---once more, so that one sees by how much two answers of one rule differ. None of it is streamed, tried again, billed to the
---client's key, counted among requests or said to the health of models; it has 120 seconds and at most a quarter of a
---provider's `max_connections`. In a worker two run and 16 wait; a shadow that comes then only decides, as does one for which
---`limits.shadow_usd` of wye.lua (10 US dollars a day over all workers; 0: none) is spent: its `answers` in the trace says so.
---
---    local v3 = require "rules.v3"                        -- above the route
---    wye.shadow(v3, req, { rate = 0.05 })
---    wye.shadow(v3, req, { rate = 0.01, answers = true, usd = 0.02 })
---@param rule fun(req: wye.Request): any, string?
---@param req wye.Request
---@param options? wye.ShadowOptions
function wye.shadow(rule, req, options) end
