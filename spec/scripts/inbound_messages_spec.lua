local messages = require "inbound.messages"
local json = require "json"
local wire = require "spec.scripts.wire"

local function read(members)
  members.model, members.max_tokens = members.model or "m", members.max_tokens or 10
  members.messages = members.messages or { { role = "user", content = "hi" } }
  local request, err = messages.read(json.encode(members))
  assert(request, err and err.message)
  return request
end

local function parts_of(...)
  return read({ messages = { { role = "user", content = { ... } } } }).messages[1].content
end

describe("a messages request", function()
  it("has instructions and turns, as text or as blocks", function()
    local r = read {
      system = { { type = "text", text = "one", cache_control = { type = "ephemeral" } } }, messages = {
        { role = "user", content = "hi" }, { role = "assistant", content = { { type = "text", text = "hello" } } },
      },
    }
    assert.are.equal("one", r.system[1].text)
    assert.are.equal('{"type":"ephemeral"}', tostring(r.system[1].cache))
    assert.are.same({ role = "user", content = { { type = "text", text = "hi" } } }, r.messages[1])
    assert.are.same({ { type = "text", text = "plain" } }, read({ system = "plain" }).system)
    assert.are.equal(10, r.max_tokens)
  end)

  it("has images, documents and search results", function()
    local parts = parts_of(
      { type = "image", source = { type = "base64", media_type = "image/png", data = "AAAA" } },
      { type = "image", source = { type = "url", url = "https://x.test/a.png" } },
      { type = "image", source = { type = "file", file_id = "file_1" } },
      { type = "document", title = "T", context = "C", citations = { enabled = true },
        source = { type = "base64", media_type = "application/pdf", data = "BBBB" } },
      { type = "document", source = { type = "text", media_type = "text/plain", data = "words" } },
      { type = "search_result", title = "S", source = "https://s.test", content = {
        { type = "text", text = "a" }, { type = "text", text = "b" } } })
    assert.are.same({ type = "image", media = "image/png", data = "AAAA" }, parts[1])
    assert.are.same({ type = "image", url = "https://x.test/a.png" }, parts[2])
    assert.are.equal("raw", parts[3].type)
    assert.are.same({
      type = "document", name = "T", context = "C", citations = true, media = "application/pdf", data = "BBBB",
    }, parts[4])
    assert.are.same({ type = "document", media = "text/plain", text = "words" }, parts[5])
    assert.are.same({
      type = "document", name = "S", context = "https://s.test", media = "text/plain", text = "a\n\nb",
    }, parts[6])
  end)

  it("has calls with their input as it came, and results with errors and images", function()
    local r = assert(messages.read [[{"model": "m", "max_tokens": 1, "messages": [
      {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {"x":  1}}]},
      {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "is_error": true, "content": [
        {"type": "text", "text": "no"}, {"type": "image", "source": {"type": "url", "url": "https://x.test/a"}}]}]}]}]])
    assert.are.same({ type = "tool_call", id = "a", name = "f", arguments = '{"x":  1}' }, r.messages[1].content[1])
    assert.are.same({
      type = "tool_result", id = "a", name = "f", is_error = true,
      content = { { type = "text", text = "no" }, { type = "image", url = "https://x.test/a" } },
    }, r.messages[2].content[1])
  end)

  it("has tools of its own and of Anthropic's, and a choice", function()
    local r = read {
      tools = {
        { name = "f", description = "d", input_schema = { type = "object" } },
        { type = "web_search_20250305", name = "web_search" },
      },
      tool_choice = { type = "any", disable_parallel_tool_use = true },
    }
    assert.are.equal("f", r.tools[1].name)
    assert.are.equal('{"type":"object"}', tostring(r.tools[1].schema))
    assert.are.same({ "web_search_20250305" }, r.hosted_tools)
    assert.are.same({ type = "required" }, r.tool_choice)
    assert.is_false(r.parallel_tools)
    assert.are.same({ type = "tool", name = "f" }, read({ tool_choice = { type = "tool", name = "f" } }).tool_choice)
  end)

  it("has thinking, effort, a form of output, and what only its family understands", function()
    assert.are.same({ budget = 2048, show = true }, read({ thinking = { type = "enabled", budget_tokens = 2048 } }).reasoning)
    local r = read {
      thinking = { type = "adaptive", display = "omitted" }, stop_sequences = { "END" }, top_k = 3, metadata = { user_id = "u" },
      output_config = { effort = "max", format = { type = "json_schema", schema = { type = "object" } } }, container = "c",
    }
    assert.are.same({ adaptive = true, effort = "max", show = false }, r.reasoning)
    assert.are.equal('{"type":"object"}', tostring(r.output.schema))
    assert.are.same({ "END" }, r.stop)
    assert.are.equal("u", r.user)
    assert.are.equal('"c"', tostring(r.extra.members.container))
    assert.is_nil(read({ thinking = { type = "disabled" } }).reasoning)
  end)

  it("gives signatures back to who made them", function()
    local r = read { messages = { { role = "assistant", content = {
      { type = "thinking", thinking = "a", signature = "A" }, { type = "thinking", thinking = "n", signature = "~wye.none:" },
      { type = "redacted_thinking", data = "~wye.openai:D" },
      { type = "thinking", thinking = "", signature = "~wye.gemini:G" }, { type = "tool_use", id = "c", name = "f", input = {} },
    } } } }
    assert.are.same({
      { type = "thinking", text = "a", signature = "A", from = "anthropic" }, { type = "thinking", text = "n" },
      { type = "redacted", data = "D", from = "openai" },
      { type = "tool_call", id = "c", name = "f", arguments = "{}", signature = "G", from = "gemini" },
    }, r.messages[1].content)
  end)

  it("that is wrong is refused by the name of the member", function()
    local function with(members)
      members.model, members.max_tokens = "m", 5
      members.messages = members.messages or { { role = "user", content = "x" } }
      return members
    end
    local function user(...) return with { messages = { { role = "user", content = { ... } } } } end
    local cases = {
      ["max_tokens"] = { model = "m", messages = { { role = "user", content = "x" } } },
      ["model"] = { max_tokens = 1, messages = { { role = "user", content = "x" } } },
      ["messages"] = { model = "m", max_tokens = 1 },
      ["messages.0.role"] = with { messages = { { role = "robot", content = "x" } } },
      ["messages.0.content"] = with { messages = { { role = "user", content = 5 } } },
      ["messages.0.content.0.type"] = user { type = "smell" },
      ["messages.0.content.0.text"] = user { type = "text" },
      ["messages.0.content.0.source.media_type"] = user {
        type = "image", source = { type = "base64", media_type = "image/bmp", data = "A" } },
      ["messages.0.content.0.source.data"] = user {
        type = "image", source = { type = "base64", media_type = "image/png", data = ("A"):rep(7 * 1024 * 1024) } },
      ["messages.0.content.0.tool_use_id"] = user { type = "tool_result", tool_use_id = "a", content = "x" },
      ["temperature"] = with { temperature = "hot" },
      ["tools.0.input_schema"] = with { tools = { { name = "f" } } },
      ["tools.0.input_schema.type"] = with { tools = { { name = "f", input_schema = { type = "text" } } } },
      ["tool_choice.type"] = with { tool_choice = { type = "perhaps" } },
      ["thinking.budget_tokens"] = with { thinking = { type = "enabled", budget_tokens = 5 } },
      ["stop_sequences.0"] = with { stop_sequences = { 5 } },
    }
    for param, request in pairs(cases) do
      local named, message = wire.refused(messages, request)
      assert.are.equal(param, named)
      assert.is_truthy(message:find(param, 1, true), message)
    end
  end)

  it("takes instructions between the turns, which are text alone", function()
    local later = { { role = "user", content = "x" }, { role = "system", content = "y" } }
    assert.are.same({ role = "system", content = { { type = "text", text = "y" } } }, read({ messages = later }).messages[2])
    later[2].content = { { type = "image", source = { type = "url", url = "https://x.test" } } }
    assert.are.equal("messages.1.content.0.type", (wire.refused(messages, { model = "m", max_tokens = 9, messages = later })))
  end)

  it("is read as others recorded it", function()
    local names = wire.recorded "anthropic/messages-*"
    if not names then return pending "no ../shared" end
    for _, name in ipairs(names) do
      local request, err = messages.read(wire.slurp(name))
      assert.is_truthy(request, name .. ": " .. (err and err.message or ""))
    end
  end)
