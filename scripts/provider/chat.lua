-- OpenAI's chat completions as a wire: what to POST. What comes back is chat_reply.lua's.
local json = require "json"
local drops = require "provider.drops"
local effort = require "provider.effort"
local names = require "provider.names"
local turns = require "provider.turns"

local chat = {}

local WIRE = "chat completions"
chat.tool_name = { bad = "[^%w_-]", longest = 64 }

-- Models that think take no sampling parameters and count their thoughts in another limit; those of the second list
-- do not think at all.
local thinks = { "^o%d", "^gpt%-[5-9]", "^gpt%-%d%d", "^codex" }
local never = { "^gpt%-[34]", "^chatgpt%-4" }

local function is_any(name, patterns)
  name = name:match "([^/]*)$"
  for _, pattern in ipairs(patterns) do
    if name:find(pattern) then return true end
  end
  return false
end

function chat.thinks(name) return is_any(name, thinks) end

-- The effort to ask for; nil when nothing is to be said.
function chat.effort(request, name, drop)
  local level = request.reasoning and effort.level(request.reasoning)
  if not level then return nil end
  if is_any(name, never) then return drop("reasoning", name .. " does not think") end
  if level == "max" then
    drop("reasoning.effort", "OpenAI's highest is xhigh, which was sent")
    return "xhigh"
  end
  return level
end

local audio_formats = { ["audio/mpeg"] = "mp3", ["audio/x-wav"] = "wav", ["audio/wave"] = "wav" }

local function text_part(text) return { type = "text", text = text } end

local function document(part, drop)
  if part.citations then drop("document.citations", WIRE .. " has none") end
  if part.text then return text_part(turns.document_text(part)) end
  if part.url then turns.cannot("a document by link", "user", WIRE, drop) end
  return { type = "file", file = { filename = part.name or "document.pdf", file_data = turns.data_url(part) } }
end

local function user_part(part, drop)
  if part.cache then drop("cache_control", "OpenAI caches by itself") end
  if part.type == "text" then return text_part(part.text) end
  if part.type == "image" then return { type = "image_url", image_url = { url = turns.data_url(part), detail = part.detail } } end
  if part.type == "document" then return document(part, drop) end
  if part.type == "audio" then
    local format = audio_formats[part.media] or part.media:gsub("^.*/", "")
    return { type = "input_audio", input_audio = { data = part.data, format = format } }
  end
  turns.cannot(turns.kind(part), "user", WIRE, drop)
end

-- Texts alone become one string, which every compatible server takes.
local function content_of(parts)
  local texts = {}
  for i, part in ipairs(parts) do
    if part.type ~= "text" then return parts end
    texts[i] = part.text
  end
  return table.concat(texts, "\n\n")
end

local function same(id) return id end

-- Mistral takes ids of nine letters and digits only: any other becomes what follows from it, in the call and in its result.
local function mistral_id(id)
  if #id == 9 and id:find "^%w+$" then return id end
  local one, other = 5381, 52711
  for i = 1, #id do
    one, other = (one * 33 + id:byte(i)) % 2 ^ 32, (other * 65599 + id:byte(i)) % 2 ^ 32
  end
  return ("%05x%04x"):format(one % 2 ^ 20, other % 2 ^ 16)
end

local function id_of(target)
  return (target.base_url or ""):find "[/.]mistral%.ai" and mistral_id or same
end

