-- Pairs a client's protocol with a provider's wire: what runtime/bind/translation.c calls.
local translate = {}

local function bad(err)
  return nil, err.message, err.param
end

-- What the adapter of the provider makes of the request. It raises a table for what it cannot express at all.
local function write(adapter, request, target, drop)
  local ok, path, body = pcall(adapter.request, request, target, drop)
  if ok then return path, body end
  if type(path) ~= "table" then error(path, 0) end
  return nil, path
end

-- What a provider of `kind` is sent for a client's `text`: { path, body, dropped = { "what: why" }, … }; or nil, message, param.
-- `shape` is the protocol of the text where it is another than that of the answer: a route's own edits are in chat's.
function translate.open(client, kind, text, target, shape)
  local inbound, provider = require("inbound." .. client), require("provider." .. kind)
  if client == "embeddings" then provider = provider.embeddings end
  if not provider then return nil, "providers of kind " .. kind .. " make no embeddings here", "model" end
  local request, err = (shape and require("inbound." .. shape) or inbound).read(text)
  if not request then return bad(err) end
  local dropped = {}
  target.stream = target.stream and request.stream
  local path, body = write(provider, request, target, function(what, why)
    dropped[#dropped + 1] = why and what .. ": " .. why or what
  end)
  if not path then return bad(body) end
  return { request = request, inbound = inbound, provider = provider, path = path, body = body, dropped = dropped }
end

-- The client's body for the provider's; or nil, message when the provider's is not its protocol.
function translate.reply(t, text)
  local reply, why = t.provider.reply(text, t.request)
  if not reply then return nil, why end
  return t.inbound.reply(reply, t.request)
end

-- A filter: `filter(name, data)` gives what the client reads for one event of the provider's stream, `filter()` what ends it.
function translate.stream(t)
  local decode, encode = t.provider.stream(t.request), t.inbound.stream(t.request)
  return function(name, data)
    if not data then return encode(nil) end
    local events = decode(name, data)
    if #events == 1 then return encode(events[1]) end
    local out = {}
    for i, event in ipairs(events) do out[i] = encode(event) end
    return table.concat(out)
  end
end

return translate
