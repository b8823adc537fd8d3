---@meta wye.testkit
-- The test kit: specs (busted) drive the routes of a project, and fakes answer for every model. `wye test [DIR]` runs
-- DIR/specs/*_spec.lua.
--
--     local kit = require "wye.testkit"
--
--     describe("cascade", function()
--       it("climbs when the small model is silent", function()
--         local t = kit.project()
--         t:fake("local/8b", { error = "timeout" })
--         local d = t:decide("cascade", "Hello!")
--         assert.are.equal("openai/mini", d.model)
--       end)
--     end)
local decide, encode = package.loaded["wye.decide"], package.loaded["wye.encode"]

local kit = {}

---How a model answers. Nothing but `text` is needed; without a fake a model answers the text {"answer":"ok"}.
---@class wye.testkit.Answer
---@field text? string        the answer's text
---@field json? any           the answer's text, as a value to be written as JSON
---@field finish? string      "stop" unless given
---@field tool_calls? table[]
---@field logprobs? number[]|table one for each token, or OpenAI's object
---@field usage? table        prompt_tokens, completion_tokens, … as OpenAI writes them
---@field error? wye.ErrorKind a failure instead: the route gets nil, err
---@field message? string     of the failure
---@field status? integer     of the failure
---@field retryable? boolean  of the failure, where it is not what its kind is
---@field body? wye.testkit.Json the whole completion, instead of all but `ms`, `at` and `never`
---@field ms? integer         how long it took, 1 unless given
---@field at? number          when it ends, in ms since the decision began; what ends at the same time is seen together
---@field never? boolean      it does not end: the route must not need it

---What a fake that is a function is told of an ask.
---@class wye.testkit.Ask
---@field model string    "provider/id"
---@field purpose string  "ask", "classify", "judge", "hedge"
---@field n integer       which ask of this decision, from 1
---@field where string    the line that asks, "routes/cascade.lua:20"
---@field timeout? number seconds, where the route gave one
---@field body table      what would be sent
---@field messages table[] of the body

---What a route decided.
---@class wye.testkit.Decision
---@field decision string  all that counts of it, in the words of the trace: "local/8b, openai/mini (first_token 4000)"
---@field kind? "model"|"list"|"reply"|"refusal" nil after a script error
---@field model? string       the model, the first of the list, or the one that the reply is from
---@field models string[]     all of them, in order
---@field reason? string
---@field status? integer     of a refusal
---@field message? string     of a refusal
---@field text? string        of a reply
---@field line? string        of the return that decided: "routes/cascade.lua:24"
---@field notes table[]       { text, data, where }
---@field arms table[]        { experiment, arm, p }: that the request's unit was dealt to
---@field asks table[]        { model, n, purpose, where, timeout, ms, usd, text or error and message }
---@field script_error? string what the route raised: "routes/cascade.lua:12: …"; the live server would use the default model

---@field experiments table[] { name, arm, arms }: which it took part in, the arm that it took, all that there are

---What a spec sets beside its fakes. What is left out is as it is live.
---@class wye.testkit.Options
---@field headers? table<string, string> what the client sends besides
---@field protocol? "chat"|"messages"|"responses"|"embeddings" in which the request is written; "chat" unless given
---@field id? string                     req.id; wye.random follows from it
---@field now? number|number[]           what wye.now gives: always, or in turn (the last one stays)
---@field kv? any[][]                    what wye.kv's calls give: { { "get", "visits", 3 }, { "get", "gone" } }; others nil
---@field arms? table<string, string>    which arm of an experiment is taken
---@field waits? (number|false)[]        when the pauses of wye.first's hedges end, in ms since the decision began; false: never
---@field p95? table<string, integer>    ms, for hedge = "p95"
---@field shadow? integer                decides by the rule of the first, second, … call of wye.shadow instead of the route's

---@class wye.testkit.Project
local Project = {}
Project.__index = Project

---The project under test. Each has its own fakes; the routes are compiled once for a run of the specs.
---@return wye.testkit.Project
function kit.project()
  return setmetatable({ fakes = {} }, Project)
end

---Says how a model answers from here on: always so, in turn (a list; its last one stays), or as a function of the ask decides.
---`decide` raises when the project has no such model.
---@param model string "provider/id"
---@param answer string|wye.testkit.Answer|wye.testkit.Answer[]|fun(ask: wye.testkit.Ask): string|wye.testkit.Answer
function Project:fake(model, answer)
  local kind = type(answer)
  if kind ~= "string" and kind ~= "table" and kind ~= "function" then
    error("fake: expected a text, a table or a function for '" .. tostring(model) .. "', not a " .. kind, 2)
  end
  self.fakes[model] = { answer = answer, asked = 0 }
end

---@class wye.testkit.Json
local Json = {}

---JSON as it stands, for a request or an answer's body: nothing of it is lost on the way through Lua.
---@param text string
---@return wye.testkit.Json
function kit.json(text)
  return setmetatable({ text = text }, Json)
end

local FIELDS = {
  text = true, json = true, finish = true, tool_calls = true, logprobs = true, usage = true, error = true, message = true,
  status = true, retryable = true, body = true, ms = true, at = true, never = true,
}

local function check_fields(answer, model)
  for key in pairs(answer) do
    if not FIELDS[key] then error(("the fake of %s: unknown field '%s'"):format(model, tostring(key)), 0) end
  end
end

local function logprobs_of(given)
  if type(given) ~= "table" or type(given[1]) ~= "number" then return given end
  local content = {}
  for i, p in ipairs(given) do content[i] = { token = "t" .. i, logprob = p } end
  return { content = content }
end

local function completion(answer)
  if getmetatable(answer.body) == Json then return answer.body.text end
  local text = answer.json ~= nil and encode(answer.json) or answer.text
  local message = { role = "assistant", content = text, tool_calls = answer.tool_calls }
  local reason = answer.finish or "stop"
  local choice = { index = 0, message = message, finish_reason = reason, logprobs = logprobs_of(answer.logprobs) }
  local usage = answer.usage or { prompt_tokens = 10, completion_tokens = 5, total_tokens = 15 }
  return { id = "trial", object = "chat.completion", created = 1, model = "trial", choices = { choice }, usage = usage }
end

local function pick(fake, ask)
  fake.asked = fake.asked + 1
  local answer = fake.answer
  if type(answer) == "function" then answer = answer(ask) end
  if type(answer) == "table" and answer[1] ~= nil then answer = answer[math.min(fake.asked, #answer)] end
  if type(answer) == "string" then answer = { text = answer } end
  if type(answer) ~= "table" then
    error(("the fake of %s gave a %s, not a text or a table"):format(ask.model, type(answer)), 0)
  end
  return answer
end

-- What the host needs of an answer; {} for a model without a fake.
local function answer_with(fakes)
  return function(ask)
    local fake = fakes[ask.model]
    if not fake then return {} end
    ask.messages = ask.body.messages
    local answer = pick(fake, ask)
    check_fields(answer, ask.model)
    local said = { ms = answer.ms, at = answer.at, never = answer.never }
    if answer.error then
      said.error, said.message, said.status, said.retryable = answer.error, answer.message, answer.status, answer.retryable
    else
      said.body = completion(answer)
    end
    return said
  end
end

local OPTIONS = {
  headers = true, protocol = true, id = true, now = true, kv = true, arms = true, waits = true, p95 = true, shadow = true,
}

-- A number crosses as text, so that no digit is lost.
local function times_of(now)
  local times = {}
  for i, seconds in ipairs(type(now) == "table" and now or { now }) do times[i] = ("%.6f"):format(seconds) end
  return times
end

local CALLS = { get = true, add = true, expire = true, delete = true, set = true }
local LETTERS = {
  number = function(n) return ("n%.17g"):format(n) end,
  string = function(s) return "s" .. s end,
  boolean = function(b) return b and "b1" or "b0" end,
  ["nil"] = function() return "-" end,
}

-- Each call of wye.kv and what it gives as the host keeps them: { "get visits", "n3" }.
local function calls_of(kv)
  local calls = {}
  for i, call in ipairs(kv) do
    local write = type(call) == "table" and CALLS[call[1]] and type(call[2]) == "string" and LETTERS[type(call[3])]
    if not write then error('decide: kv is a list of { "get", "a key", what it gives }; also add, expire and delete', 3) end
    calls[i] = { call[1] .. " " .. call[2], write(call[3]) }
  end
  return calls
end

local function body_of(route, request)
  if getmetatable(request) == Json then return request.text end
  if type(request) == "string" then request = { messages = { { role = "user", content = request } } } end
  if type(request) ~= "table" then error("decide: expected a text or a table as the request, not a " .. type(request), 3) end
  local body = { model = "wye/" .. route }
  for key, value in pairs(request) do body[key] = value end
  return body
end

---Runs a route once. A text stands for a request with one message of the user.
---@param route string        "cascade" for cascade.lua
---@param request string|table|wye.testkit.Json a body as `protocol` says; `model` is "wye/ROUTE" unless given
---@param opts? wye.testkit.Options
---@return wye.testkit.Decision
function Project:decide(route, request, opts)
  local call = { route = route, request = body_of(route, request), headers = {} }
  for key, value in pairs(opts or {}) do
    if not OPTIONS[key] then error(("decide: unknown option '%s'"):format(tostring(key)), 2) end
    call[key] = value
  end
  call.now = call.now and times_of(call.now)
  call.kv = call.kv and calls_of(call.kv)
  call.fakes = {}
  for model in pairs(self.fakes) do call.fakes[#call.fakes + 1] = model end
  local ok, decision = pcall(decide, call, answer_with(self.fakes))
  if not ok then error(decision, 2) end
  return decision
end

-- The first experiment of a decision whose arm the spec has not set.
local function left_to_chance(decision, arms)
  for _, x in ipairs(decision.experiments) do
    if not arms[x.name] then return x end
  end
end

local function with(table_, key, value)
  local copy = { [key] = value }
  for k, v in pairs(table_ or {}) do
    if k ~= key then copy[k] = v end
  end
  return copy
end

-- What a check of each_arm raises says under which arm.
local function raise_in(decision, why)
  local names = {}
  for i, x in ipairs(decision.experiments) do names[i] = ("arm %s of %s"):format(x.arm, x.name) end
  local where = #names > 0 and "in " .. table.concat(names, " and ") .. ": " or ""
  if type(why) == "table" and why.message then
    why.message = where .. tostring(why.message)
    error(why, 0)
  end
  error(where .. tostring(why), 0)
end

---Runs a route once for each arm of the experiments that it takes part in, and hands each decision to `check`; what that
---raises names the arm. Fakes that answer in turn begin anew for each.
---@param route string
---@param request string|table|wye.testkit.Json
---@param check fun(d: wye.testkit.Decision)
---@param opts? wye.testkit.Options
function Project:each_arm(route, request, check, opts)
  local left = { opts and opts.arms or {} }
  while #left > 0 do
    local arms = table.remove(left)
    for _, fake in pairs(self.fakes) do fake.asked = 0 end
    local ok, decision = pcall(self.decide, self, route, request, with(opts, "arms", arms))
    if not ok then error(decision, 2) end
    local x = left_to_chance(decision, arms)
    for i = x and #x.arms or 0, 1, -1 do left[#left + 1] = with(arms, x.name, x.arms[i]) end
    if not x then
      local fine, why = pcall(check, decision)
      if not fine then raise_in(decision, why) end
    end
  end
end

return kit
