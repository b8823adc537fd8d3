-- Anthropic's messages: the request, as a canonical one.
local json = require "json"
local field = require "inbound.field"
local media = require "inbound.media"
local provenance = require "inbound.provenance"
local schema = require "inbound.schema"

local read = field.reader "anthropic"

local RAW = { input = true, input_schema = true, schema = true, cache_control = true }
local KNOWN = {
  model = true, messages = true, system = true, max_tokens = true, stream = true, temperature = true, top_p = true,
  top_k = true, stop_sequences = true,
  tools = true, tool_choice = true, thinking = true, output_config = true, output_format = true, metadata = true,
  service_tier = true,
}

local MOST_IMAGE = 5 * 1024 * 1024 -- bytes; Anthropic's own limit
local IMAGES = { "image/jpeg", "image/png", "image/gif", "image/webp" }
local EFFORTS = { "low", "medium", "high", "xhigh", "max" }
local BLOCKS = {
  user = { "text", "image", "document", "search_result", "tool_result" },
  assistant = { "text", "thinking", "redacted_thinking", "tool_use" },
  system = { "text" },
  tool_result = { "text", "image", "document", "search_result" },
}
-- Blocks of tools that Anthropic runs, and of its files.
local HOSTED = { server_tool_use = true, mcp_tool_use = true, container_upload = true, tool_reference = true, compaction = true }

local blocks = {}

local function raw(block)
  return { type = "raw", family = "messages", value = field.raw(block) }
end

local function is_hosted(kind)
  return HOSTED[kind] or (type(kind) == "string" and kind ~= "tool_result" and kind:find("_tool_result$") ~= nil)
end

-- Citations of earlier replies. One without an encrypted_index where Anthropic has one is not Anthropic's.
local function citations(block, path)
  local list = read:array(block, "citations", path)
  if not list or #list == 0 then return nil end
  local out = {}
  for i, c in ipairs(list) do
    read:is_object(c, read:item(path .. ".citations", i))
    local is_own = c.encrypted_index ~= ""
    local function text(name) return type(c[name]) == "string" and c[name] or nil end
    out[i] = {
      url = text "url", title = text "title" or text "document_title", text = text "cited_text",
      from = is_own and "anthropic" or nil, value = is_own and field.raw(c) or nil,
    }
  end
  return out
end

function blocks.text(block, path)
  return { type = "text", text = read:string(block, "text", path, true), citations = citations(block, path) }
end

local sources = {}

function sources.base64(part, source, path)
  part.media, part.data = read:string(source, "media_type", path, true), read:string(source, "data", path, true)
end

function sources.url(part, source, path)
  part.url = read:string(source, "url", path, true)
end

function sources.text(part, source, path)
  part.media, part.text = "text/plain", read:string(source, "data", path, true)
end

