-- Anthropic's messages: the client's side.
local json = require "json"
local ids = require "inbound.ids"
local provenance = require "inbound.provenance"

local messages = { read = require "inbound.messages_request" }

local quote = json.encode
local REASONS = {
  stop = "end_turn", length = "max_tokens", tool_calls = "tool_use", content_filter = "refusal", refusal = "refusal",
  pause = "pause_turn", stop_sequence = "stop_sequence",
}

local function stop_reason(reason, seen)
  local word = REASONS[reason] or "end_turn"
  if word ~= "end_turn" then return word end
  return seen.call and "tool_use" or seen.refusal and "refusal" or word
end

-- Reasoning is part of Anthropic's output_tokens; cached tokens are apart from input_tokens.
local function usage_of(usage)
  return {
    input_tokens = usage.input or 0, output_tokens = (usage.output or 0) + (usage.reasoning or 0),
    cache_read_input_tokens = usage.cache_read or 0, cache_creation_input_tokens = usage.cache_write or 0,
  }
end

-- A citation in Anthropic's own form, or one of its forms made of what is known.
local function citation_of(citation)
  if citation.from == "anthropic" and citation.value then return citation.value end
  return {
    type = "web_search_result_location", url = citation.url or "", title = citation.title or json.null,
    cited_text = citation.text or "", encrypted_index = "",
  }
end

local function thinking(text, signature, from)
  return { type = "thinking", thinking = text, signature = provenance.mark(signature, from, "anthropic") }
end

local function redacted(data, from)
  return { type = "redacted_thinking", data = provenance.mark(data, from, "anthropic") }
end

-- Arguments as an object; what a model wrote that is none stands as it is under one name.
local function input_of(arguments)
  if arguments == nil or arguments:find "^%s*$" then return json.raw "{}" end
  local input = json.raw(arguments)
  if input and tostring(input):find "^%s*{" then return input end
  return { arguments = arguments }
end

local block = {}

function block.text(part)
  local list
  for i, citation in ipairs(part.citations or {}) do
    list = list or json.array {}
    list[i] = citation_of(citation)
  end
  return { type = "text", text = part.text, citations = list }
end

function block.refusal(part)
  return { type = "text", text = part.text }
end

function block.thinking(part)
  return thinking(part.text, part.signature, part.from)
end

function block.redacted(part)
  return redacted(part.data, part.from)
end

function block.tool_call(part)
  return { type = "tool_use", id = part.id or ids.like("toolu_"), name = part.name, input = input_of(part.arguments) }
end

function block.raw(part)
  return part.family == "messages" and part.value or nil
end

