-- OpenAI's embeddings: the client's side.
local base64 = require "inbound.base64"
local field = require "inbound.field"
local json = require "json"

local embeddings = {}

local read = field.reader "openai"

local KNOWN = { model = true, input = true, dimensions = true, encoding_format = true, user = true }
local MOST_INPUTS = 2048 -- OpenAI's own limit

local function tokens(list, path)
  if #list == 0 then read:fail(path, "it must hold at least one token") end
  for i, token in ipairs(list) do
    if type(token) ~= "number" or token % 1 ~= 0 then read:wrong(read:item(path, i), "an integer", token) end
  end
  return list
end

local function text(value, path)
  if value == "" then read:fail(path, "it must not be empty") end
  return value
end

-- A text, tokens, or an array of either.
local function inputs(body)
  local value = body.input
  if value == nil or value == json.null then read:missing("input") end
  if type(value) == "string" then return { text(value, "input") } end
  if not json.is_array(value) then read:wrong("input", "a string or an array", value) end
  if type(value[1]) == "number" then return { tokens(value, "input") } end
  if #value == 0 then read:fail("input", "it must hold at least one text") end
  if #value > MOST_INPUTS then read:fail("input", ("it holds %d inputs, %d at most"):format(#value, MOST_INPUTS)) end
  local list, kind = {}, type(value[1])
  for i, one in ipairs(value) do
    local path = read:item("input", i)
    if kind == "string" and type(one) == "string" then
      list[i] = text(one, path)
    elseif kind ~= "string" and json.is_array(one) then
      list[i] = tokens(one, path)
    else
      read:wrong(path, kind == "string" and "a string" or "an array of integers", one)
    end
  end
  return list
end

function embeddings.read(text_of_request)
  return read:guard(text_of_request, nil, function(body)
    return {
      model = read:string(body, "model", nil, true), input = inputs(body), dimensions = read:integer(body, "dimensions", nil, 1),
      user = read:string(body, "user"), extra = { family = "embeddings", members = field.rest(body, KNOWN) },
      echo = { encoding = read:choice(body, "encoding_format", nil, { "float", "base64" }) },
    }
  end)
end

function embeddings.reply(reply, request)
  local data = json.array {}
  for i, vector in ipairs(reply.vectors) do
    local value = request.echo.encoding == "base64" and base64.floats(vector) or json.array(vector)
    data[i] = { object = "embedding", index = i - 1, embedding = value }
  end
  local used = reply.usage and reply.usage.input or 0
  return json.encode {
    object = "list", data = data, model = reply.model or request.model, usage = { prompt_tokens = used, total_tokens = used },
  }
end

return embeddings
