-- Gemini's generateContent as a wire, on Google's API and on Vertex: what to POST. What comes back is
-- gemini_reply.lua's.
local json = require "json"
local drops = require "provider.drops"
local effort = require "provider.effort"
local gemini_reply = require "provider.gemini_reply"
local given = require "provider.given"
local names = require "provider.names"
local structured = require "provider.structured"
local turns = require "provider.turns"

local gemini = {}

local WIRE = "Gemini"

-- 2.5 for gemini-2.5-flash, 3 for gemini-3-pro-preview; nil for other names.
local function version_of(name)
  return tonumber(name:match "gemini%-(%d+%.?%d*)")
end

local extensions = {
  jpg = "image/jpeg", jpeg = "image/jpeg", png = "image/png", gif = "image/gif", webp = "image/webp", heic = "image/heic",
  pdf = "application/pdf",
}

local function blob(part, default)
  if not part.url then return { inlineData = { mimeType = part.media or default, data = part.data } } end
  local extension = part.url:gsub("[?#].*$", ""):match "%.(%w+)$"
  return { fileData = { mimeType = part.media or extensions[extension and extension:lower()] or default, fileUri = part.url } }
end

local write = {}

function write.text(part)
  if part.text ~= "" then return { text = part.text } end
end

function write.image(part) return blob(part, "image/jpeg") end

function write.document(part, out)
  if part.citations then out.drop("document.citations", WIRE .. " has none") end
  if part.text then return { text = turns.document_text(part) } end
  return blob(part, "application/pdf")
end

function write.audio(part) return blob(part, "audio/wav") end

-- Gemini 3 checks that the first call of a step carries the signature it gave; this one stands for calls that others
-- made.
local UNSIGNED = "skip_thought_signature_validator"

function write.tool_call(part, out)
  local signature = part.from == "gemini" and part.signature or nil
  if not signature and out.is_signed and not out.has_call then signature = UNSIGNED end
  out.has_call = true
  return { functionCall = { name = out.name(part.name), args = turns.arguments(part.arguments) }, thoughtSignature = signature }
end

-- A result is an object; a text that is none goes under one name.
local function response_of(part)
  local text = turns.result_text(part)
  if part.is_error then return { error = text } end
  local slice = text:match "^%s*{" and json.raw(text)
  return slice or { result = text }
end

function write.tool_result(part, out)
  return { functionResponse = { name = out.name(part.name or out.calls[part.id] or "tool"), response = response_of(part) } }
end

function write.refusal(part) return write.text(part) end

