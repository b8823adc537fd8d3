-- OpenAI's chat completions: the client's side. Thinking is `reasoning_content`, as DeepSeek has it; what must come
-- back for the next turn (signed or redacted thinking) is in `reasoning_details`, as OpenRouter has it: entries that
-- stand for themselves, which a client appends as they come and sends back with the assistant's message.
local json = require "json"
local ids = require "inbound.ids"
local openai = require "inbound.openai"

local chat = { read = require "inbound.chat_request" }

local quote = json.encode
local REASONS = {
  stop = "stop", length = "length", tool_calls = "tool_calls", content_filter = "content_filter", refusal =
  "content_filter", pause = "stop", stop_sequence = "stop",
}
local FORMATS = { anthropic = "anthropic-claude-v1", gemini = "google-gemini-v1", openai = "openai-responses-v1" }

local function finish_reason(reason, has_calls, legacy)
  local word = REASONS[reason] or "stop"
  if has_calls and word == "stop" then word = "tool_calls" end
  return legacy and word == "tool_calls" and "function_call" or word
end

-- Cached tokens are part of OpenAI's prompt_tokens, reasoning part of completion_tokens.
local function usage_of(usage)
  local read, written = usage.cache_read or 0, usage.cache_write or 0
  local input, output = (usage.input or 0) + read + written, (usage.output or 0) + (usage.reasoning or 0)
  return {
    prompt_tokens = input, completion_tokens = output, total_tokens = input + output,
    prompt_tokens_details = { cached_tokens = read, cache_write_tokens = written > 0 and written or nil, audio_tokens = 0 },
    completion_tokens_details = {
      reasoning_tokens = usage.reasoning or 0, audio_tokens = 0, accepted_prediction_tokens = 0, rejected_prediction_tokens = 0,
    },
  }
end

-- Citations without a link have no form in this protocol.
local function annotation(citation, from, to)
  if not citation.url then return nil end
  local at = { start_index = citation.start or from, end_index = citation.stop or to }
  at.url, at.title = citation.url, citation.title or ""
  return { type = "url_citation", url_citation = at }
end

local function signed(text, signature, from, index)
  return { type = "reasoning.text", text = text, signature = signature, format = FORMATS[from] or "unknown", index = index }
end

local function redacted(data, from, index)
  return { type = "reasoning.encrypted", data = data, format = FORMATS[from] or "unknown", index = index }
end

