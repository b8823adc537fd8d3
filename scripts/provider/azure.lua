-- Azure OpenAI: OpenAI's wires under other paths. With `api_version` the model is a deployment named in the path;
-- without, `base_url` ends in /openai/v1.
local openai = require "provider.openai"

local azure = { reply = openai.reply, stream = openai.stream }

local function path_of(path, target)
  if not target.api_version then return path end
  return ("/openai/deployments/%s%s?api-version=%s"):format(target.name, path, target.api_version)
end

function azure.request(request, target, drop)
  local path, text = openai.request(request, target, drop)
  return path_of(path, target), text
end

azure.embeddings = { reply = openai.embeddings.reply }

function azure.embeddings.request(request, target, drop)
  local path, text = openai.embeddings.request(request, target, drop)
  return path_of(path, target), text
end

return azure
