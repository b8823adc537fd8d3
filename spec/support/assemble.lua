-- What a reply says, put together twice and apart from each other: from a provider's own JSON by small assemblers of
-- each protocol, and from canonical replies and events.
-- Each gives { text, calls = { { name, arguments (as a tree) }, … }, stop, input, output }, where input and output
-- are all the tokens of either side.
local json = require "json"

local assemble = {}

local function value_of(v)
  if v == json.null then return nil end
  return v
end

local function new() return { text = "", calls = {} } end

local function finish(out)
  for i, call in ipairs(out.calls) do
    local text = call.arguments == "" and "{}" or call.arguments
    out.calls[i] = { name = call.name, arguments = json.decode(text) or text } -- a reply may end inside them
  end
  return out
end

local function add_text(out, text)
  if type(text) == "string" then out.text = out.text .. text end
end

local chat_stops = { stop = "stop", length = "length", tool_calls = "tool_calls", content_filter = "content_filter" }

local function chat_usage(out, usage)
  usage = value_of(usage)
  if not usage then return end
  out.input = usage.prompt_tokens
  -- Some keep reasoning out of the completion.
  out.output = math.max(usage.completion_tokens, usage.total_tokens - usage.prompt_tokens)
end

local function chat_choice(out, choice, by_key)
  local message = value_of(choice.delta) or value_of(choice.message) or {}
  add_text(out, message.content)
  for i, call in ipairs(value_of(message.tool_calls) or {}) do
    local key = value_of(call.index) or i - 1
    local mine = by_key[key]
    if not mine then
      mine = { name = call["function"].name, arguments = "" }
      by_key[key] = mine
      out.calls[#out.calls + 1] = mine
    end
    mine.arguments = mine.arguments .. (value_of(call["function"].arguments) or "")
  end
  local reason = value_of(choice.finish_reason)
  if reason then out.stop = value_of(message.refusal) and "refusal" or chat_stops[reason] or reason end
end

-- `chunks` are decoded: all of a stream, or one whole reply.
function assemble.chat(chunks)
  local out, by_key = new(), {}
  for _, chunk in ipairs(chunks) do
    for _, choice in ipairs(value_of(chunk.choices) or {}) do
      if (value_of(choice.index) or 0) == 0 then chat_choice(out, choice, by_key) end
    end
    chat_usage(out, chunk.usage)
    chat_usage(out, chunk.x_groq and chunk.x_groq.usage)
  end
  return finish(out)
end

local anthropic_stops = {
  end_turn = "stop", max_tokens = "length", tool_use = "tool_calls", stop_sequence = "stop_sequence", refusal = "refusal",
  pause_turn = "pause", compaction = "pause",
}

local function anthropic_usage(usage)
  local sum = 0
  for _, name in ipairs { "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens" } do
    sum = sum + (value_of(usage[name]) or 0)
  end
  return sum
end

function assemble.anthropic(reply)
  local out = new()
  for _, block in ipairs(reply.content) do
    if block.type == "text" then add_text(out, block.text) end
    if block.type == "tool_use" then out.calls[#out.calls + 1] = { name = block.name, arguments = json.encode(block.input) } end
  end
  out.stop = anthropic_stops[value_of(reply.stop_reason)]
  if reply.usage then out.input, out.output = anthropic_usage(reply.usage), reply.usage.output_tokens end
  return finish(out)
end

-- Builds the message that the stream describes, as the protocol says, then reads that.
function assemble.anthropic_stream(events)
  local message
  local partial = {}
  for _, event in ipairs(events) do
    if event.type == "message_start" and not message then
      message = event.message
    elseif event.type == "content_block_start" then
      message.content[event.index + 1] = event.content_block
      partial[event.index] = ""
    elseif event.type == "content_block_delta" and event.delta.type == "text_delta" then
      local block = message.content[event.index + 1]
      block.text = block.text .. event.delta.text
    elseif event.type == "content_block_delta" and event.delta.type == "input_json_delta" then
      partial[event.index] = partial[event.index] .. event.delta.partial_json
    elseif event.type == "message_delta" then
      message.stop_reason = event.delta.stop_reason
      for name, value in pairs(event.usage) do
        if value ~= json.null then message.usage[name] = value end
      end
    end
  end
  for index, text in pairs(partial) do
    if text ~= "" then message.content[index + 1].input = json.raw(text) or text end
  end
  return assemble.anthropic(message)
end

local gemini_stops = { STOP = "stop", MAX_TOKENS = "length", SAFETY = "content_filter" }

function assemble.gemini(chunks)
  local out = new()
  for _, chunk in ipairs(chunks) do
    local candidate = chunk.candidates and chunk.candidates[1] or {}
    for _, part in ipairs(candidate.content and candidate.content.parts or {}) do
      local called = part.functionCall
      if called then out.calls[#out.calls + 1] = { name = called.name, arguments = json.encode(called.args) } end
      if not part.thought then add_text(out, part.text) end
    end
    if candidate.finishReason then out.stop = gemini_stops[candidate.finishReason] end
    local usage = chunk.usageMetadata
    if usage then
      out.input = (usage.promptTokenCount or 0) + (usage.toolUsePromptTokenCount or 0)
      out.output = (usage.candidatesTokenCount or 0) + (usage.thoughtsTokenCount or 0)
    end
  end
  if out.stop == "stop" and #out.calls > 0 then out.stop = "tool_calls" end
  return finish(out)
end

local function usage_of(out, usage)
  if not usage then return end
  out.input, out.output = usage.input + usage.cache_read + usage.cache_write, usage.output + usage.reasoning
end

function assemble.reply(reply)
  local out = new()
  for _, part in ipairs(reply.choices[1].content) do
    if part.type == "text" then add_text(out, part.text) end
    if part.type == "tool_call" then out.calls[#out.calls + 1] = { name = part.name, arguments = part.arguments } end
  end
  out.stop = reply.choices[1].stop
  usage_of(out, reply.usage)
  return finish(out)
end

-- Canonical events; the rules of a stream are checked on the way.
function assemble.events(events)
  local out, started, stops = new(), 0, 0
  for i, event in ipairs(events) do
    if event.type == "start" then
      started = started + 1
      assert(i == 1, "start is not first")
    elseif event.type == "text" and (event.choice or 0) == 0 then
      add_text(out, event.text)
    elseif event.type == "tool" then
      assert(event.index == #out.calls, "calls are not numbered in order")
      out.calls[#out.calls + 1] = { name = event.name, arguments = "" }
    elseif event.type == "arguments" then
      local call = assert(out.calls[event.index + 1], "arguments before their call")
      call.arguments = call.arguments .. event.text
    elseif event.type == "stop" and (event.choice or 0) == 0 then
      stops, out.stop = stops + 1, event.reason
    elseif event.type == "usage" then
      usage_of(out, event.usage)
    end
  end
  assert(started == 1, "a stream starts once")
  assert(stops <= 1, "a choice stops once")
  return finish(out)
end

return assemble