local function characters(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

-- A call as the client made its tool: a function, one with plain text for input, or the function_call of old.
local function call_of(part, request)
  local body = { name = part.name, arguments = part.arguments == "" and "{}" or part.arguments }
  local call = { id = part.id or ids.like("call_"), type = "function", ["function"] = body }
  if part.signature and part.from == "gemini" then call.extra_content = { google = { thought_signature = part.signature } } end
  if openai.is_custom(request, part.name) then
    call.type, call["function"] = "custom", nil
    call.custom = { name = part.name, input = openai.plain_input(part.arguments) }
  end
  return call
end

local add = {}

function add.text(m, part)
  for _, citation in ipairs(part.citations or {}) do
    local from = characters(table.concat(m.texts))
    m.annotations[#m.annotations + 1] = annotation(citation, from, from + characters(part.text))
  end
  m.texts[#m.texts + 1] = part.text
end

function add.refusal(m, part)
  m.refusal = (m.refusal or "") .. part.text
end

function add.thinking(m, part)
  if part.text ~= "" then m.thoughts[#m.thoughts + 1] = part.text end
  if part.signature then m.details[#m.details + 1] = signed(part.text, part.signature, part.from, #m.details) end
end

function add.redacted(m, part)
  m.details[#m.details + 1] = redacted(part.data, part.from, #m.details)
end

function add.tool_call(m, part, request)
  m.calls[#m.calls + 1] = call_of(part, request)
end

local function filled(list)
  return #list > 0 and list or nil
end

local function message_of(parts, request)
  local m = { texts = {}, thoughts = {}, details = {}, calls = {}, annotations = {} }
  for _, part in ipairs(parts) do
    if add[part.type] then add[part.type](m, part, request) end
  end
  local message = {
    role = "assistant", content = #m.texts > 0 and table.concat(m.texts) or json.null, refusal = m.refusal or json.null,
    annotations = filled(m.annotations), tool_calls = filled(m.calls),
    reasoning_content = filled(m.thoughts) and table.concat(m.thoughts), reasoning_details = filled(m.details),
  }
  if request.echo.legacy and message.tool_calls then
    message.function_call, message.tool_calls = m.calls[1]["function"], nil
  end
  return message, #m.calls > 0
end

function chat.reply(reply, request)
  local choices = json.array {}
  for i, choice in ipairs(reply.choices) do
    local message, has_calls = message_of(choice.content, request)
    choices[i] = {
      index = choice.index or i - 1, message = message, logprobs = choice.logprobs or json.null,
      finish_reason = finish_reason(choice.stop, has_calls, request.echo.legacy),
    }
  end
  return json.encode {
    id = ids.like("chatcmpl-", reply.id), object = "chat.completion", created = reply.created or os.time(),
    model = reply.model or request.model, choices = choices, usage = reply.usage and usage_of(reply.usage),
    service_tier = reply.service_tier,
  }
end

-- The encoder of a stream. A choice begins with its role; its finish is a chunk of its own, and so is the usage, when
-- asked for.
local encoder = {}
encoder.__index = encoder

function encoder:begin(event)
  if self.id then return end
  self.id = ids.like("chatcmpl-", event.id)
  local tier = event.service_tier and ',"service_tier":' .. quote(event.service_tier) or ""
  self.head = ('data: {"id":%s,"object":"chat.completion.chunk","created":%d,"model":%s%s'):format(
    quote(self.id), event.created or os.time(), quote(event.model or self.request.model), tier)
  self.before = self.head .. (self.request.usage and ',"usage":null' or "") .. ',"choices":[{"index":'
end

-- What is known of a choice, and the chunk with its role when this is its first event.
function encoder:choice(n)
  local choice = self.choices[n]
  if choice then return choice, "" end
  self:begin {}
  choice = { texts = {}, thoughts = {}, details = 0, annotated = 0, calls = 0 }
  self.choices[n] = choice
  return choice, self:chunk(n, '{"role":"assistant","content":"","refusal":null}')
end

function encoder:chunk(n, delta, logprobs, finish)
  local after = ',"logprobs":' .. (logprobs or "null") .. ',"finish_reason":' .. (finish or "null") .. "}]}\n\n"
  return self.before .. n .. ',"delta":' .. delta .. after
end

local on = {}

function on:start(event)
  self:begin(event)
  local _, role = self:choice(0)
  return role
end

function on:text(event)
  local n = event.choice or 0
  local choice, role = self:choice(n)
  choice.texts[#choice.texts + 1] = event.text
  if event.text == "" and not event.logprobs then return role end
  return role .. self:chunk(n, '{"content":' .. quote(event.text) .. "}", event.logprobs and quote(event.logprobs))
end

function on:refusal(event)
  local n = event.choice or 0
  local _, role = self:choice(n)
  return role .. self:chunk(n, '{"refusal":' .. quote(event.text) .. "}", event.logprobs and quote(event.logprobs))
end

function on:thinking(event)
  local n = event.choice or 0
  local choice, role = self:choice(n)
  choice.thoughts[#choice.thoughts + 1] = event.text
  return role .. self:chunk(n, '{"reasoning_content":' .. quote(event.text) .. "}")
end

local function detail(self, event, make)
  local n = event.choice or 0
  local choice, role = self:choice(n)
  local entry = make(choice)
  choice.details = choice.details + 1
  return role .. self:chunk(n, json.encode { reasoning_details = json.array { entry } })
end

function on:signature(event)
  return detail(self, event, function(choice)
    local text = table.concat(choice.thoughts)
    choice.thoughts = {}
    return signed(text, event.text, event.from, choice.details)
  end)
end

function on:redacted(event)
  return detail(self, event, function(choice) return redacted(event.data, event.from, choice.details) end)
end

function on:citation(event)
  local n = event.choice or 0
  local choice, role = self:choice(n)
  local till = characters(table.concat(choice.texts))
  local entry = annotation(event, choice.annotated, till)
  choice.annotated = till
  return role .. (entry and self:chunk(n, json.encode { annotations = json.array { entry } }) or "")
end

function on:tool(event)
  local n = event.choice or 0
  local choice, role = self:choice(n)
  local part = { id = event.id, name = event.name, arguments = "", signature = event.signature, from = event.from }
  local call = call_of(part, self.request)
  call.index, choice.calls = choice.calls, choice.calls + 1
  self.tools[event.index] = { n = n, call = call, part = part, empty = true, held = call.custom and {} }
  if call.custom then return role end -- its input must be taken out of its arguments: sent when these are whole
  call["function"].arguments = ""
  local delta = self.request.echo.legacy and { function_call = call["function"] } or { tool_calls = json.array { call } }
  return role .. self:chunk(n, json.encode(delta))
end

function encoder:fragment(tool, text)
  tool.empty = false
  if tool.held then
    tool.held[#tool.held + 1] = text
    return ""
  end
  if self.request.echo.legacy then return self:chunk(tool.n, '{"function_call":{"arguments":' .. quote(text) .. "}}") end
  return self:chunk(tool.n, ('{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}'):format(tool.call.index, quote(text)))
end

function on:arguments(event)
  local tool = self.tools[event.index]
  if not tool or event.text == "" then return "" end
  return self:fragment(tool, event.text)
end

-- What is still owed for the calls of a choice: `{}` where no arguments came, and the calls that were held.
function encoder:settle(n)
  local out = {}
  for _, tool in pairs(self.tools) do
    if tool.n == n and tool.held then
      tool.part.arguments = table.concat(tool.held)
      local call = call_of(tool.part, self.request)
      call.index = tool.call.index
      out[#out + 1] = self:chunk(n, json.encode { tool_calls = json.array { call } })
    elseif tool.n == n and tool.empty then
      out[#out + 1] = self:fragment(tool, "{}")
    end
  end
  return table.concat(out)
end

function on:stop(event)
  local n = event.choice or 0
  local choice, role = self:choice(n)
  if choice.finished then return "" end
  choice.finished = true
  local reason = finish_reason(event.reason, choice.calls > 0, self.request.echo.legacy)
  return role .. self:settle(n) .. self:chunk(n, "{}", nil, quote(reason))
end

function on:usage(event)
  self.usage = event.usage
  return ""
end

function encoder:finish()
  local out = {}
  if not next(self.choices) then out[1] = select(2, self:choice(0)) end
  for n in pairs(self.choices) do out[#out + 1] = on.stop(self, { choice = n }) end
  if self.request.usage and self.usage then
    out[#out + 1] = ('%s,"choices":[],"usage":%s}\n\n'):format(self.head, json.encode(usage_of(self.usage)))
  end
  out[#out + 1] = "data: [DONE]\n\n"
  return table.concat(out)
end

function chat.stream(request)
  local self = setmetatable({ request = request, choices = {}, tools = {} }, encoder)
  return function(event)
    if not event then return self:finish() end
    local handle = on[event.type]
    return handle and handle(self, event) or ""
  end
end

return chat
