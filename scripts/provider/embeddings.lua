-- OpenAI's embeddings as a wire.
local json = require "json"
local drops = require "provider.drops"
local given = require "provider.given"

local embeddings = {}

function embeddings.body(request, target, drop)
  drops.members(request, {}, "embeddings", drop)
  return {
    model = target.name, input = json.array(request.input), dimensions = request.dimensions, user = request.user,
    encoding_format = "float",
  }
end

function embeddings.reply(text)
  local body, why = json.decode(text)
  if type(body) ~= "table" then return nil, why or "the reply is no object" end
  if not json.is_array(body.data) then return nil, "the reply has no data" end
  local vectors = {}
  for i, item in ipairs(body.data) do
    if not json.is_array(item.embedding) then return nil, "an embedding is no list of numbers" end
    vectors[(given(item.index) or i - 1) + 1] = item.embedding
  end
  local usage = given(body.usage) or {}
  return { model = given(body.model), vectors = vectors, usage = { input = given(usage.prompt_tokens) or 0 } }
end

return embeddings
