-- OpenAI's responses: the request, as a canonical one. What needs an earlier response that the provider kept is
-- refused: another provider has none.
local json = require "json"
local field = require "inbound.field"
local openai = require "inbound.openai"
local provenance = require "inbound.provenance"

local read = openai.read

local RAW = { parameters = true, schema = true, metadata = true }
local KNOWN = { input = true, instructions = true, text = true, reasoning = true, max_output_tokens = true, background = true }
for name in pairs(openai.COMMON) do KNOWN[name] = true end
-- What a response repeats of its request.
local ECHOED = {
  "instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "prompt_cache_key", "reasoning",
  "safety_identifier", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
}
local STATEFUL = { "previous_response_id", "conversation", "prompt" }

local function needs_state(path, what)
  read:fail(path, what .. " is kept by a provider of OpenAI's responses, and this one is none: send the whole input")
end

local kinds = {}

function kinds.input_text(part, path)
  return { type = "text", text = read:string(part, "text", path, true) }
end

function kinds.output_text(part, path)
  local result = kinds.input_text(part, path)
  for i, note in ipairs(read:array(part, "annotations", path) or {}) do
    read:is_object(note, read:item(path .. ".annotations", i))
    result.citations = result.citations or {}
    result.citations[i] = { url = note.url, title = note.title, start = note.start_index, stop = note.end_index }
  end
  return result
end

function kinds.refusal(part, path)
  return { type = "refusal", text = read:string(part, "refusal", path, true) }
end

local function is_kept_file(part, path)
  return read:string(part, "file_id", path) ~= nil
end

function kinds.input_image(part, path)
  if is_kept_file(part, path) then return { type = "raw", family = "responses", value = field.raw(part) } end
  return openai.image(part, "image_url", path, part)
end

function kinds.input_file(part, path)
  if is_kept_file(part, path) then return { type = "raw", family = "responses", value = field.raw(part) } end
  local url = read:string(part, "file_url", path)
  local name = read:string(part, "filename", path)
  if url then return openai.file(url, name, path .. ".file_url") end
  return openai.file(read:string(part, "file_data", path, true), name, path .. ".file_data")
end

local FOR_ROLE = {
  user = { "input_text", "input_image", "input_file" },
  assistant = { "output_text", "refusal", "input_text" },
  system = { "input_text" },
  tool = { "input_text", "input_image", "input_file", "output_text" },
}
FOR_ROLE.developer = FOR_ROLE.system

local function content(t, name, path, role)
  return openai.parts(t, name, path, function(part, at)
    return kinds[read:choice(part, "type", at, FOR_ROLE[role], true)](part, at)
  end)
end

local items = {}

function items.message(turns, item, path)
  local role = read:choice(item, "role", path, { "user", "assistant", "system", "developer" }, true)
  if item.content == nil or item.content == json.null then read:missing(path .. ".content") end
  local parts = content(item, "content", path, role)
  if role == "user" then
    turns:say("user", parts)
  elseif role == "assistant" then
    for _, part in ipairs(parts) do turns:add(part) end
  else
    turns:instruct(parts)
  end
end

local function call(turns, item, path, arguments)
  local id, name = read:string(item, "call_id", path, true), read:string(item, "name", path, true)
  local part = { type = "tool_call", id = id, name = name, arguments = arguments }
  turns:add(part)
  turns:called(part)
end

function items.function_call(turns, item, path)
  call(turns, item, path, read:string(item, "arguments", path, true))
end

function items.custom_tool_call(turns, item, path)
  call(turns, item, path, json.encode { input = read:string(item, "input", path, true) })
end

function items.function_call_output(turns, item, path)
  local id = read:string(item, "call_id", path, true)
  if item.output == nil or item.output == json.null then read:missing(path .. ".output") end
  turns:result({ type = "tool_result", id = id, content = content(item, "output", path, "tool") }, path .. ".call_id",
    ("Invalid '%s.call_id': no tool call found for the output with call_id %s."):format(path, id))
end
items.custom_tool_call_output = items.function_call_output

