-- Structured output where a wire has none: a tool that must be called, whose arguments are the answer. Its calls
-- become text again, streamed too.
local json = require "json"

local structured = {}

-- The tool's name, which no tool of the client has.
local function tool_name(request)
  local name, taken = "json_output", {}
  for _, tool in ipairs(request.tools or {}) do taken[tool.name] = true end
  while taken[name] do name = name .. "_" end
  return name
end

function structured.wants_schema(request)
  return request.output ~= nil and request.output.type == "schema"
end

-- A copy of the request in which the tool stands for `output`. With tools of the client's own the model may call one
-- of those instead.
function structured.emulate(request)
  local copy, tools = {}, {}
  for name, value in pairs(request) do copy[name] = value end
  for i, tool in ipairs(request.tools or {}) do tools[i] = tool end
  local name = tool_name(request)
  tools[#tools + 1] = {
    name = name,
    description = request.output.description or "Gives the answer. Call it once, with the whole answer as its arguments.",
    schema = request.output.schema,
  }
  copy.tools, copy.output = tools, nil
  local choice = request.tool_choice and request.tool_choice.type
  if #tools == 1 or choice == "none" then
    copy.tool_choice = { type = "tool", name = name }
  elseif choice ~= "tool" then
    copy.tool_choice = { type = "required" }
  end
  return copy
end

-- The instruction that stands for `output = { type = "json" }`.
structured.instruction = "Answer with one valid JSON object and nothing else: no prose, no code fence."

-- Turns the tool's call in `reply` into text.
function structured.reply(reply, request)
  if not reply or not structured.wants_schema(request) then return reply end
  local name = tool_name(request)
  for _, choice in ipairs(reply.choices) do
    local others = false
    for i, part in ipairs(choice.content) do
      if part.type == "tool_call" and part.name == name then
        choice.content[i] = { type = "text", text = part.arguments }
      elseif part.type == "tool_call" then
        others = true
      end
    end
    if choice.stop == "tool_calls" and not others then choice.stop = "stop" end
  end
  return reply
end

-- The same for a decoder. Later calls move up by one where the tool's call stood.
function structured.stream(decoder, request)
  if not structured.wants_schema(request) then return decoder end
  local name, answers, others, moved = tool_name(request), {}, 0, {}
  local change = {
    tool = function(event)
      if event.name == name then
        answers[event.index] = true
        return nil
      end
      moved[event.index], others = others, others + 1
      event.index = moved[event.index]
      return event
    end,
    arguments = function(event)
      if answers[event.index] then return { type = "text", text = event.text } end
      event.index = moved[event.index] or event.index
      return event
    end,
    stop = function(event)
      if event.reason == "tool_calls" and others == 0 and next(answers) then event.reason = "stop" end
      return event
    end,
  }
  return function(event_name, data)
    local events = {}
    for _, event in ipairs(decoder(event_name, data)) do
      local kept = event
      if change[event.type] then kept = change[event.type](event) end
      events[#events + 1] = kept
    end
    return events
  end
end

-- Keywords that constrained decoding of Anthropic's refuses. A property of that name only costs the native way.
local beyond = {
  "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems", "uniqueItems",
  "patternProperties", "oneOf", "not", "if",
}

function structured.is_simple(schema)
  local text = tostring(schema)
  for _, word in ipairs(beyond) do
    if text:find('"' .. word .. '"%s*:') then return false end
  end
  return json.is_raw(schema)
end

return structured
