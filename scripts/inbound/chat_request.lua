-- OpenAI's chat completions: the request, as a canonical one.
local json = require "json"
local field = require "inbound.field"
local openai = require "inbound.openai"

local read = openai.read

local RAW = { parameters = true, schema = true, metadata = true, logit_bias = true, cache_control = true }
local KNOWN = {
  messages = true, response_format = true, max_tokens = true, max_completion_tokens = true, seed = true, n = true,
  frequency_penalty = true, presence_penalty = true,
  logit_bias = true, stop = true, logprobs = true, reasoning_effort = true, reasoning = true, verbosity = true,
  functions = true, function_call = true,
}
for name in pairs(openai.COMMON) do KNOWN[name] = true end

local ROLES = { "developer", "system", "user", "assistant", "tool", "function" }
local SOUNDS = { mp3 = "audio/mpeg", m4a = "audio/mp4", pcm16 = "audio/pcm" } -- others are audio/NAME
-- Whose signatures the formats of reasoning_details carry.
local FORMATS = { ["anthropic-claude-v1"] = "anthropic", ["google-gemini-v1"] = "gemini", ["openai-responses-v1"] = "openai" }

local function text(part, path)
  return { type = "text", text = read:string(part, "text", path, true), cache = read:raw_object(part, "cache_control", path) }
end

local kinds = { text = text }

function kinds.refusal(part, path)
  return { type = "refusal", text = read:string(part, "refusal", path, true) }
end

function kinds.image_url(part, path)
  if type(part.image_url) == "string" then return openai.image(part, "image_url", path, {}) end
  local image, at = read:object(part, "image_url", path, true), path .. ".image_url"
  local result = openai.image(image, "url", at, image)
  result.cache = read:raw_object(part, "cache_control", path)
  return result
end

function kinds.input_audio(part, path)
  local audio, at = read:object(part, "input_audio", path, true), path .. ".input_audio"
  local format = read:string(audio, "format", at, true)
  return { type = "audio", media = SOUNDS[format] or "audio/" .. format, data = read:string(audio, "data", at, true) }
end

function kinds.file(part, path)
  local file, at = read:object(part, "file", path, true), path .. ".file"
  if read:string(file, "file_id", at) then return { type = "raw", family = "chat", value = field.raw(part) } end
  local result = openai.file(read:string(file, "file_data", at, true), read:string(file, "filename", at), at .. ".file_data")
  result.cache = read:raw_object(part, "cache_control", path)
  return result
end

local FOR_ROLE = {
  user = { "text", "image_url", "input_audio", "file" },
  assistant = { "text", "refusal", "image_url" },
  tool = { "text", "image_url", "file" },
  system = { "text" },
}

local function content(message, path, role)
  return openai.parts(message, "content", path, function(part, at)
    local kind = read:choice(part, "type", at, FOR_ROLE[role], true)
    return kinds[kind](part, at)
  end)
end