-- Content blocks as a document: their texts, one to a paragraph.
function sources.content(part, source, path)
  part.media, part.text = "text/plain", source.content
  if type(source.content) == "string" then return end
  local texts = {}
  for i, block in ipairs(read:array(source, "content", path, true)) do
    local at = read:item(path .. ".content", i)
    texts[#texts + 1] = read:string(read:is_object(block, at), "text", at)
  end
  part.text = table.concat(texts, "\n\n")
end

-- True when the source is a file that only Anthropic knows.
local function from_source(part, block, path, kinds)
  local source, at = read:object(block, "source", path, true), path .. ".source"
  local kind = read:choice(source, "type", at, kinds, true)
  if kind == "file" then return true end
  sources[kind](part, source, at)
end

function blocks.image(block, path)
  local part = { type = "image" }
  if from_source(part, block, path, { "base64", "url", "file" }) then return raw(block) end
  if part.data then
    read:choice(block.source, "media_type", path .. ".source", IMAGES)
    local why = media.flaw(part.data, MOST_IMAGE)
    if why then read:fail(path .. ".source.data", why) end
  end
  return part
end

local function wants_citations(block, path)
  local options = read:object(block, "citations", path)
  return options and read:boolean(options, "enabled", path .. ".citations") or nil
end

function blocks.document(block, path)
  local part = { type = "document", name = read:string(block, "title", path), context = read:string(block, "context", path) }
  if from_source(part, block, path, { "base64", "url", "text", "content", "file" }) then return raw(block) end
  part.citations = wants_citations(block, path)
  return part
end

function blocks.search_result(block, path)
  local name, origin = read:string(block, "title", path, true), read:string(block, "source", path, true)
  local part = { type = "document", name = name, context = origin }
  sources.content(part, block, path)
  part.citations = wants_citations(block, path)
  return part
end

function blocks.thinking(block, path)
  local text, signature = read:string(block, "thinking", path, true), read:string(block, "signature", path)
  local part = { type = "thinking", text = text }
  if signature then part.signature, part.from = provenance.read(signature, "anthropic") end
  return part
end

function blocks.redacted_thinking(block, path)
  local data, from = provenance.read(read:string(block, "data", path, true), "anthropic")
  return { type = "redacted", data = data or "", from = from }
end

function blocks.tool_use(block, path)
  local input = read:raw_object(block, "input", path, true)
  local id, name = read:string(block, "id", path, true), read:string(block, "name", path, true)
  return { type = "tool_call", id = id, name = name, arguments = tostring(input) }
end

local function block_of(block, path, where, calls)
  read:is_object(block, path)
  if where ~= "system" and is_hosted(block.type) then return raw(block) end
  local kind = read:choice(block, "type", path, BLOCKS[where], true)
  local part = blocks[kind](block, path, calls)
  part.cache = read:raw_object(block, "cache_control", path)
  return part
end

-- The parts of what is a text or an array of blocks.
local function content(t, name, path, where, calls)
  local value, at = t[name], field.join(path, name)
  if value == nil or value == json.null then read:missing(at) end
  if type(value) == "string" then return { { type = "text", text = value } } end
  if not json.is_array(value) then read:wrong(at, "a string or a list of blocks", value) end
  local parts = {}
  for i, block in ipairs(value) do parts[i] = block_of(block, read:item(at, i), where, calls) end
  return parts
end

function blocks.tool_result(block, path, calls)
  local id = read:string(block, "tool_use_id", path, true)
  if not calls[id] then
    read:fail(path .. ".tool_use_id", ("there is no tool_use block '%s' before this result"):format(id))
  end
  local parts = {}
  if block.content ~= nil and block.content ~= json.null then parts = content(block, "content", path, "tool_result") end
  return { type = "tool_result", id = id, name = calls[id], content = parts, is_error = read:boolean(block, "is_error", path) }
end

local function messages(body)
  local list, out, calls = read:array(body, "messages", nil, true), {}, {}
  if #list == 0 then read:fail("messages", "at least one message is required") end
  for i, message in ipairs(list) do
    local path = read:item("messages", i)
    -- `system` is what some of Anthropic's models take in mid-conversation, and its coding agent sends.
    local role = read:choice(read:is_object(message, path), "role", path, { "user", "assistant", "system" }, true)
    local parts = provenance.sign_calls(content(message, "content", path, role, calls))
    for _, part in ipairs(parts) do
      if part.type == "tool_call" then calls[part.id] = part.name end
    end
    out[i] = { role = role, content = parts }
  end
  return out
end

local function checked_schema(t, name, path)
  local text = read:raw_object(t, name, path, true)
  local where, why = schema.flaw(text)
  if where then read:fail(field.join(path, name) .. where, why) end
  return text
end

local function tools(request, body)
  local list, hosted = {}, {}
  for i, tool in ipairs(read:array(body, "tools") or {}) do
    local path = read:item("tools", i)
    local kind = read:string(read:is_object(tool, path), "type", path)
    if kind == nil or kind == "custom" then
      list[#list + 1] = {
        name = read:string(tool, "name", path, true), description = read:string(tool, "description", path),
        schema = checked_schema(tool, "input_schema", path), strict = read:boolean(tool, "strict", path),
        cache = read:raw_object(tool, "cache_control", path),
      }
    else
      hosted[#hosted + 1] = kind
    end
  end
  request.tools = #list > 0 and list or nil
  request.hosted_tools = #hosted > 0 and hosted or nil
end

local CHOICES = { auto = "auto", any = "required", none = "none", tool = "tool" }

local function tool_choice(request, body)
  local choice = read:object(body, "tool_choice")
  if not choice then return end
  local kind = read:choice(choice, "type", "tool_choice", { "auto", "any", "none", "tool" }, true)
  local name = read:string(choice, "name", "tool_choice", kind == "tool")
  request.tool_choice = { type = CHOICES[kind], name = kind == "tool" and name or nil }
  local only_one = read:boolean(choice, "disable_parallel_tool_use", "tool_choice")
  if only_one ~= nil then request.parallel_tools = not only_one end
end

local function reasoning(body, config)
  local thinking, effort = read:object(body, "thinking"), read:choice(config, "effort", "output_config", EFFORTS)
  local kind = thinking and read:choice(thinking, "type", "thinking", { "enabled", "adaptive", "disabled" }, true)
  if kind == nil or kind == "disabled" then return effort and { effort = effort } end
  local budget = read:integer(thinking, "budget_tokens", "thinking", 1024)
  if kind == "enabled" and not budget then read:missing("thinking.budget_tokens") end
  local show = read:string(thinking, "display", "thinking") ~= "omitted"
  return { effort = effort, budget = budget, adaptive = kind == "adaptive" or nil, show = show }
end

local function output(body, config)
  local format, path = read:object(config, "format", "output_config"), "output_config.format"
  if not format then format, path = read:object(body, "output_format"), "output_format" end
  if not format then return nil end
  read:choice(format, "type", path, { "json_schema" }, true)
  return { type = "schema", schema = checked_schema(format, "schema", path) }
end

local function max_tokens(body)
  local n = read:integer(body, "max_tokens", nil, 1)
  if n == nil then read:missing("max_tokens") end
  return n
end

return function(text)
  return read:guard(text, RAW, function(body)
    local config, metadata = read:object(body, "output_config") or {}, read:object(body, "metadata")
    local request = {
      model = read:string(body, "model", nil, true), stream = read:boolean(body, "stream") or false, usage = true,
      system = body.system ~= nil and body.system ~= json.null and content(body, "system", nil, "system") or nil,
      messages = messages(body), max_tokens = max_tokens(body),
      temperature = read:number(body, "temperature"), top_p = read:number(body, "top_p"),
      top_k = read:integer(body, "top_k", nil, 0), stop = read:strings(body, "stop_sequences"),
      reasoning = reasoning(body, config), output = output(body, config),
      user = metadata and read:string(metadata, "user_id", "metadata"), metadata = field.raw(metadata),
      service_tier = read:string(body, "service_tier"),
      extra = { family = "messages", members = field.rest(body, KNOWN) }, echo = {},
    }
    tools(request, body)
    tool_choice(request, body)
    return request
  end)
end
