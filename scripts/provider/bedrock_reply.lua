-- Bedrock's Converse as a wire: what comes back. The event's name is its type.
local json = require "json"
local each = require "provider.each"
local given = require "provider.given"
local names = require "provider.names"

local bedrock_reply = { tool_name = { bad = "[^%w_-]", longest = 64 } }

local raw = { input = true }

local reasons = {
  end_turn = "stop", tool_use = "tool_calls", max_tokens = "length", stop_sequence = "stop_sequence", refusal = "refusal",
  guardrail_intervened = "content_filter", content_filtered = "content_filter", model_context_window_exceeded = "length",
}

local function usage_of(usage)
  usage = given(usage)
  if not usage then return nil end
  return {
    input = given(usage.inputTokens) or 0, cache_read = given(usage.cacheReadInputTokens) or 0,
    cache_write = given(usage.cacheWriteInputTokens) or 0, output = given(usage.outputTokens) or 0, reasoning = 0,
  }
end

local function citation_of(value)
  local location = given(value.location) or {}
  local web = given(location.web) or {}
  local texts = {}
  for _, source in each(value.sourceContent) do texts[#texts + 1] = given(source.text) end
  return {
    url = given(web.url), title = given(value.title), text = #texts > 0 and table.concat(texts) or nil,
    from = "bedrock", value = json.raw(json.encode(value)),
  }
end

-- Cited text stands in a block of its own.
local function cited(value)
  local texts, citations = {}, {}
  for _, piece in each(value.content) do texts[#texts + 1] = given(piece.text) end
  for i, citation in each(value.citations) do citations[i] = citation_of(citation) end
  return { type = "text", text = table.concat(texts), citations = #citations > 0 and citations or nil }
end

local function reasoning(value)
  if given(value.redactedContent) then return { type = "redacted", data = value.redactedContent, from = "anthropic" } end
  local said = given(value.reasoningText) or {}
  return { type = "thinking", text = given(said.text) or "", signature = given(said.signature), from = "anthropic" }
end

local function read_part(block, back)
  if given(block.text) then return { type = "text", text = block.text } end
  if given(block.toolUse) then
    local use = block.toolUse
    return { type = "tool_call", id = use.toolUseId, name = back(use.name), arguments = tostring(given(use.input) or "{}") }
  end
  if given(block.reasoningContent) then return reasoning(block.reasoningContent) end
  if given(block.citationsContent) then return cited(block.citationsContent) end
end

function bedrock_reply.reply(text, request)
  local body, why = json.decode(text, raw)
  if type(body) ~= "table" then return nil, why or "the reply is no object" end
  local message = given((given(body.output) or {}).message)
  if not message or not json.is_array(message.content) then return nil, "the reply has no message" end
  local _, back = names.both(request, bedrock_reply.tool_name)
  local content = {}
  for _, block in each(message.content) do content[#content + 1] = read_part(block, back) end
  local choice = { index = 0, content = content, stop = reasons[given(body.stopReason)] or "stop" }
  return { model = request.model, choices = { choice }, usage = usage_of(body.usage) }
end

local on = {}

function on.messageStart(stream)
  stream:start()
end

function on.contentBlockStart(stream, event)
  local use = given((given(event.start) or {}).toolUse)
  if not use then return end
  stream.tools[event.contentBlockIndex] = stream.count
  stream:add { type = "tool", index = stream.count, id = use.toolUseId, name = stream.back(use.name) }
  stream.count = stream.count + 1
end

local function thought(stream, value)
  if given(value.text) and value.text ~= "" then stream:add { type = "thinking", text = value.text } end
  if given(value.signature) then stream:add { type = "signature", text = value.signature, from = "anthropic" } end
  if given(value.redactedContent) then stream:add { type = "redacted", data = value.redactedContent, from = "anthropic" } end
end

function on.contentBlockDelta(stream, event)
  local delta = given(event.delta) or {}
  if given(delta.text) and delta.text ~= "" then stream:add { type = "text", text = delta.text } end
  if given(delta.reasoningContent) then thought(stream, delta.reasoningContent) end
  local tool = stream.tools[event.contentBlockIndex]
  -- A fragment is itself a text of JSON, and is raw because of its name.
  local fragment = tool and given(delta.toolUse) and json.decode(tostring(delta.toolUse.input))
  if type(fragment) == "string" and fragment ~= "" then stream:add { type = "arguments", index = tool, text = fragment } end
  if given(delta.citation) then
    local citation = citation_of(delta.citation)
    citation.type = "citation"
    stream:add(citation)
  end
end

function on.messageStop(stream, event)
  if stream.stopped then return end
  stream.stopped = true
  stream:add { type = "stop", reason = reasons[given(event.stopReason)] or "stop" }
end

function on.metadata(stream, event)
  local usage = usage_of(event.usage)
  if usage then stream:add { type = "usage", usage = usage } end
end

function bedrock_reply.stream(request)
  local stream = { tools = {}, count = 0 }
  local _, back = names.both(request, bedrock_reply.tool_name)
  stream.back = back
  function stream:add(event) self.events[#self.events + 1] = event end
  function stream:start()
    if self.started then return end
    self.started = true
    self:add { type = "start", model = request.model }
  end
  return function(name, data)
    stream.events = {}
    local event, act = json.decode(data, raw), on[name]
    if act and type(event) == "table" then
      stream:start()
      act(stream, event)
    end
    return stream.events
  end
end

return bedrock_reply
