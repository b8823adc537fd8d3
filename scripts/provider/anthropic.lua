-- Anthropic's messages as a wire: what to POST. What comes back is anthropic_reply.lua's.
local json = require "json"
local anthropic_reply = require "provider.anthropic_reply"
local claude = require "provider.claude"
local drops = require "provider.drops"
local names = require "provider.names"
local structured = require "provider.structured"
local turns = require "provider.turns"

local anthropic = {}

local WIRE = "Anthropic"

local function text_block(part)
  return { type = "text", text = part.text, cache_control = part.cache }
end

local function source_of(part)
  if part.url then return { type = "url", url = part.url } end
  return { type = "base64", media_type = part.media, data = part.data }
end

local function document(part)
  local source = source_of(part)
  if part.text then source = { type = "text", media_type = "text/plain", data = part.text } end
  return {
    type = "document", source = source, title = part.name, context = part.context,
    citations = part.citations and { enabled = true } or nil, cache_control = part.cache,
  }
end

local block = {}

function block.text(part)
  if part.text:find "%S" then return text_block(part) end
end

function block.image(part, out)
  if part.detail and part.detail ~= "auto" then out.drop("image.detail", WIRE .. " has none") end
  return { type = "image", source = source_of(part), cache_control = part.cache }
end

block.document = document

function block.tool_call(part, out)
  return {
    type = "tool_use", id = out.id(part.id), name = out.name(part.name), input = turns.arguments(part.arguments),
    cache_control = part.cache,
  }
end

function block.tool_result(part, out)
  local content = out.blocks(part.content or {}, "user")
  return {
    type = "tool_result", tool_use_id = out.id(part.id), content = #content > 0 and content or nil,
    is_error = part.is_error or nil, cache_control = part.cache,
  }
end

-- A thought goes back to its maker only: without the signature it is refused.
function block.thinking(part, out)
  if part.from == "anthropic" and part.signature then
    return { type = "thinking", thinking = part.text or "", signature = part.signature }
  end
  out.drop("thinking", "it has no signature of Anthropic's")
end

function block.redacted(part, out)
  if part.from == "anthropic" then return { type = "redacted_thinking", data = part.data } end
  out.drop("thinking", "it has no signature of Anthropic's")
end

function block.refusal(part)
  return block.text(part)
end

