-- What a provider adapter makes of a canonical request, for its specs.
local assert = require "luassert"
local json = require "json"

local outgoing = {}

function outgoing.text(words) return { type = "text", text = words } end

function outgoing.user(...) return { role = "user", content = { ... } } end

function outgoing.assistant(...) return { role = "assistant", content = { ... } } end

-- What is sent for `request`, decoded, what was dropped, by name, and the path.
function outgoing.sent(adapter, request, target)
  local dropped = {}
  request.messages = request.messages or { outgoing.user(outgoing.text "hi") }
  local path, text = adapter.request(request, target, function(what, why)
    assert.is_nil(dropped[what], "said twice: " .. what)
    dropped[what] = why
  end)
  return json.decode(text), dropped, path
end

return outgoing
