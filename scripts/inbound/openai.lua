-- What the requests of OpenAI's two APIs for text have in common.
local json = require "json"
local field = require "inbound.field"
local media = require "inbound.media"
local schema = require "inbound.schema"

local openai = {}

local MOST_IMAGE = 20 * 1024 * 1024 -- bytes; OpenAI's own limit
local EFFORTS = { "none", "minimal", "low", "medium", "high", "xhigh", "max" }
local DETAILS = { "auto", "low", "high", "original" }

local read = field.reader "openai"
openai.read = read

-- Members that both APIs call by one name.
openai.COMMON = {
  model = true, stream = true, temperature = true, top_p = true, top_logprobs = true, user = true, safety_identifier =
  true, metadata = true, service_tier = true,
  prompt_cache_key = true, parallel_tool_calls = true, tools = true, tool_choice = true, stream_options = true,
}

function openai.common(body)
  read:array(body, "tools")
  return {
    model = read:string(body, "model", nil, true),
    stream = read:boolean(body, "stream") or false,
    temperature = read:number(body, "temperature"),
    top_p = read:number(body, "top_p"),
    top_logprobs = read:integer(body, "top_logprobs", nil, 0),
    user = read:string(body, "user") or read:string(body, "safety_identifier"),
    metadata = read:raw_object(body, "metadata"),
    service_tier = read:string(body, "service_tier"),
    cache_key = read:string(body, "prompt_cache_key"),
    parallel_tools = read:boolean(body, "parallel_tool_calls"),
  }
end

function openai.effort(t, name, path)
  return read:choice(t, name, path, EFFORTS)
end

-- A schema that was kept raw, looked through.
function openai.schema(t, name, path, required)
  local raw = read:raw_object(t, name, path, required)
  if not raw then return nil end
  local where, why = schema.flaw(raw)
  if where then read:fail(field.join(path, name) .. where, why) end
  return raw
end

function openai.tool(fn, path)
  return {
    name = read:string(fn, "name", path, true),
    description = read:string(fn, "description", path),
    schema = openai.schema(fn, "parameters", path),
    strict = read:boolean(fn, "strict", path),
  }
end

-- A tool whose input is plain text becomes one with a single argument, `input`.
local PLAIN = '{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}'

function openai.custom_tool(t, path)
  local name, description = read:string(t, "name", path, true), read:string(t, "description", path)
  return { name = name, description = description, schema = json.raw(PLAIN), custom = true }
end

-- What a call of such a tool says.
function openai.plain_input(arguments)
  local value = json.decode(arguments)
  return type(value) == "table" and type(value.input) == "string" and value.input or arguments
end

function openai.is_custom(request, name)
  for _, tool in ipairs(request.tools or {}) do
    if tool.name == name then return tool.custom end
  end
end

-- The form of the answer: `t` is json_schema of chat's response_format, or responses' text.format itself.
function openai.output(kind, t, path)
  if kind == "text" then return nil end
  if kind == "json_object" then return { type = "json" } end
  return {
    type = "schema",
    name = read:string(t, "name", path, true),
    description = read:string(t, "description", path),
    schema = openai.schema(t, "schema", path),
    strict = read:boolean(t, "strict", path),
  }
end

local function has(tools, name)
  for _, tool in ipairs(tools or {}) do
    if tool.name == name then return true end
  end
end

-- The choice of one tool, which must be among the request's.
function openai.one_tool(request, t, path)
  local name = read:string(t, "name", path, true)
  if not has(request.tools, name) then read:fail(field.join(path, "name"), ("there is no tool '%s' in 'tools'"):format(name)) end
  return { type = "tool", name = name }
end

-- Leaves only the tools that `names` has.
function openai.only_tools(request, names)
  local left = {}
  for _, tool in ipairs(request.tools or {}) do
    if names[tool.name] then left[#left + 1] = tool end
  end
  request.tools = #left > 0 and left or nil
end

function openai.image(t, name, path, detail)
  local part = { type = "image", detail = read:choice(detail, "detail", path, DETAILS) }
  local where, url = field.join(path, name), read:string(t, name, path, true)
  local why = media.from_url(part, url)
  if not why and part.text then why = "the data URL is not base64" end
  if not why and part.data then why = media.flaw(part.data, MOST_IMAGE) end
  if why then read:fail(where, why) end
  return part
end

-- A file from its text: a data URL, a link or bare base64.
function openai.file(url, name, path)
  local part = { type = "document", name = name }
  if url:find("^%a[%w+.-]*:") then
    local why = media.from_url(part, url)
    if why then read:fail(path, why) end
  else
    part.media, part.data = "application/pdf", url
  end
  if part.media and part.media:find("^image/") and part.data then part.type = "image" end
  return part
end

-- The messages of a conversation as they are read: instructions before the first turn go to `system`, what stands later
-- stays in its place, and results of tools gather in one message.
local turns = {}
turns.__index = turns

function openai.turns(request)
  request.messages = {}
  return setmetatable({ request = request, names = {} }, turns)
end

function turns:instruct(parts)
  local request = self.request
  if #request.messages > 0 then return self:say("system", parts) end
  request.system = request.system or {}
  for _, part in ipairs(parts) do table.insert(request.system, part) end
end

function turns:say(role, parts)
  self.results, self.answer = nil, nil
  local message = { role = role, content = parts }
  table.insert(self.request.messages, message)
  return message
end

-- A part of the assistant's turn, which may come item by item.
function turns:add(part)
  if not self.answer then self.answer = self:say("assistant", {}) end
  table.insert(self.answer.content, part)
end

-- Every call has a result's place: a result whose call nobody made is the client's mistake.
function turns:called(call)
  self.names[call.id] = call.name
end

function turns:result(part, path, words)
  part.name = self.names[part.id]
  if not part.name then field.raise(path, words) end
  if self.results then return table.insert(self.results.content, part) end
  self.results = self:say("user", { part })
end

-- A list of parts from what may be a text or an array of them; each(part, path) reads one.
function openai.parts(t, name, path, each)
  local value, where = t[name], field.join(path, name)
  if value == nil or value == json.null then return {} end
  if type(value) == "string" then return { { type = "text", text = value } } end
  if not json.is_array(value) then read:wrong(where, "a string or an array of content parts", value) end
  local parts = {}
  for i, part in ipairs(value) do
    local at = read:item(where, i)
    parts[i] = each(read:is_object(part, at), at)
  end
  return parts
end

return openai