-- A tool's result is a message of its own and holds text only: its images follow as the user's.
local function add_results(out, parts, rest, id, drop)
  for _, part in ipairs(parts) do
    if part.type ~= "tool_result" then
      rest[#rest + 1] = user_part(part, drop)
    else
      if part.is_error then drop("tool_result.is_error", WIRE .. " has none") end
      out[#out + 1] = { role = "tool", tool_call_id = id(part.id), content = turns.result_text(part) }
      for _, inner in ipairs(part.content or {}) do
        if inner.type ~= "text" then rest[#rest + 1] = user_part(inner, drop) end
      end
    end
  end
end

local function add_user(out, message, id, drop)
  local rest = {}
  add_results(out, message.content, rest, id, drop)
  if #rest > 0 then out[#out + 1] = { role = "user", content = content_of(rest) } end
end

local function add_assistant(out, message, name_of, id, drop)
  local texts, calls, refusal = {}, {}, nil
  for _, part in ipairs(message.content) do
    if part.cache then drop("cache_control", "OpenAI caches by itself") end
    if part.type == "text" then
      texts[#texts + 1] = part.text
    elseif part.type == "tool_call" then
      local called = { name = name_of(part.name), arguments = part.arguments }
      calls[#calls + 1] = { id = id(part.id), type = "function", ["function"] = called }
    elseif part.type == "refusal" then
      refusal = (refusal or "") .. part.text
    else
      turns.cannot(turns.kind(part), "assistant", WIRE, drop)
    end
  end
  local text = table.concat(texts)
  local silent = text == "" and (#calls > 0 or refusal)
  out[#out + 1] = {
    role = "assistant",
    content = silent and json.null or text,
    tool_calls = #calls > 0 and calls or nil,
    refusal = refusal,
  }
end

local function messages_of(request, name_of, id, drop)
  local out = {}
  if request.system and #request.system > 0 then
    if turns.has_cache(request.system) then drop("cache_control", "OpenAI caches by itself") end
    out[1] = { role = "system", content = turns.text(request.system, "\n\n") }
  end
  for _, message in ipairs(request.messages) do
    if message.role == "assistant" then
      add_assistant(out, message, name_of, id, drop)
    elseif message.role == "system" then
      out[#out + 1] = { role = "system", content = turns.text(message.content, "\n\n") }
    else
      add_user(out, message, id, drop)
    end
  end
  return json.array(out)
end

local function tools_of(request, name_of, drop)
  if not request.tools or #request.tools == 0 then return nil end
  local out = {}
  for i, tool in ipairs(request.tools) do
    if tool.cache then drop("cache_control", "OpenAI caches by itself") end
    out[i] = { type = "function", ["function"] = {
      name = name_of(tool.name), description = tool.description, parameters = tool.schema, strict = tool.strict,
    } }
  end
  return out
end

local function tool_choice_of(choice, name_of)
  if not choice then return nil end
  if choice.type ~= "tool" then return choice.type end
  return { type = "function", ["function"] = { name = name_of(choice.name) } }
end

local function format_of(output)
  if not output then return nil end
  if output.type == "json" then return { type = "json_object" } end
  local name = (output.name or "response"):gsub("[^%w_-]", "_"):sub(1, 64)
  local schema = { name = name, description = output.description, schema = output.schema, strict = output.strict }
  return { type = "json_schema", json_schema = schema }
end
chat.format_of = format_of

local sampling = { "temperature", "top_p", "frequency_penalty", "presence_penalty", "logit_bias" }

function chat.add_sampling(body, request, name, level, list, drop)
  for _, member in ipairs(list) do
    if request[member] == nil then
      body[member] = nil
    elseif chat.thinks(name) and level ~= "none" then
      drop(member, name .. " takes none")
    else
      body[member] = request[member]
    end
  end
end

function chat.service_tier(request)
  local tier = request.service_tier
  if tier == "standard_only" then return "default" end
  return tier
end

-- The body, as a table, for the model that the provider calls `target.name`.
function chat.body(request, target, given_drop)
  local drop = drops.once(given_drop)
  drops.members(request, { "top_k", "metadata" }, WIRE, drop)
  local name_of = names.both(request, chat.tool_name)
  local level = chat.effort(request, target.name, drop)
  local body = {
    model = target.name,
    messages = messages_of(request, name_of, id_of(target), drop),
    tools = tools_of(request, name_of, drop),
    response_format = format_of(request.output),
    stop = drops.stops(request, 4, WIRE, drop),
    seed = request.seed,
    n = request.n,
    logprobs = request.logprobs or nil,
    top_logprobs = request.top_logprobs,
    reasoning_effort = level,
    verbosity = request.verbosity,
    user = request.user,
    service_tier = chat.service_tier(request),
    prompt_cache_key = request.cache_key,
  }
  body[chat.thinks(target.name) and "max_completion_tokens" or "max_tokens"] = request.max_tokens
  if body.tools then
    body.tool_choice = tool_choice_of(request.tool_choice, name_of)
    body.parallel_tool_calls = request.parallel_tools
  end
  chat.add_sampling(body, request, target.name, level, sampling, drop)
  if target.stream then
    body.stream = true
    body.stream_options = { include_usage = true }
  end
  return body
end

return chat