local function writer(request, name, drop)
  local out = {
    drop = drop, name = names.both(request, gemini_reply.tool_name), calls = turns.call_names(request),
    is_signed = (version_of(name) or 0) >= 3,
  }
  local function add(parts, part, role)
    if write[part.type] then
      parts[#parts + 1] = write[part.type](part, out)
    elseif part.type == "raw" and part.family == "gemini" then
      parts[#parts + 1] = part.value
    else
      turns.cannot(turns.kind(part), role, WIRE, drop)
    end
  end
  -- Images in a tool's result stand beside it.
  function out.parts(content, role)
    local parts = {}
    out.has_call = false
    for _, part in ipairs(content) do
      if part.cache then drop("cache_control", WIRE .. " caches by itself") end
      add(parts, part, role)
      for _, inner in ipairs(part.type == "tool_result" and part.content or {}) do
        if inner.type ~= "text" then add(parts, inner, role) end
      end
    end
    return parts
  end
  return out
end

-- All results of one turn's calls stand together and first.
local function results_first(parts)
  local results, rest = {}, {}
  for _, part in ipairs(parts) do
    local list = type(part) == "table" and part.functionResponse and results or rest
    list[#list + 1] = part
  end
  for _, part in ipairs(rest) do results[#results + 1] = part end
  return results
end

local function contents_of(request, out)
  local list = {}
  for _, message in ipairs(request.messages) do
    local turn = { role = message.role == "assistant" and "model" or "user" }
    if message.role == "system" then
      out.drop("later system messages", WIRE .. " has none: sent as the user's, between <system> tags")
      turn.content = { { text = turns.aside(message.content) } }
    else
      turn.content = out.parts(message.content, message.role)
    end
    list[#list + 1] = turn
  end
  local contents = {}
  for i, turn in ipairs(turns.merge(list)) do contents[i] = { role = turn.role, parts = results_first(turn.content) } end
  return contents
end

local function system_of(request)
  local parts = {}
  for _, part in ipairs(request.system or {}) do parts[#parts + 1] = write.text(part) end
  return #parts > 0 and { parts = parts } or nil
end

local function tools_of(request, name_of, drop)
  if not request.tools or #request.tools == 0 then return nil end
  local declared = {}
  for i, tool in ipairs(request.tools) do
    if tool.strict then drop("tool.strict", WIRE .. " has none") end
    declared[i] = { name = name_of(tool.name), description = tool.description, parametersJsonSchema = tool.schema }
  end
  return { { functionDeclarations = declared } }
end

local modes = { auto = "AUTO", none = "NONE", required = "ANY", tool = "ANY" }

local function tool_config_of(choice, name_of)
  if not choice then return nil end
  local only = choice.type == "tool" and { name_of(choice.name) } or nil
  return { functionCallingConfig = { mode = modes[choice.type], allowedFunctionNames = only } }
end

local levels = { none = "low", minimal = "minimal", low = "low", medium = "medium", high = "high", xhigh = "high", max = "high" }

local function level_of(request, name)
  local level = levels[effort.level(request.reasoning)]
  local is_flash = name:find "flash" ~= nil
  if effort.level(request.reasoning) == "none" and is_flash then return "minimal" end
  if is_flash or level == "high" then return level end
  return level and "low"
end

-- Gemini 3 takes a level, 2.5 a budget within bounds, of which pro's excludes none.
local function thinking_of(request, name, drop)
  if not request.reasoning then return nil end
  local version = version_of(name)
  if version and version < 2.5 then return drop("reasoning", name .. " does not think") end
  local config = { includeThoughts = request.reasoning.show or nil }
  if version and version >= 3 then
    config.thinkingLevel = level_of(request, name)
  else
    local budget = effort.budget(request.reasoning)
    local least = name:find "pro" and 128 or 0
    config.thinkingBudget = budget and math.max(least, math.min(budget, 24576))
  end
  return next(config) and config or nil
end

local function generation_of(request, name, drop)
  local config = {
    maxOutputTokens = request.max_tokens, topP = request.top_p, topK = request.top_k, seed = request.seed,
    temperature = drops.clamp(request.temperature, 2, "temperature", WIRE, drop), candidateCount = request.n,
    frequencyPenalty = request.frequency_penalty, presencePenalty = request.presence_penalty,
    stopSequences = drops.stops(request, 5, WIRE, drop),
    responseLogprobs = request.logprobs or nil, logprobs = request.logprobs and request.top_logprobs or nil,
    thinkingConfig = thinking_of(request, name, drop),
  }
  if request.output then
    config.responseMimeType = "application/json"
    config.responseJsonSchema = request.output.schema
  end
  return next(config) and config or nil
end

-- Before Gemini 3 a schema for the answer and tools exclude each other.
local function with_output(request, name)
  local version = version_of(name)
  local has_tools = request.tools and #request.tools > 0
  if structured.wants_schema(request) and has_tools and version and version < 3 then return structured.emulate(request) end
  return request
end

local lacks = { "logit_bias", "verbosity", "user", "metadata", "service_tier", "cache_key" }

function gemini.request(asked, target, given_drop)
  local drop, name = drops.once(given_drop), target.name
  drops.members(asked, lacks, WIRE, drop)
  if asked.parallel_tools == false then drop("parallel_tools", WIRE .. " has none") end
  local request = with_output(asked, name)
  local out = writer(request, name, drop)
  local body = {
    systemInstruction = system_of(request), contents = contents_of(request, out),
    tools = tools_of(request, out.name, drop), generationConfig = generation_of(request, name, drop),
  }
  if body.tools then body.toolConfig = tool_config_of(request.tool_choice, out.name) end
  if #body.contents == 0 and body.systemInstruction then
    body.contents, body.systemInstruction = { { role = "user", parts = body.systemInstruction.parts } }, nil
  end
  local method = target.stream and "streamGenerateContent?alt=sse" or "generateContent"
  return ("/models/%s:%s"):format(name:gsub("^models/", ""), method), json.encode(body)
end

function gemini.reply(text, request)
  local reply, why = gemini_reply.reply(text, request)
  return structured.reply(reply, request), why
end

function gemini.stream(request)
  return structured.stream(gemini_reply.stream(request), request)
end

gemini.embeddings = {}

function gemini.embeddings.request(request, target, drop)
  drops.members(request, { "user" }, WIRE, drop)
  local name = "models/" .. target.name:gsub("^models/", "")
  local list = {}
  for i, input in ipairs(request.input) do
    if type(input) ~= "string" then error({ message = WIRE .. " embeds text, not tokens.", param = "input" }, 0) end
    list[i] = { model = name, content = { parts = { { text = input } } }, outputDimensionality = request.dimensions }
  end
  return ("/%s:batchEmbedContents"):format(name), json.encode { requests = list }
end

function gemini.embeddings.reply(text, request)
  local body, why = json.decode(text)
  if type(body) ~= "table" then return nil, why or "the reply is no object" end
  if not json.is_array(body.embeddings) then return nil, "the reply has no embeddings" end
  local vectors = {}
  for i, item in ipairs(body.embeddings) do
    if not json.is_array(item.values) then return nil, "an embedding is no list of numbers" end
    vectors[i] = item.values
  end
  local usage = given(body.usageMetadata) or {}
  return { model = request.model, vectors = vectors, usage = { input = given(usage.promptTokenCount) or 0 } }
end

return gemini