-- Gives blocks(parts, role) for one request.
local function writer(request, drop)
  local out = { drop = drop, name = names.both(request, anthropic_reply.tool_name) }
  function out.id(id)
    return id == "" and "call" or (id:gsub("[^%w_-]", "_"))
  end
  function out.blocks(parts, role)
    local blocks = {}
    for _, part in ipairs(parts) do
      local write = block[part.type]
      if write then
        blocks[#blocks + 1] = write(part, out)
      elseif part.type == "raw" and part.family == "messages" then
        blocks[#blocks + 1] = part.value
      else
        turns.cannot(turns.kind(part), role, WIRE, drop)
      end
    end
    return blocks
  end
  return out
end

-- Results stand before all else in a user's turn.
local function results_first(content)
  local results, rest = {}, {}
  for _, item in ipairs(content) do
    local list = type(item) == "table" and item.type == "tool_result" and results or rest
    list[#list + 1] = item
  end
  for _, item in ipairs(rest) do results[#results + 1] = item end
  return results
end

-- The wire wants the user first, and no space at the end of what the assistant is to continue.
local function mend_ends(messages)
  if #messages > 0 and messages[1].role == "assistant" then
    table.insert(messages, 1, { role = "user", content = { { type = "text", text = "Continue." } } })
  end
  local last = messages[#messages]
  local tail = last and last.role == "assistant" and last.content[#last.content]
  if type(tail) == "table" and tail.type == "text" then tail.text = tail.text:gsub("%s+$", "") end
end

local function messages_of(request, out)
  local list = {}
  for _, message in ipairs(request.messages) do
    if message.role == "system" then
      out.drop("later system messages", WIRE .. " has none: sent as the user's, between <system> tags")
      list[#list + 1] = { role = "user", content = { { type = "text", text = turns.aside(message.content) } } }
    else
      list[#list + 1] = { role = message.role, content = out.blocks(message.content, message.role) }
    end
  end
  local merged = turns.merge(list)
  for _, turn in ipairs(merged) do
    if turn.role == "user" then turn.content = results_first(turn.content) end
  end
  mend_ends(merged)
  return merged
end

-- Every schema must say that it is an object's.
local function input_schema(schema)
  if not schema then return { type = "object", properties = json.raw "{}" } end
  if tostring(schema):find '"type"' then return schema end
  local tree = json.decode(tostring(schema))
  if type(tree) ~= "table" or json.is_array(tree) then return schema end
  tree.type = "object"
  return tree
end

local function tools_of(request, name, name_of, drop)
  local tools, is_made_up = turns.tools(request)
  local out = {}
  for i, tool in ipairs(tools) do
    local strict = tool.strict
    if strict and not (claude.has_schemas(name) and structured.is_simple(tool.schema)) then
      strict = drop("tool.strict", name .. " has none for such a schema")
    end
    out[i] = {
      name = name_of(tool.name), description = tool.description, input_schema = input_schema(tool.schema),
      strict = strict or nil, cache_control = tool.cache,
    }
  end
  return #out > 0 and out or nil, is_made_up
end

local choices = { auto = "auto", none = "none", required = "any", tool = "tool" }

local function tool_choice_of(request, name_of)
  local choice, one = request.tool_choice, request.parallel_tools == false
  if not choice and not one then return nil end
  local kind = choices[choice and choice.type or "auto"]
  return {
    type = kind, name = kind == "tool" and name_of(choice.name) or nil,
    disable_parallel_tool_use = one and kind ~= "none" or nil,
  }
end

-- Structured output is native for models that have it, when the schema is strict and simple; otherwise a tool stands
-- for it.
local function is_native(request, name)
  return claude.has_schemas(name) and request.output.strict and structured.is_simple(request.output.schema)
end

local function with_output(request, name)
  if not structured.wants_schema(request) or is_native(request, name) then return request end
  return structured.emulate(request)
end

local function system_of(request)
  local blocks = {}
  for _, part in ipairs(request.system or {}) do blocks[#blocks + 1] = block.text(part) end
  if request.output and request.output.type == "json" then
    blocks[#blocks + 1] = { type = "text", text = structured.instruction }
  end
  return #blocks > 0 and blocks or nil
end

local function add_tools(body, request, name, out)
  local is_made_up
  body.tools, is_made_up = tools_of(request, name, out.name, out.drop)
  if is_made_up then
    body.tool_choice = { type = "none" }
  elseif body.tools then
    body.tool_choice = tool_choice_of(request, out.name)
  end
end

local function add_reasoning(body, request, name, drop)
  local level
  body.thinking, level = claude.thinking(request, name, body.messages, body.max_tokens, drop)
  local format = structured.wants_schema(request) and { type = "json_schema", schema = request.output.schema } or nil
  if level or format then body.output_config = { effort = level, format = format } end
end

local lacks = {
  "seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "verbosity", "metadata", "cache_key",
}

local function service_tier(request, drop)
  local tier = request.service_tier
  if tier == nil or tier == "auto" or tier == "standard_only" then return tier end
  if tier == "default" then return "standard_only" end
  drop("service_tier", WIRE .. " has auto and standard_only")
end

function anthropic.request(asked, target, given_drop)
  local drop, name = drops.once(given_drop), target.name
  drops.members(asked, lacks, WIRE, drop)
  if asked.n and asked.n > 1 then drop("n", WIRE .. " gives one choice") end
  local request = with_output(asked, name)
  local out = writer(request, drop)
  local body = {
    model = name, max_tokens = request.max_tokens or claude.max_tokens(name),
    system = system_of(request), messages = messages_of(request, out),
    temperature = drops.clamp(request.temperature, 1, "temperature", WIRE, drop),
    top_p = request.top_p, top_k = request.top_k, stop_sequences = request.stop,
    metadata = request.user and { user_id = request.user } or nil,
    service_tier = service_tier(request, drop), stream = target.stream or nil,
  }
  if #body.messages == 0 and body.system then
    body.messages, body.system = { { role = "user", content = body.system } }, nil
  end
  add_tools(body, request, name, out)
  add_reasoning(body, request, name, drop)
  claude.limit_sampling(body, name, drop)
  return "/v1/messages", json.encode(body)
end

function anthropic.reply(text, request)
  local reply, why = anthropic_reply.reply(text, request)
  return structured.reply(reply, request), why
end

function anthropic.stream(request)
  return structured.stream(anthropic_reply.stream(request), request)
end

return anthropic
