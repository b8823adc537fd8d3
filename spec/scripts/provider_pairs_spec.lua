-- Every recorded request of a client reaches every wire, or is refused in words; every recorded reply reaches every client.
local json = require "json"
local recordings = dofile "spec/support/recordings.lua"

local names = {
  openai = "gpt-4o", azure = "deployment", anthropic = "claude-sonnet-4-5", gemini = "gemini-2.5-flash",
  bedrock = "anthropic.claude-sonnet-4-5-20250929-v1:0",
}

local clients = {
  chat = "^[%w-]+/chat%-.*%.request%.json$", responses = "^[%w-]+/responses%-.*%.request%.json$",
  messages = "^anthropic/messages%-.*%.request%.json$",
}

for client, pattern in pairs(clients) do
  local inbound = require("inbound." .. client)
  describe("requests of " .. client, function()
    for _, path in ipairs(recordings.list(pattern)) do
      local text = recordings.read(path)
      for kind, name in pairs(names) do
        it(("reach %s: %s"):format(kind, path:match "fixtures/(.*)"), function()
          local request = inbound.read(text)
          if not request then return end -- what the client's own adapter refuses is its tests' concern
          local provider = require("provider." .. kind)
          local target = { name = name, stream = request.stream, api_version = "v" }
          local ok, where, body = pcall(provider.request, request, target, function(what, why)
            assert.is_string(what)
            assert.is_string(why)
          end)
          if ok then
            assert.are.equal("/", where:sub(1, 1))
            assert.is_table(json.decode(body))
          else
            assert.is_truthy(type(where) == "table" and where.message:find "cannot carry", tostring(where))
          end
        end)
      end
    end
  end)
end

local replies = {
  { "openai", "^[%w-]+/chat%-.*%.body$" }, { "anthropic", "^anthropic/messages%-.*%.body$" },
  { "anthropic", "^anthropic/sdk/.*" },
  { "gemini", "^%w+/generate%-.*%.body$" }, { "gemini", "^%w+/stream%-sse.*%.body$" },
}

-- Gives each event of a recorded stream, or each whole reply, to `read`.
local function each(reply, read)
  for _, path in ipairs(recordings.list(reply[2])) do
    local text = recordings.read(path)
    if path:find "%-sse%-" or path:find "/sdk/" then
      read(path, recordings.events(text))
    elseif recordings.status(path) == 200 then
      read(path, nil, text)
    end
  end
end

local function turn(text) return { { role = "user", content = text } } end

local asked = {
  chat = { model = "m", messages = turn "hi", stream_options = { include_usage = true } },
  responses = { model = "m", input = "hi" },
  messages = { model = "m", max_tokens = 9, messages = turn "hi" },
}

-- What `client` asks, as its own adapter reads it.
local function ask(client, stream)
  asked[client].stream = stream
  return assert(require("inbound." .. client).read(json.encode(asked[client])))
end

describe("replies", function()
  for client in pairs(clients) do
    local inbound = require("inbound." .. client)
    for _, reply in ipairs(replies) do
      local provider = require("provider." .. reply[1])
      each(reply, function(path, events, text)
        it(("reach %s: %s"):format(client, path:match "fixtures/(.*)"), function()
          local request = ask(client, events ~= nil)
          if not events then
            assert.is_table(json.decode(inbound.reply(provider.reply(text, request), request)))
            return
          end
          local decode, encode, out = provider.stream(request), inbound.stream(request), {}
          for _, event in ipairs(events) do
            if event.data ~= "[DONE]" then
              for _, canonical in ipairs(decode(event.name, event.data)) do out[#out + 1] = encode(canonical) end
            end
          end
          out[#out + 1] = encode(nil)
          local written = recordings.events(table.concat(out))
          assert.is_true(#written > 1)
          for _, event in ipairs(written) do
            if event.data ~= "[DONE]" then assert.is_table(json.decode(event.data)) end
          end
        end)
      end)
    end
  end
end)

-- Calls visit() with each member of the tree, one at a time, set to null.
local function nulled(tree, visit)
  for name, value in pairs(tree) do
    tree[name] = json.null
    visit()
    tree[name] = value
    if type(value) == "table" then nulled(value, visit) end
  end
end

describe("a member that is null", function()
  for _, reply in ipairs(replies) do
    local provider = require("provider." .. reply[1])
    each(reply, function(path, events, text)
      it("breaks no reader of " .. path:match "fixtures/(.*)", function()
        local request = { model = "m", messages = {} }
        for _, event in ipairs(events or {}) do
          local tree = json.decode(event.data)
          if type(tree) == "table" then
            nulled(tree, function() provider.stream(request)(event.name, json.encode(tree)) end)
          end
        end
        local tree = text and json.decode(text)
        if tree then nulled(tree, function() provider.reply(json.encode(tree), request) end) end
      end)
    end)
  end
end)
