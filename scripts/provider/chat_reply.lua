-- OpenAI's chat completions as a wire: what comes back, from OpenAI and from the many servers that speak likewise.
local json = require "json"
local each = require "provider.each"
local given = require "provider.given"
local names = require "provider.names"
local chat = require "provider.chat"

local chat_reply = { raw = { logprobs = true } }

local reasons = {
  stop = "stop", length = "length", tool_calls = "tool_calls", function_call = "tool_calls", content_filter = "content_filter",
  end_turn = "stop", eos = "stop", max_tokens = "length", model_length = "length",
}

-- OpenAI counts cached tokens inside the prompt's and reasoning inside the completion's.
function chat_reply.usage(usage)
  usage = given(usage)
  if type(usage) ~= "table" or not given(usage.prompt_tokens) then return nil end
  local prompt, completion = given(usage.prompt_tokens_details) or {}, given(usage.completion_tokens_details) or {}
  local read = math.min(given(prompt.cached_tokens) or given(usage.prompt_cache_hit_tokens) or 0, usage.prompt_tokens)
  local write = given(prompt.cache_write_tokens) or 0
  local output = given(usage.completion_tokens) or 0
  -- Some servers count reasoning beside the completion: then only the total holds it.
  output = math.max(output, (given(usage.total_tokens) or 0) - usage.prompt_tokens)
  local reasoning = math.min(given(completion.reasoning_tokens) or 0, output)
  return {
    input = math.max(usage.prompt_tokens - read - write, 0),
    cache_read = read, cache_write = write,
    output = output - reasoning, reasoning = reasoning,
  }
end