local function texts(list)
  local out = {}
  for _, part in ipairs(list or {}) do
    if type(part) == "table" and type(part.text) == "string" then out[#out + 1] = part.text end
  end
  return table.concat(out, "\n\n")
end

function items.reasoning(turns, item, path)
  local text = texts(read:array(item, "content", path))
  if text == "" then text = texts(read:array(item, "summary", path)) end
  local sealed = read:string(item, "encrypted_content", path)
  local signature, from
  if sealed then signature, from = provenance.read(sealed, "openai") end
  local data = signature and provenance.redacted(signature)
  if data then return turns:add { type = "redacted", data = data, from = from } end
  turns:add { type = "thinking", text = text, signature = signature, from = from }
end

function items.item_reference(_, _, path)
  needs_state(path, "the item that it names")
end

-- Items of tools that OpenAI runs.
local function is_hosted(kind)
  return kind:find "_call$" or kind:find "_output$" or kind:find "^mcp_" or kind:find "^compaction"
end

local function item_of(turns, item, path)
  read:is_object(item, path)
  local kind = read:string(item, "type", path) or (item.role and "message") or read:missing(path .. ".type")
  if items[kind] then return items[kind](turns, item, path) end
  if not is_hosted(kind) then
    read:choice(item, "type", path, { "message", "function_call", "function_call_output", "reasoning" })
  end
  turns:add { type = "raw", family = "responses", value = field.raw(item) }
end

local function input(request, body)
  local turns = openai.turns(request)
  local instructions = read:string(body, "instructions")
  if instructions then turns:instruct { { type = "text", text = instructions } } end
  if type(body.input) == "string" then return turns:say("user", { { type = "text", text = body.input } }) end
  local list = read:array(body, "input", nil, true)
  if #list == 0 then read:fail("input", "it must hold at least one item") end
  for i, item in ipairs(list) do item_of(turns, item, read:item("input", i)) end
  for _, message in ipairs(request.messages) do message.content = provenance.sign_calls(message.content) end
end

local function tools(request, body)
  local list, hosted = {}, {}
  for i, tool in ipairs(read:array(body, "tools") or {}) do
    local path = read:item("tools", i)
    local kind = read:string(read:is_object(tool, path), "type", path, true)
    if kind == "function" then
      list[#list + 1] = openai.tool(tool, path)
    elseif kind == "custom" then
      list[#list + 1] = openai.custom_tool(tool, path)
    else
      hosted[#hosted + 1] = kind
    end
  end
  request.tools = #list > 0 and list or nil
  request.hosted_tools = #hosted > 0 and hosted or nil
end

local function allowed(request, choice)
  local names = {}
  for i, tool in ipairs(read:array(choice, "tools", "tool_choice", true)) do
    local path = read:item("tool_choice.tools", i)
    local name = read:string(read:is_object(tool, path), "name", path)
    if name then names[name] = true end
  end
  openai.only_tools(request, names)
  return { type = read:choice(choice, "mode", "tool_choice", { "auto", "required" }) or "auto" }
end

local function tool_choice(request, body)
  local choice = body.tool_choice
  if choice == nil or choice == json.null then return nil end
  if type(choice) == "string" then return { type = read:choice(body, "tool_choice", nil, { "none", "auto", "required" }) } end
  read:is_object(choice, "tool_choice")
  local kind = read:string(choice, "type", "tool_choice", true)
  if kind == "allowed_tools" then return allowed(request, choice) end
  if kind == "function" or kind == "custom" then return openai.one_tool(request, choice, "tool_choice") end
  request.extra.members.tool_choice = field.raw(choice) -- a tool that OpenAI runs
end

local function output(request, body)
  local text = read:object(body, "text")
  if not text then return end
  request.verbosity = read:string(text, "verbosity", "text")
  local format = read:object(text, "format", "text")
  if not format then return end
  local kind = read:choice(format, "type", "text.format", { "text", "json_object", "json_schema" }, true)
  request.output = openai.output(kind, format, "text.format")
end

local function reasoning(body)
  local r = read:object(body, "reasoning")
  if not r then return nil end
  local summary = read:string(r, "summary", "reasoning") or read:string(r, "generate_summary", "reasoning")
  local effort = openai.effort(r, "effort", "reasoning")
  return (effort or summary) and { effort = effort, show = summary ~= nil } or nil
end

local function wants_logprobs(body)
  for _, name in ipairs(read:strings(body, "include") or {}) do
    if name == "message.output_text.logprobs" then return true end
  end
end

local function echo(body)
  local members = {}
  for _, name in ipairs(ECHOED) do
    if body[name] ~= nil and body[name] ~= json.null then members[name] = field.raw(body[name]) end
  end
  return members
end

return function(text)
  return read:guard(text, RAW, function(body)
    local request = openai.common(body)
    request.usage = true
    request.extra = { family = "responses", members = field.rest(body, KNOWN) }
    for _, name in ipairs(STATEFUL) do
      if body[name] ~= nil and body[name] ~= json.null then needs_state(name, "what it names") end
    end
    if read:boolean(body, "background") then needs_state("background", "a response in the background") end
    input(request, body)
    tools(request, body)
    request.tool_choice = tool_choice(request, body)
    output(request, body)
    request.reasoning = reasoning(body)
    request.max_tokens = read:integer(body, "max_output_tokens", nil, 1)
    request.logprobs = wants_logprobs(body)
    request.echo = { response = echo(body) }
    return request
  end)
end
