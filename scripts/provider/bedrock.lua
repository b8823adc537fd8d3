-- Bedrock's Converse as a wire, for the models of every maker there: what to POST. What comes back is
-- bedrock_reply.lua's.
local json = require "json"
local bedrock_reply = require "provider.bedrock_reply"
local claude = require "provider.claude"
local drops = require "provider.drops"
local names = require "provider.names"
local structured = require "provider.structured"
local turns = require "provider.turns"

local bedrock = {}

local WIRE = "Bedrock"

local CACHE = { cachePoint = { type = "default" } }

local image_formats = {
  ["image/png"] = "png", ["image/jpeg"] = "jpeg", ["image/jpg"] = "jpeg", ["image/gif"] = "gif", ["image/webp"] = "webp",
}

local document_formats = {
  ["application/pdf"] = "pdf", ["text/csv"] = "csv", ["text/html"] = "html", ["text/plain"] = "txt", ["text/markdown"] = "md",
  ["application/msword"] = "doc", ["application/vnd.openxmlformats-officedocument.wordprocessingml.document"] = "docx",
  ["application/vnd.ms-excel"] = "xls", ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"] = "xlsx",
}

local block = {}

function block.text(part)
  if part.text:find "%S" then return { text = part.text } end
end

-- What is sent as bytes of one of `formats`; links and other types are refused.
local function format_of(part, formats)
  if part.url then turns.cannot(part.type .. " content by link", "user", WIRE) end
  return formats[part.media] or turns.cannot("content of type " .. tostring(part.media), "user", WIRE)
end

function block.image(part)
  return { image = { format = format_of(part, image_formats), source = { bytes = part.data } } }
end

-- A name may have letters, digits, single spaces, hyphens and brackets, and no other document's.
local function document_name(part, out)
  out.documents = out.documents + 1
  local name = (part.name or "document"):gsub("[^%w%-%(%)%[%]]+", " "):gsub("^ ", ""):gsub(" $", "")
  return (name ~= "" and name or "document") .. (out.documents > 1 and " " .. out.documents or "")
end

function block.document(part, out)
  if part.text then return { text = turns.document_text(part) } end
  return { document = {
    format = format_of(part, document_formats), name = document_name(part, out), source = { bytes = part.data },
    context = part.context, citations = part.citations and { enabled = true } or nil,
  } }
end

function block.tool_call(part, out)
  return { toolUse = { toolUseId = out.id(part.id), name = out.name(part.name), input = turns.arguments(part.arguments) } }
end

function block.tool_result(part, out)
  local content = out.blocks(part.content or {}, "user")
  if #content == 0 then content[1] = { text = "(no output)" } end
  return { toolResult = { toolUseId = out.id(part.id), content = content, status = part.is_error and "error" or nil } }
end

function block.thinking(part, out)
  if out.is_claude and part.from == "anthropic" and part.signature then
    return { reasoningContent = { reasoningText = { text = part.text or "", signature = part.signature } } }
  end
  out.drop("thinking", "it has no signature of this model's maker")
end

function block.redacted(part, out)
  if out.is_claude and part.from == "anthropic" then return { reasoningContent = { redactedContent = part.data } } end
  out.drop("thinking", "it has no signature of this model's maker")
end

function block.refusal(part) return block.text(part) end

