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
---@field ms? integer         how long it took, 1 unless given

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
---@field kind? "model"|"list"|"reply"|"refusal" nil after a script error
---@field model? string       the model, the first of the list, or the one that the reply is from
---@field models string[]     all of them, in order
---@field reason? string
---@field status? integer     of a refusal
---@field message? string     of a refusal
---@field text? string        of a reply
---@field line? string        of the return that decided: "routes/cascade.lua:24"
---@field notes table[]       { text, data, where }
---@field asks table[]        { model, n, purpose, where, timeout, ms, usd, text or error and message }
---@field script_error? string what the route raised: "routes/cascade.lua:12: …"; the live server would use the default model

---@class wye.testkit.Project
local Project = {}
Project.__index = Project

---The project under test. Each has its own fakes; the routes are compiled once for a run of the specs.
---@return wye.testkit.Project
function kit.project()
  return setmetatable({ fakes = {} }, Project)
end

---Says how a model answers from here on: always so, in turn (a list; its last one stays), or as a function of the ask decides.
---@param model string "provider/id"
---@param answer string|wye.testkit.Answer|wye.testkit.Answer[]|fun(ask: wye.testkit.Ask): string|wye.testkit.Answer
function Project:fake(model, answer)
  local kind = type(answer)
  if kind ~= "string" and kind ~= "table" and kind ~= "function" then
    error("fake: expected a text, a table or a function for '" .. tostring(model) .. "', not a " .. kind, 2)
  end
  self.fakes[model] = { answer = answer, asked = 0 }
end

local FIELDS = {
  text = true, json = true, finish = true, tool_calls = true, logprobs = true, usage = true, error = true, message = true,
  status = true, ms = true,
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
    if answer.error then return { error = answer.error, message = answer.message, status = answer.status, ms = answer.ms } end
    return { body = completion(answer), ms = answer.ms }
  end
end

---Runs a route once. A text stands for a request with one message of the user.
---@param route string        "cascade" for cascade.lua
---@param request string|table the body of a chat completion; `model` is "wye/ROUTE" unless given
---@param opts? {headers?: table<string, string>} what the client sends besides
---@return wye.testkit.Decision
function Project:decide(route, request, opts)
  if type(request) == "string" then request = { messages = { { role = "user", content = request } } } end
  if type(request) ~= "table" then error("decide: expected a text or a table as the request, not a " .. type(request), 2) end
  local body = { model = "wye/" .. route }
  for key, value in pairs(request) do body[key] = value end
  local call = { route = route, request = body, headers = opts and opts.headers or {} }
  local ok, decision = pcall(decide, call, answer_with(self.fakes))
  if not ok then error(decision, 2) end
  return decision
end

return kit
