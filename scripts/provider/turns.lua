-- Turns of a conversation in the shape that a wire demands, and what several wires do alike with the parts inside.
local json = require "json"

local turns = {}

-- The texts of `parts` in a row; other parts are passed over.
function turns.text(parts, joint)
  local texts = {}
  for _, part in ipairs(parts or {}) do
    if part.type == "text" then texts[#texts + 1] = part.text end
  end
  return table.concat(texts, joint)
end

-- What a tool gave, as one text.
function turns.result_text(part)
  return turns.text(part.content, "\n")
end

function turns.has(parts, kind)
  for _, part in ipairs(parts or {}) do
    if part.type == kind then return true end
  end
  return false
end

function turns.data_url(part)
  return part.url or ("data:%s;base64,%s"):format(part.media or "application/octet-stream", part.data)
end

-- A document that came as text, for wires that have no such document.
function turns.document_text(part)
  local head = {}
  if part.name then head[#head + 1] = part.name end
  if part.context then head[#head + 1] = part.context end
  head[#head + 1] = part.text
  return table.concat(head, "\n\n")
end

-- A call's arguments for wires that take an object: what is no object becomes one.
function turns.arguments(text)
  if not text or text:match "^%s*$" then return json.raw "{}" end
  if text:match "^%s*{" then
    local slice = json.raw(text)
    if slice then return slice end
  end
  return { arguments = text }
end

-- A later system message as a user's text, for wires that have instructions at the start only.
function turns.aside(parts)
  return "<system>\n" .. turns.text(parts, "\n\n") .. "\n</system>"
end

-- `list` of { role, content } with neighbours of one role joined and empty ones gone.
function turns.merge(list)
  local merged = {}
  for _, turn in ipairs(list) do
    local last = merged[#merged]
    if last and last.role == turn.role then
      for _, block in ipairs(turn.content) do last.content[#last.content + 1] = block end
    elseif #turn.content > 0 then
      merged[#merged + 1] = { role = turn.role, content = turn.content }
    end
  end
  return merged
end

-- The name of each call by its id: results do not always carry it.
function turns.call_names(request)
  local names = {}
  for _, message in ipairs(request.messages) do
    for _, part in ipairs(message.content) do
      if part.type == "tool_call" then names[part.id] = part.name end
    end
  end
  return names
end

-- The tools of a request; when it has none and yet calls in its history, those calls' tools, for wires that want
-- every call's tool to be declared. Second: true when they were made up.
function turns.tools(request)
  if request.tools and #request.tools > 0 then return request.tools, false end
  local tools, seen = {}, {}
  for _, message in ipairs(request.messages) do
    for _, part in ipairs(message.content) do
      if part.type == "tool_call" and not seen[part.name] then
        seen[part.name] = true
        tools[#tools + 1] = { name = part.name, description = "A tool that was used before." }
      end
    end
  end
  return tools, #tools > 0
end

-- What the wire cannot carry: the assistant's is left out, the user's is refused, since the question would be
-- another without it.
function turns.cannot(what, role, wire, drop)
  if role == "assistant" then return drop(what, wire .. " cannot carry it") end
  error({ message = ("%s cannot carry %s."):format(wire, what), param = "messages" }, 0)
end

-- The words for a part in messages.
function turns.kind(part)
  if part.type == "raw" then return "content that only " .. part.family .. " providers know" end
  if part.type == "thinking" or part.type == "redacted" then return "thinking" end
  return part.type .. " content"
end

function turns.has_cache(parts)
  for _, part in ipairs(parts or {}) do
    if part.cache then return true end
  end
  return false
end

return turns
