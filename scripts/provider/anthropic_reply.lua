-- Anthropic's messages as a wire: what comes back.
local json = require "json"
local each = require "provider.each"
local given = require "provider.given"
local names = require "provider.names"

local anthropic_reply = { tool_name = { bad = "[^%w_-]", longest = 64 } }

local raw = { input = true }

local reasons = {
  end_turn = "stop", max_tokens = "length", stop_sequence = "stop_sequence", tool_use = "tool_calls", pause_turn = "pause",
  refusal = "refusal", model_context_window_exceeded = "length", compaction = "pause",
}

-- Cached tokens are counted outside the input, thoughts inside the output, of which they are no bucket of their own.
function anthropic_reply.usage(usage, before)
  before = before or { input = 0, cache_read = 0, cache_write = 0, output = 0 }
  usage = given(usage) or {}
  return {
    input = given(usage.input_tokens) or before.input,
    cache_read = given(usage.cache_read_input_tokens) or before.cache_read,
    cache_write = given(usage.cache_creation_input_tokens) or before.cache_write,
    output = given(usage.output_tokens) or before.output,
    reasoning = 0,
  }
end

local function citation_of(value)
  return {
    url = given(value.url) or given(value.source), title = given(value.title) or given(value.document_title),
    text = given(value.cited_text), from = "anthropic", value = json.raw(json.encode(value)),
  }
end

local part = {}

function part.text(value)
  local citations
  for i, citation in each(value.citations) do
    citations = citations or {}
    citations[i] = citation_of(citation)
  end
  return { type = "text", text = value.text, citations = citations }
end

function part.thinking(value)
  return { type = "thinking", text = value.thinking, signature = given(value.signature), from = "anthropic" }
end

function part.redacted_thinking(value)
  return { type = "redacted", data = value.data, from = "anthropic" }
end

function part.tool_use(value, back)
  return { type = "tool_call", id = value.id, name = back(value.name), arguments = tostring(value.input or "{}") }
end

local function raw_part(value)
  return { type = "raw", family = "messages", value = json.raw(json.encode(value)) }
end

function anthropic_reply.reply(text, request)
  local body, why = json.decode(text, raw)
  if type(body) ~= "table" then return nil, why or "the reply is no object" end
  if not json.is_array(body.content) then return nil, "the reply has no content" end
  local _, back = names.both(request, anthropic_reply.tool_name)
  local content = {}
  for _, value in each(body.content) do
    content[#content + 1] = part[value.type] and part[value.type](value, back) or raw_part(value)
  end
  return {
    id = given(body.id), model = given(body.model), usage = anthropic_reply.usage(body.usage),
    service_tier = given((given(body.usage) or {}).service_tier),
    choices = {
      {
        index = 0, content = content,
        stop = reasons[given(body.stop_reason)] or "stop", stop_sequence = given(body.stop_sequence),
      },
    },
  }
end

local on = {}

function on.message_start(stream, event)
  if stream.usage then return end
  local message = given(event.message) or {}
  stream.usage = anthropic_reply.usage(message.usage)
  stream:add { type = "start", id = given(message.id), model = given(message.model), usage = stream.usage }
end

local begin = {}

function begin.text(stream, value)
  stream:say("text", value.text)
end

function begin.thinking(stream, value)
  stream:say("thinking", value.thinking)
end

function begin.redacted_thinking(stream, value)
  stream:add { type = "redacted", data = value.data, from = "anthropic" }
end

-- Arguments come in fragments; a whole `input` at the start is taken when none follow.
function begin.tool_use(stream, value, block)
  block.tool, stream.tools = stream.tools, stream.tools + 1
  local input = tostring(value.input or "{}")
  block.whole = not input:match "^%s*{%s*}%s*$" and input or nil
  stream:add { type = "tool", index = block.tool, id = value.id, name = stream.back(value.name) }
end

-- Blocks of hosted tools and the like: gathered, and given whole at their end.
local function begin_raw(_, value, block)
  block.value, block.fragments = value, {}
end

function on.content_block_start(stream, event)
  local value, block = given(event.content_block) or {}, {}
  stream.blocks[given(event.index) or 0] = block;
  (begin[value.type] or begin_raw)(stream, value, block)
end

local delta = {}

function delta.text_delta(stream, value)
  stream:say("text", value.text)
end

function delta.thinking_delta(stream, value)
  stream:say("thinking", value.thinking)
end

function delta.signature_delta(stream, value)
  stream:add { type = "signature", text = value.signature, from = "anthropic" }
end

function delta.input_json_delta(stream, value, block)
  if block.fragments then
    block.fragments[#block.fragments + 1] = value.partial_json
  elseif block.tool and value.partial_json ~= "" then
    block.whole = nil
    stream:add { type = "arguments", index = block.tool, text = value.partial_json }
  end
end

function delta.citations_delta(stream, value)
  local citation = citation_of(given(value.citation) or {})
  citation.type = "citation"
  stream:add(citation)
end

function delta.compaction_delta(_, value, block)
  if block.value then block.value.content = value.content end
end

function on.content_block_delta(stream, event)
  local change = given(event.delta) or {}
  local write = delta[change.type]
  if write then write(stream, change, stream.blocks[event.index] or {}) end
end

function on.content_block_stop(stream, event)
  local block = stream.blocks[event.index]
  if not block then return end
  if block.whole then stream:add { type = "arguments", index = block.tool, text = block.whole } end
  if not block.value then return end
  local input = table.concat(block.fragments)
  if input ~= "" then block.value.input = json.raw(input) end
  stream:add { type = "raw", family = "messages", value = json.raw(json.encode(block.value)) }
end

function on.message_delta(stream, event)
  if given(event.usage) then
    stream.usage = anthropic_reply.usage(event.usage, stream.usage)
    stream:add { type = "usage", usage = stream.usage }
  end
  local change = given(event.delta) or {}
  local reason = given(change.stop_reason)
  if reason and not stream.stopped then
    stream.stopped = true
    stream:add { type = "stop", reason = reasons[reason] or "stop", sequence = given(change.stop_sequence) }
  end
end

function anthropic_reply.stream(request)
  local stream = { blocks = {}, tools = 0 }
  local _, back = names.both(request, anthropic_reply.tool_name)
  stream.back = back
  function stream:add(event) self.events[#self.events + 1] = event end
  function stream:say(kind, text)
    if given(text) and text ~= "" then self:add { type = kind, text = text } end
  end
  return function(_, data)
    stream.events = {}
    local event = json.decode(data, raw)
    local act = type(event) == "table" and on[event.type]
    if act then act(stream, event) end
    return stream.events
  end
end

return anthropic_reply