local function writer(request, name, drop)
  local out = { drop = drop, documents = 0, is_claude = claude.version(name) ~= nil }
  out.name = names.both(request, bedrock_reply.tool_name)
  function out.id(id)
    return id == "" and "call" or id:gsub("[^%w_-]", "_"):sub(1, 64)
  end
  function out.blocks(parts, role)
    local blocks = {}
    for _, part in ipairs(parts) do
      if not block[part.type] then turns.cannot(turns.kind(part), role, WIRE, drop) end
      if block[part.type] then blocks[#blocks + 1] = block[part.type](part, out) end
      if part.cache and part.type ~= "thinking" then blocks[#blocks + 1] = CACHE end
    end
    return blocks
  end
  return out
end

local function messages_of(request, out)
  local list = {}
  for i, message in ipairs(request.messages) do
    if message.role == "system" then
      out.drop("later system messages", WIRE .. " has none: sent as the user's, between <system> tags")
      list[i] = { role = "user", content = { { text = turns.aside(message.content) } } }
    else
      list[i] = { role = message.role, content = out.blocks(message.content, message.role) }
    end
  end
  local messages = turns.merge(list)
  if #messages > 0 and messages[1].role == "assistant" then
    table.insert(messages, 1, { role = "user", content = { { text = "Continue." } } })
  end
  return messages
end

local function system_of(request, out)
  local blocks = out.blocks(request.system or {}, "system")
  if request.output and request.output.type == "json" then blocks[#blocks + 1] = { text = structured.instruction } end
  return #blocks > 0 and blocks or nil
end

local function choice_of(choice, name_of)
  if choice.type == "tool" then return { tool = { name = name_of(choice.name) } } end
  return { [choice.type == "required" and "any" or "auto"] = json.raw "{}" }
end

-- There is no word for "none": without calls in the history the tools themselves are left out.
local function tools_of(request, out)
  local tools, is_made_up = turns.tools(request)
  local choice = not is_made_up and request.tool_choice or nil
  if choice and choice.type == "none" then
    if next(turns.call_names(request)) == nil then return nil end
    choice = out.drop("tool_choice", WIRE .. " has no none")
  end
  local specs = {}
  for _, tool in ipairs(tools) do
    if tool.strict then out.drop("tool.strict", WIRE .. " has none") end
    specs[#specs + 1] = { toolSpec = {
      name = out.name(tool.name), description = tool.description,
      inputSchema = { json = tool.schema or json.raw '{"type":"object"}' },
    } }
    if tool.cache then specs[#specs + 1] = CACHE end
  end
  return #specs > 0 and { tools = specs, toolChoice = choice and choice_of(choice, out.name) or nil } or nil
end

-- The messages as claude.thinking reads them: what each turn begins with.
local function shape(messages)
  local turns_of = {}
  for i, message in ipairs(messages) do
    local first = message.content[1]
    local kind = first.toolResult and "tool_result" or first.reasoningContent and "thinking" or "other"
    turns_of[i] = { role = message.role, content = { { type = kind } } }
  end
  return turns_of
end

-- Thoughts are asked for in the words of the model's maker, of which Anthropic's are known.
local function add_reasoning(body, request, name, sampling, out)
  local extra = {}
  if request.reasoning and not out.is_claude then
    out.drop("reasoning", "only Anthropic's models are asked for it on " .. WIRE)
  elseif request.reasoning then
    local level
    extra.thinking, level = claude.thinking(request, name, shape(body.messages), sampling.max_tokens, out.drop)
    extra.output_config = level and { effort = level } or nil
  end
  sampling.thinking = extra.thinking
  claude.limit_sampling(sampling, name, out.drop)
  extra.top_k = sampling.top_k
  body.additionalModelRequestFields = next(extra) and extra or nil
end

local function escape(name)
  return (name:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local lacks = {
  "seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "verbosity", "user", "metadata",
  "service_tier", "cache_key",
}

function bedrock.request(asked, target, given_drop)
  local drop, name = drops.once(given_drop), target.name
  drops.members(asked, lacks, WIRE, drop)
  if asked.n and asked.n > 1 then drop("n", WIRE .. " gives one choice") end
  if asked.parallel_tools == false then drop("parallel_tools", WIRE .. " has none") end
  local request = structured.wants_schema(asked) and structured.emulate(asked) or asked
  local out = writer(request, name, drop)
  local body = {
    system = system_of(request, out), messages = messages_of(request, out), toolConfig = tools_of(request, out),
  }
  if #body.messages == 0 and body.system then
    body.messages, body.system = { { role = "user", content = body.system } }, nil
  end
  local sampling = {
    max_tokens = request.max_tokens or out.is_claude and claude.max_tokens(name) or nil,
    top_p = request.top_p, top_k = request.top_k,
    temperature = drops.clamp(request.temperature, 1, "temperature", WIRE, drop),
  }
  add_reasoning(body, request, name, sampling, out)
  local inference = {
    maxTokens = sampling.max_tokens, temperature = sampling.temperature, topP = sampling.top_p,
    stopSequences = drops.stops(request, 4, WIRE, drop),
  }
  body.inferenceConfig = next(inference) and inference or nil
  return ("/model/%s/converse%s"):format(escape(name), target.stream and "-stream" or ""), json.encode(body)
end

function bedrock.reply(text, request)
  local reply, why = bedrock_reply.reply(text, request)
  return structured.reply(reply, request), why
end

function bedrock.stream(request)
  return structured.stream(bedrock_reply.stream(request), request)
end

return bedrock