local function content_of(parts)
  local list, seen = json.array {}, {}
  for _, part in ipairs(parts) do
    if part.type == "tool_call" and part.signature then list[#list + 1] = thinking("", part.signature, part.from) end
    if block[part.type] and (part.text ~= "" or part.signature) then list[#list + 1] = block[part.type](part) end
    seen.call, seen.refusal = seen.call or part.type == "tool_call", seen.refusal or part.type == "refusal"
  end
  return list, seen
end

function messages.reply(reply, request)
  local choice = reply.choices[1] or { content = {} }
  local content, seen = content_of(choice.content)
  return json.encode {
    id = ids.like("msg_", reply.id), type = "message", role = "assistant", model = reply.model or request.model,
    content = content, stop_reason = stop_reason(choice.stop, seen), stop_sequence = choice.stop_sequence or json.null,
    usage = usage_of(reply.usage or {}),
  }
end

-- The encoder of a stream: one block is open at a time; what ends the message waits for the last usage.
local encoder = {}
encoder.__index = encoder

local function event(name, members)
  return ('event: %s\ndata: {"type":"%s"%s}\n\n'):format(name, name, members or "")
end

function encoder:start(started)
  if self.started then return "" end
  self.started = true
  local message = {
    id = ids.like("msg_", started.id), type = "message", role = "assistant", model = started.model or self.request.model,
    content = json.array {}, stop_reason = json.null, stop_sequence = json.null, usage = usage_of(started.usage or {}),
  }
  self.usage = started.usage
  return event("message_start", ',"message":' .. json.encode(message))
end

local function delta(index, kind, name, value)
  return event("content_block_delta", (',"index":%d,"delta":{"type":"%s","%s":'):format(index, kind, name) .. value .. "}")
end

function encoder:close()
  local open = self.open
  if not open then return "" end
  self.open = nil
  local unsigned = open.kind == "thinking" and not open.signed
  return (unsigned and delta(open.index, "signature_delta", "signature", quote(provenance.mark())) or "")
    .. event("content_block_stop", ',"index":' .. open.index)
end

-- Ends the open block and begins one.
function encoder:begin(kind, value)
  local before = self:start {} .. self:close()
  self.open = { kind = kind, index = self.count }
  self.count = self.count + 1
  return before .. event("content_block_start", (',"index":%d,"content_block":'):format(self.open.index) .. value)
end

-- Begins a block of `kind` unless one is open.
function encoder:within(kind, value)
  if self.open and self.open.kind == kind and not self.open.ended then return "" end
  return self:begin(kind, value)
end

local TEXT, THINKING = '{"type":"text","text":""}', '{"type":"thinking","thinking":"","signature":""}'
local on = { start = encoder.start }

function on:text(e)
  if e.text == "" then return self:start {} end
  local before = self:within("text", TEXT)
  return before .. delta(self.open.index, "text_delta", "text", quote(e.text))
end

function on:refusal(e)
  self.seen.refusal = true
  return on.text(self, e)
end

function on:citation(e)
  local before = (self.open and self.open.kind == "text") and "" or self:begin("text", TEXT)
  self.open.ended = true -- what follows is not what it supports
  return before .. delta(self.open.index, "citations_delta", "citation", json.encode(citation_of(e)))
end

function on:thinking(e)
  local before = self:within("thinking", THINKING)
  return before .. delta(self.open.index, "thinking_delta", "thinking", quote(e.text))
end

function on:signature(e)
  local before = self:within("thinking", THINKING)
  self.open.signed = true
  local signature = quote(provenance.mark(e.text, e.from, "anthropic"))
  return before .. delta(self.open.index, "signature_delta", "signature", signature) .. self:close()
end

function on:redacted(e)
  return self:begin("redacted", json.encode(redacted(e.data, e.from))) .. self:close()
end

function on:raw(e)
  if e.family ~= "messages" then return "" end
  return self:begin("raw", json.encode(e.value)) .. self:close()
end

function on:tool(e)
  self.seen.call = true
  local before = e.signature and on.signature(self, { text = e.signature, from = e.from }) or ""
  local id, name = quote(e.id or ids.like("toolu_")), quote(e.name)
  before = before .. self:begin("tool", ('{"type":"tool_use","id":%s,"name":%s,"input":{}}'):format(id, name))
  self.tools[e.index] = self.open.index
  return before .. delta(self.open.index, "input_json_delta", "partial_json", '""')
end

-- A fragment for a call whose block has ended (its provider writes several at once) still names its index.
function on:arguments(e)
  local index = self.tools[e.index]
  if not index or e.text == "" then return "" end
  return delta(index, "input_json_delta", "partial_json", quote(e.text))
end

function on:stop(e)
  self.reason, self.sequence = e.reason, e.sequence
  return self:start {} .. self:close()
end

function on:usage(e)
  self.usage = e.usage
  return ""
end

function encoder:finish()
  local last = self:start {} .. self:close()
  local reason = { stop_reason = stop_reason(self.reason, self.seen), stop_sequence = self.sequence or json.null }
  local usage = json.encode(usage_of(self.usage or {}))
  return last .. event("message_delta", ',"delta":' .. json.encode(reason) .. ',"usage":' .. usage) .. event("message_stop")
end

function messages.stream(request)
  local self = setmetatable({ request = request, count = 0, tools = {}, seen = {} }, encoder)
  return function(e)
    if not e then return self:finish() end
    local handle = on[e.type]
    if not handle or (e.choice or 0) ~= 0 then return "" end
    return handle(self, e)
  end
end

return messages