end)

local function answer(content, stop, more)
  local reply = { id = "chatcmpl-1", model = "p", choices = { { content = content, stop = stop or "stop" } } }
  for name, value in pairs(more or {}) do reply[name] = value end
  return json.decode(messages.reply(reply, read {}))
end

describe("a messages reply", function()
  it("has its blocks, its reason and its usage in Anthropic's buckets", function()
    local r = answer({
      { type = "thinking", text = "hm", signature = "S", from = "anthropic" }, { type = "text", text = "a" },
      { type = "tool_call", id = "c", name = "f", arguments = '{"x":1}' },
      { type = "tool_call", id = "d", name = "g", arguments = "" },
      { type = "tool_call", id = "e", name = "h", arguments = "oops" },
    }, "tool_calls", { usage = { input = 1, cache_read = 2, cache_write = 4, output = 8, reasoning = 16 } })
    assert.are.equal("msg_1", r.id)
    assert.are.same({ type = "thinking", thinking = "hm", signature = "S" }, r.content[1])
    assert.are.same({ type = "text", text = "a" }, r.content[2])
    assert.are.same({ type = "tool_use", id = "c", name = "f", input = { x = 1 } }, r.content[3])
    assert.are.same({}, r.content[4].input)
    assert.are.same({ arguments = "oops" }, r.content[5].input)
    assert.are.equal("tool_use", r.stop_reason)
    assert.are.same({
      input_tokens = 1, output_tokens = 24, cache_read_input_tokens = 2, cache_creation_input_tokens = 4,
    }, r.usage)
  end)

  it("says every reason", function()
    local reasons = {
      stop = "end_turn", length = "max_tokens", tool_calls = "tool_use", content_filter = "refusal", refusal = "refusal",
      pause = "pause_turn", stop_sequence = "stop_sequence",
    }
    for reason, word in pairs(reasons) do
      assert.are.equal(word, answer({ { type = "text", text = "x" } }, reason).stop_reason)
    end
    assert.are.equal("refusal", answer({ { type = "refusal", text = "no" } }).stop_reason)
  end)

  it("keeps a signature whose thinking is not shown", function()
    local r = answer { { type = "thinking", text = "", signature = "S", from = "anthropic" }, { type = "text", text = "" } }
    assert.are.equal(1, #r.content)
    assert.are.same({ type = "thinking", thinking = "", signature = "S" }, r.content[1])
  end)

  it("marks what others signed, and links", function()
    local r = answer {
      { type = "thinking", text = "hm" }, { type = "redacted", data = "D", from = "openai" },
      { type = "text", text = "a", citations = { { url = "https://x.test", title = "X", text = "cited" } } },
      { type = "tool_call", id = "c", name = "f", arguments = "{}", signature = "G", from = "gemini" },
    }
    assert.are.equal("~wye.none:", r.content[1].signature)
    assert.are.equal("~wye.openai:D", r.content[2].data)
    assert.are.equal("https://x.test", r.content[3].citations[1].url)
    assert.are.same({ type = "thinking", thinking = "", signature = "~wye.gemini:G" }, r.content[4])
  end)
end)

-- The message that a client puts together, as Anthropic's SDKs do.
local function assembled(events)
  local message, partial = nil, {}
  for _, e in ipairs(wire.encoded(messages, read { stream = true }, events)) do
    local d = e.data
    assert.are.equal(e.event, d.type)
    if d.type == "message_start" then
      assert.is_nil(message)
      message = d.message
    elseif d.type == "content_block_start" then
      assert.are.equal(#message.content, d.index)
      table.insert(message.content, d.content_block)
    elseif d.type == "content_block_delta" then
      local block, delta = message.content[d.index + 1], d.delta
      if delta.text then block.text = block.text .. delta.text end
      if delta.thinking then block.thinking = block.thinking .. delta.thinking end
      if delta.signature then block.signature = delta.signature end
      if delta.partial_json then partial[d.index] = (partial[d.index] or "") .. delta.partial_json end
      if delta.citation then block.cited = delta.citation.url end
    elseif d.type == "message_delta" then
      message.stop_reason, message.usage = d.delta.stop_reason, d.usage
    end
  end
  for index, text in pairs(partial) do message.content[index + 1].input = text end
  return message
end

describe("a messages stream", function()
  it("has blocks one after the other", function()
    local m = assembled {
      { type = "start", id = "x", model = "p", usage = { input = 3 } }, { type = "start", id = "again" },
      { type = "thinking", text = "h" }, { type = "thinking", text = "m" },
      { type = "signature", text = "S", from = "anthropic" },
      { type = "redacted", data = "D", from = "anthropic" }, { type = "text", text = "a" }, { type = "text", text = "b" },
      { type = "citation", url = "https://x.test" }, { type = "text", text = "c" },
      { type = "tool", index = 0, id = "t", name = "f" }, { type = "arguments", index = 0, text = '{"x"' },
      { type = "tool", index = 1, id = "u", name = "g" }, { type = "arguments", index = 0, text = ":1}" },
      { type = "stop", reason = "tool_calls" }, { type = "usage", usage = { input = 3, output = 2, reasoning = 1 } },
    }
    assert.are.equal("msg_x", m.id)
    assert.are.same({ type = "thinking", thinking = "hm", signature = "S" }, m.content[1])
    assert.are.same({ type = "redacted_thinking", data = "D" }, m.content[2])
    assert.are.same({ type = "text", text = "ab", cited = "https://x.test" }, m.content[3])
    assert.are.same({ type = "text", text = "c" }, m.content[4])
    assert.are.same({ type = "tool_use", id = "t", name = "f", input = '{"x":1}' }, m.content[5])
    assert.are.same({ type = "tool_use", id = "u", name = "g", input = "" }, m.content[6])
    assert.are.equal("tool_use", m.stop_reason)
    assert.are.equal(3, m.usage.output_tokens)
  end)

  it("is well-formed in order", function()
    local names = {}
    for i, e in ipairs(wire.encoded(messages, read {}, { { type = "text", text = "a" }, { type = "stop", reason = "stop" } })) do
      names[i] = e.event
    end
    assert.are.same({
      "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop",
    }, names)
  end)

  it("signs for those who do not, and marks what others sign", function()
    local m = assembled {
      { type = "thinking", text = "h" }, { type = "text", text = "a" },
      { type = "tool", index = 0, id = "t", name = "f", signature = "G", from = "gemini" }, { type = "stop", reason = "stop" },
    }
    assert.are.equal("~wye.none:", m.content[1].signature)
    assert.are.same({ type = "thinking", thinking = "", signature = "~wye.gemini:G" }, m.content[3])
    assert.are.equal("tool_use", m.stop_reason)
  end)

  it("ends well when the provider's did not", function()
    assert.are.equal("end_turn", assembled({}).stop_reason)
    assert.are.equal("a", assembled({ { type = "text", text = "a" } }).content[1].text)
  end)
end)
