-- Streams as OpenAI's and Anthropic's own SDKs put them together.
local json = require "json"
local wire = require "spec.scripts.wire"

local REQUESTS = {
  chat = '{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}',
  messages = '{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}',
  responses = '{"model":"m","stream":true,"input":"x","tools":[{"type":"function","name":"f","parameters":{"type":"object"}}]}',
}

local EVENTS = {
  { type = "start", id = "x", model = "p", created = 9, usage = { input = 3 } }, { type = "start", id = "again" },
  { type = "thinking", text = "h" }, { type = "thinking", text = 'm"\n' },
  { type = "signature", text = "S", from = "anthropic" }, { type = "redacted", data = "D", from = "anthropic" },
  { type = "text", text = "a" }, { type = "text", text = "\195\188" }, { type = "citation", url = "https://x.test", title = "X" },
  { type = "tool", index = 0, id = "t", name = "f" }, { type = "arguments", index = 0, text = '{"x"' },
  { type = "tool", index = 1, id = "u", name = "g" }, { type = "arguments", index = 0, text = ":1}" },
  { type = "stop", reason = "tool_calls" }, { type = "usage", usage = { input = 3, cache_read = 1, output = 2, reasoning = 1 } },
}

local function assembled(protocol)
  local adapter, name = require("inbound." .. protocol), os.tmpname()
  local encode = adapter.stream(assert(adapter.read(REQUESTS[protocol])))
  local file = assert(io.open(name, "w"))
  for _, event in ipairs(EVENTS) do file:write(encode(event)) end
  file:write(encode(nil))
  file:close()
  local node = assert(io.popen(("node spec/scripts/assemble.mjs %s %s 2>&1"):format(protocol, name)))
  local text = node:read "*a"
  node:close()
  os.remove(name)
  return assert(json.decode(text), text)
end

describe("the SDK puts together", function()
  if not wire.has_modules() then return pending "spec/node_modules is not installed" end

  it("a chat completion", function()
    local r = assembled "chat"
    local choice = r.choices[1]
    assert.are.same({ "a\195\188", "tool_calls", 7 }, { choice.message.content, choice.finish_reason, r.usage.total_tokens })
    assert.are.same({ "t", '{"x":1}' }, { choice.message.tool_calls[1].id, choice.message.tool_calls[1]["function"].arguments })
    assert.are.same({ "u", "{}" }, { choice.message.tool_calls[2].id, choice.message.tool_calls[2]["function"].arguments })
  end)

  it("a message", function()
    local r = assembled "messages"
    local thinking, redacted, text, first, second = unpack(r.content)
    assert.are.same({ 'hm"\n', "S" }, { thinking.thinking, thinking.signature })
    assert.are.same({ "redacted_thinking", "D" }, { redacted.type, redacted.data })
    assert.are.same({ "a\195\188", "https://x.test" }, { text.text, text.citations[1].url })
    assert.are.same({ "t", 1, "u" }, { first.id, first.input.x, second.id })
    assert.is_nil(next(second.input))
    assert.are.same({ "tool_use", 3, 1, 3 },
      { r.stop_reason, r.usage.input_tokens, r.usage.cache_read_input_tokens, r.usage.output_tokens })
  end)

  it("a response", function()
    local r = assembled "responses"
    local thinking, redacted, message, first, second = unpack(r.output)
    assert.are.same({ 'hm"\n', "~wye.anthropic:S" }, { thinking.summary[1].text, thinking.encrypted_content })
    assert.are.equal("~wye.anthropic:!D", redacted.encrypted_content)
    assert.are.same({ "a\195\188", "https://x.test" }, { message.content[1].text, message.content[1].annotations[1].url })
    assert.are.same({ "t", '{"x":1}' }, { first.call_id, first.arguments })
    assert.are.same({ "u", "{}" }, { second.call_id, second.arguments })
    assert.are.same({ "completed", 7 }, { r.status, r.usage.total_tokens })
  end)
end)