local function text_of_item(item, kind)
  local inner = item[kind]
  if type(inner) == "string" then return inner end
  local texts = {}
  for _, piece in each(inner) do texts[#texts + 1] = given(piece.text) end
  return table.concat(texts)
end

-- Text and thoughts of a message or delta. Content is a string, or (Mistral's thinking models) a list of parts.
local function texts_of(delta)
  local content = given(delta.content)
  local thoughts = given(delta.reasoning_content) or given(delta.reasoning)
  if type(thoughts) ~= "string" then thoughts = nil end
  if not json.is_array(content) then return type(content) == "string" and content or "", thoughts or "" end
  local texts, thinking = {}, { thoughts }
  for _, item in each(content) do
    if item.type == "thinking" then thinking[#thinking + 1] = text_of_item(item, "thinking")
    elseif item.type == "text" then texts[#texts + 1] = text_of_item(item, "text") end
  end
  return table.concat(texts), table.concat(thinking)
end

local function citation_of(annotation)
  local link = annotation.type == "url_citation" and given(annotation.url_citation)
  if type(link) ~= "table" then return { from = "openai", value = json.raw(json.encode(annotation)) } end
  return {
    url = given(link.url), title = given(link.title), start = given(link.start_index), stop = given(link.end_index),
    from = "openai", value = json.raw(json.encode(annotation)),
  }
end

local function citations_of(message)
  local annotations = given(message.annotations)
  if not annotations or #annotations == 0 then return nil end
  local list = {}
  for _, annotation in each(annotations) do list[#list + 1] = citation_of(annotation) end
  return list
end

-- Perplexity names what it read beside the choices, in every chunk.
local function sources_of(body)
  local list = {}
  for _, result in each(body.search_results) do
    local value = json.raw(json.encode(result))
    list[#list + 1] = { url = given(result.url), title = given(result.title), from = "openai", value = value }
  end
  return #list > 0 and list or nil
end

local function call_of(call, back)
  local called = given(call["function"]) or call
  local arguments = chat_reply.arguments(called.arguments)
  return { type = "tool_call", id = given(call.id) or "", name = back(given(called.name) or ""), arguments = arguments }
end

-- A text of JSON; some servers send the object itself.
function chat_reply.arguments(arguments)
  arguments = given(arguments)
  if arguments == nil then return "" end
  return type(arguments) == "string" and arguments or json.encode(arguments)
end

local function content_of(message, back)
  local text, thoughts = texts_of(message)
  local parts = {}
  if thoughts ~= "" then parts[#parts + 1] = { type = "thinking", text = thoughts } end
  if text ~= "" then parts[#parts + 1] = { type = "text", text = text, citations = citations_of(message) } end
  if given(message.refusal) then parts[#parts + 1] = { type = "refusal", text = message.refusal } end
  for _, call in each(message.tool_calls) do parts[#parts + 1] = call_of(call, back) end
  if given(message.function_call) then parts[#parts + 1] = call_of(message.function_call, back) end
  return parts
end

local function stop_of(choice, parts)
  local reason = given(choice.finish_reason)
  for _, part in ipairs(parts) do
    if part.type == "refusal" and reason == "stop" then return "refusal" end
    -- Some servers end a call with "stop".
    if part.type == "tool_call" and (reason == "stop" or not reason) then return "tool_calls" end
  end
  return reasons[reason] or "stop"
end

function chat_reply.reply(body, request)
  if not json.is_array(body.choices) then return nil, "the reply has no choices" end
  local _, back = names.both(request, chat.tool_name)
  local choices = {}
  for i, choice in each(body.choices) do
    if type(given(choice.message)) ~= "table" then return nil, "a choice has no message" end
    local content = content_of(choice.message, back)
    choices[#choices + 1] = {
      index = given(choice.index) or i - 1, content = content, stop = stop_of(choice, content), logprobs = given(choice.logprobs),
    }
  end
  local first = choices[1]
  for _, part in ipairs(first and first.content or {}) do
    if part.type == "text" and not part.citations then part.citations = sources_of(body) end
  end
  return {
    id = given(body.id), model = given(body.model), created = given(body.created), service_tier = given(body.service_tier),
    choices = choices, usage = chat_reply.usage(body.usage),
  }
end

local Stream = {}
Stream.__index = Stream

function Stream:add(event)
  self.events[#self.events + 1] = event
end

function Stream:start(chunk)
  if self.started then return end
  self.started = true
  self:add { type = "start", id = given(chunk.id), model = given(chunk.model), created = given(chunk.created) }
end

-- A call's fragments carry its index; without one, an id or a name begins the next call.
function Stream:call(delta, choice)
  local called = given(delta["function"]) or {}
  local key = choice .. "." .. (given(delta.index) or (given(delta.id) and #self.calls) or #self.calls - 1)
  local call = self.calls[key]
  if not call or (given(delta.id) and delta.id ~= "" and call.id ~= "" and delta.id ~= call.id) then
    call = { index = #self.calls, id = given(delta.id) or "", choice = choice }
    self.calls[key] = call
    self.calls[#self.calls + 1] = call
    self.called[choice] = true
    self:add { type = "tool", index = call.index, id = call.id, name = self.back(given(called.name) or ""), choice = choice }
  end
  local text = chat_reply.arguments(called.arguments)
  if text ~= "" then self:add { type = "arguments", index = call.index, text = text, choice = choice } end
end

function Stream:delta(delta, choice, logprobs)
  local text, thoughts = texts_of(delta)
  if thoughts ~= "" then self:add { type = "thinking", text = thoughts, choice = choice } end
  if text ~= "" or (logprobs and not given(delta.refusal)) then
    self:add { type = "text", text = text, choice = choice, logprobs = logprobs }
  end
  local refusal = given(delta.refusal)
  if refusal and refusal ~= "" then
    self.refused[choice] = true
    self:add { type = "refusal", text = refusal, choice = choice, logprobs = logprobs }
  end
  for _, citation in ipairs(citations_of(delta) or {}) do
    citation.type, citation.choice = "citation", choice
    self:add(citation)
  end
  for _, call in each(delta.tool_calls) do self:call(call, choice) end
  if given(delta.function_call) then self:call({ index = 0, ["function"] = delta.function_call }, choice) end
end

function Stream:choice(choice, chunk)
  local index = given(choice.index) or 0
  if given(choice.delta) then self:delta(choice.delta, index, given(choice.logprobs)) end
  local reason = given(choice.finish_reason)
  if not reason or self.stopped[index] then return end
  self.stopped[index] = true
  for _, citation in ipairs(index == 0 and sources_of(chunk) or {}) do
    citation.type = "citation"
    self:add(citation)
  end
  local stop = reasons[reason] or "stop"
  if stop == "stop" and self.called[index] then stop = "tool_calls" end
  if stop == "stop" and self.refused[index] then stop = "refusal" end
  self:add { type = "stop", reason = stop, choice = index }
end

function Stream:chunk(chunk)
  self.events = {}
  if type(chunk) ~= "table" or not json.is_array(chunk.choices) then return self.events end
  -- Azure's first chunk has no choice and empty names: the next one tells.
  if #chunk.choices > 0 or given(chunk.usage) then self:start(chunk) end
  for _, choice in each(chunk.choices) do self:choice(choice, chunk) end
  local usage = chat_reply.usage(chunk.usage) or chat_reply.usage((given(chunk.x_groq) or {}).usage)
  if usage then self:add { type = "usage", usage = usage } end
  return self.events
end

-- A decoder that takes decoded chunks.
function chat_reply.stream(request)
  local _, back = names.both(request, chat.tool_name)
  local stream = setmetatable({ back = back, calls = {}, called = {}, refused = {}, stopped = {} }, Stream)
  return function(chunk) return stream:chunk(chunk) end
end

return chat_reply