-- The thinking that an earlier reply carried: reasoning_details when it has them, else reasoning_content.
local function thinking(message, path, parts)
  local details = read:array(message, "reasoning_details", path)
  for i, detail in ipairs(details or {}) do
    local at = read:item(path .. ".reasoning_details", i)
    local from = FORMATS[read:is_object(detail, at).format]
    if detail.type == "reasoning.encrypted" then
      parts[#parts + 1] = { type = "redacted", data = read:string(detail, "data", at, true), from = from }
    elseif detail.type == "reasoning.text" then
      local words, signature = read:string(detail, "text", at) or "", read:string(detail, "signature", at)
      parts[#parts + 1] = { type = "thinking", text = words, signature = signature, from = from }
    end
  end
  local words = read:string(message, "reasoning_content", path)
  if words and words ~= "" and #parts == 0 then parts[1] = { type = "thinking", text = words } end
end

-- Google's own place for the signature of a call.
local function google_signature(call)
  local extra = type(call.extra_content) == "table" and call.extra_content.google
  local signature = type(extra) == "table" and extra.thought_signature
  return type(signature) == "string" and signature or nil
end

local function call_of(call, path)
  read:is_object(call, path)
  local part = { type = "tool_call", id = read:string(call, "id", path, true), signature = google_signature(call) }
  part.from = part.signature and "gemini"
  local kind = read:choice(call, "type", path, { "function", "custom" }) or "function"
  local body, at = read:object(call, kind, path, true), path .. "." .. kind
  part.name = read:string(body, "name", at, true)
  if kind == "custom" then
    part.arguments = json.encode { input = read:string(body, "input", at, true) }
  else
    part.arguments = read:string(body, "arguments", at) or ""
  end
  return part
end

local turn = {}

function turn.system(turns, message, path)
  turns:instruct(content(message, path, "system"))
end
turn.developer = turn.system

function turn.user(turns, message, path)
  if message.content == nil or message.content == json.null then read:missing(path .. ".content") end
  turns:say("user", content(message, path, "user"))
end

-- The one call of the days when tools were `functions`; its result names no call, so the latest of its name is meant.
local function function_call_of(turns, message, path, parts)
  local legacy = read:object(message, "function_call", path)
  if not legacy then return end
  local at = path .. ".function_call"
  local part = { type = "tool_call", name = read:string(legacy, "name", at, true) }
  part.arguments = read:string(legacy, "arguments", at) or ""
  part.id = "call_" .. part.name .. "_" .. #turns.request.messages
  turns.latest = part.id
  parts[#parts + 1] = part
  turns:called(part)
end

function turn.assistant(turns, message, path)
  local parts = {}
  thinking(message, path, parts)
  for _, part in ipairs(content(message, path, "assistant")) do
    if part.type ~= "text" or part.text ~= "" then parts[#parts + 1] = part end
  end
  local refusal = read:string(message, "refusal", path)
  if refusal then parts[#parts + 1] = { type = "refusal", text = refusal } end
  for i, call in ipairs(read:array(message, "tool_calls", path) or {}) do
    parts[#parts + 1] = call_of(call, read:item(path .. ".tool_calls", i))
    turns:called(parts[#parts])
  end
  function_call_of(turns, message, path, parts)
  turns:say("assistant", parts)
end

local function result(turns, message, path, id, param)
  turns:result({ type = "tool_result", id = id, content = content(message, path, "tool") }, param,
    ("Invalid '%s': messages with role 'tool' must be a response to a preceding message with 'tool_calls'."):format(param))
end

function turn.tool(turns, message, path)
  result(turns, message, path, read:string(message, "tool_call_id", path, true), path .. ".tool_call_id")
end

turn["function"] = function(turns, message, path)
  read:string(message, "name", path, true)
  result(turns, message, path, turns.latest or "", path .. ".name")
end

local function messages(request, body)
  local list = read:array(body, "messages", nil, true)
  if #list == 0 then read:fail("messages", "it must hold at least one message") end
  local turns = openai.turns(request)
  for i, message in ipairs(list) do
    local path = read:item("messages", i)
    local role = read:choice(read:is_object(message, path), "role", path, ROLES, true)
    turn[role](turns, message, path)
  end
end

local function tools(request, body)
  local list, hosted = {}, {}
  for i, tool in ipairs(body.tools ~= json.null and body.tools or {}) do
    local path = read:item("tools", i)
    local kind = read:string(read:is_object(tool, path), "type", path, true)
    if kind == "function" then
      local one = openai.tool(read:object(tool, "function", path, true), path .. ".function")
      one.cache = read:raw_object(tool, "cache_control", path)
      list[#list + 1] = one
    elseif kind == "custom" then
      list[#list + 1] = openai.custom_tool(read:object(tool, "custom", path, true), path .. ".custom")
    else
      hosted[#hosted + 1] = kind
    end
  end
  for i, fn in ipairs(read:array(body, "functions") or {}) do
    local path = read:item("functions", i)
    list[#list + 1] = openai.tool(read:is_object(fn, path), path)
  end
  request.tools = #list > 0 and list or nil
  request.hosted_tools = #hosted > 0 and hosted or nil
end

local function allowed(request, choice)
  local body = read:object(choice, "allowed_tools", "tool_choice", true)
  local names = {}
  for i, tool in ipairs(read:array(body, "tools", "tool_choice.allowed_tools", true)) do
    local path = read:item("tool_choice.allowed_tools.tools", i)
    local fn = read:object(read:is_object(tool, path), "function", path, true)
    names[read:string(fn, "name", path .. ".function", true)] = true
  end
  openai.only_tools(request, names)
  return { type = read:choice(body, "mode", "tool_choice.allowed_tools", { "auto", "required" }) or "auto" }
end

local function tool_choice(request, body)
  local choice = body.tool_choice
  if choice == nil or choice == json.null then return nil end
  if type(choice) == "string" then return { type = read:choice(body, "tool_choice", nil, { "none", "auto", "required" }) } end
  read:is_object(choice, "tool_choice")
  local kind = read:choice(choice, "type", "tool_choice", { "function", "custom", "allowed_tools" }, true)
  if kind == "allowed_tools" then return allowed(request, choice) end
  return openai.one_tool(request, read:object(choice, kind, "tool_choice", true), "tool_choice." .. kind)
end

-- The choice of the days when tools were `functions`.
local function function_call(request, body)
  local choice = body.function_call
  if choice == nil or choice == json.null then return nil end
  if type(choice) == "string" then return { type = read:choice(body, "function_call", nil, { "none", "auto" }) } end
  return openai.one_tool(request, read:object(body, "function_call"), "function_call")
end

local function output(body)
  local format = read:object(body, "response_format")
  if not format then return nil end
  local kind = read:choice(format, "type", "response_format", { "text", "json_object", "json_schema" }, true)
  local form = kind == "json_schema" and read:object(format, "json_schema", "response_format", true)
  return openai.output(kind, form, "response_format.json_schema")
end

-- OpenRouter's `reasoning` object beside OpenAI's reasoning_effort.
local function reasoning(body)
  local effort = openai.effort(body, "reasoning_effort")
  local more = read:object(body, "reasoning")
  if not more then return effort and { effort = effort } end
  if read:boolean(more, "enabled", "reasoning") == false then return { effort = "none" } end
  local budget = read:integer(more, "max_tokens", "reasoning", 1)
  effort = openai.effort(more, "effort", "reasoning") or effort or (not budget and "medium" or nil)
  return { effort = effort, budget = budget, show = not read:boolean(more, "exclude", "reasoning") }
end

local function stop(body)
  if type(body.stop) == "string" then return { body.stop } end
  return read:strings(body, "stop")
end

return function(text_of_request)
  return read:guard(text_of_request, RAW, function(body)
    local request = openai.common(body)
    messages(request, body)
    tools(request, body)
    request.tool_choice = tool_choice(request, body) or function_call(request, body)
    request.output = output(body)
    local options = read:object(body, "stream_options") or {}
    request.usage = read:boolean(options, "include_usage", "stream_options") or false
    request.max_tokens = read:integer(body, "max_completion_tokens", nil, 1) or read:integer(body, "max_tokens", nil, 1)
    request.seed = read:integer(body, "seed")
    request.n = read:integer(body, "n", nil, 1)
    request.frequency_penalty = read:number(body, "frequency_penalty")
    request.presence_penalty = read:number(body, "presence_penalty")
    request.logit_bias = read:raw_object(body, "logit_bias")
    request.stop = stop(body)
    request.logprobs = read:boolean(body, "logprobs")
    request.reasoning = reasoning(body)
    request.verbosity = read:string(body, "verbosity")
    request.echo = { legacy = body.functions ~= nil }
    request.extra = { family = "chat", members = field.rest(body, KNOWN) }
    return request
  end)
end
