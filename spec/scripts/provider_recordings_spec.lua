-- Every recorded reply of each provider, read by its adapter, says what a small assembler of that protocol finds in
-- it.
local json = require "json"
local assemble = dofile "spec/support/assemble.lua"
local recordings = dofile "spec/support/recordings.lua"

local request = { messages = {} }

local function decoded(text)
  return assert(json.decode(text), "the recording is no JSON")
end

local function chunks_of(text)
  local chunks = {}
  for _, event in ipairs(recordings.events(text)) do
    if event.data ~= "[DONE]" then chunks[#chunks + 1] = decoded(event.data) end
  end
  return chunks
end

local function read_stream(adapter, text)
  local decode, events = adapter.stream(request), {}
  for _, event in ipairs(recordings.events(text)) do
    if event.data ~= "[DONE]" then
      for _, canonical in ipairs(decode(event.name, event.data)) do events[#events + 1] = canonical end
    end
  end
  return assemble.events(events)
end

local function check(expected, found)
  assert.are.equal(expected.text, found.text)
  assert.are.same(expected.calls, found.calls)
  assert.are.equal(expected.input, found.input)
  assert.are.equal(expected.output, found.output)
  assert.are.equal(expected.stop, found.stop)
end

-- Recordings of `pattern`, read by `adapter`; `whole` and `streamed` assemble the same from the provider's JSON.
local function covers(name, pattern, adapter, whole, streamed)
  describe(name, function()
    for _, path in ipairs(recordings.list(pattern)) do
      local is_sdk = path:find "/sdk/"
      if is_sdk or recordings.status(path) == 200 then
        it("reads " .. path:match "fixtures/(.*)", function()
          local text = recordings.read(path)
          if is_sdk or path:find "%-sse%-" or path:find "%-sse$" then
            check(streamed(chunks_of(text)), read_stream(adapter, text))
          else
            check(whole(decoded(text)), assemble.reply(assert(adapter.reply(text, request))))
          end
        end)
      end
    end
  end)
end

local function one(assembler)
  return function(body) return assembler { body } end
end

covers("openai", "^[%w-]+/chat%-.*%.body$", require "provider.openai", one(assemble.chat), assemble.chat)
covers("anthropic", "^anthropic/messages%-.*%.body$", require "provider.anthropic", assemble.anthropic, assemble.anthropic_stream)
covers("anthropic's own", "^anthropic/sdk/.*", require "provider.anthropic", assemble.anthropic, assemble.anthropic_stream)
covers("gemini", "^[%w]+/generate%-.*%.body$", require "provider.gemini", one(assemble.gemini), assemble.gemini)
covers("gemini, streamed", "^[%w]+/stream%-sse.*%.body$", require "provider.gemini", one(assemble.gemini), assemble.gemini)
