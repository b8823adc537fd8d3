local chat = require "inbound.chat"
local json = require "json"
local wire = require "spec.scripts.wire"

local function read(members)
  members.model = members.model or "m"
  members.messages = members.messages or { { role = "user", content = "hi" } }
  local request, err = chat.read(json.encode(members))
  assert(request, err and err.message)
  return request
end

local PNG = "data:image/png;base64,iVBORw0KGgo="

describe("a chat request", function()
  it("has instructions, turns and texts", function()
    local r = read { messages = {
      { role = "system", content = "one" }, { role = "developer", content = { { type = "text", text = "two" } } },
      { role = "user", content = "hi" }, { role = "assistant", content = "hello" }, { role = "system", content = "late" },
    } }
    assert.are.same({ { type = "text", text = "one" }, { type = "text", text = "two" } }, r.system)
    assert.are.same({
      { role = "user", content = { { type = "text", text = "hi" } } },
      { role = "assistant", content = { { type = "text", text = "hello" } } },
      { role = "system", content = { { type = "text", text = "late" } } },
    }, r.messages)
  end)

  it("has images, files and sounds", function()
    local r = read { messages = { { role = "user", content = {
      { type = "image_url", image_url = { url = PNG, detail = "low" } },
      { type = "image_url", image_url = { url = "https://x.test/a.jpg" } },
      { type = "file", file = { filename = "a.pdf", file_data = "data:application/pdf;base64,AAAA" } },
      { type = "file", file = { file_id = "file-1" } },
      { type = "input_audio", input_audio = { data = "BBBB", format = "mp3" } },
    } } } }
    local parts = r.messages[1].content
    assert.are.same({ type = "image", media = "image/png", data = "iVBORw0KGgo=", detail = "low" }, parts[1])
    assert.are.same({ type = "image", url = "https://x.test/a.jpg" }, parts[2])
    assert.are.same({ type = "document", name = "a.pdf", media = "application/pdf", data = "AAAA" }, parts[3])
    assert.are.equal("raw", parts[4].type)
    assert.are.equal('{"file":{"file_id":"file-1"},"type":"file"}', tostring(parts[4].value))
    assert.are.same({ type = "audio", media = "audio/mpeg", data = "BBBB" }, parts[5])
  end)

  it("gathers the results of parallel calls, under the names of their calls", function()
    local function call(id, name, arguments)
      return { id = id, type = "function", ["function"] = { name = name, arguments = arguments } }
    end
    local r = read { messages = {
      { role = "user", content = "go" },
      { role = "assistant", content = json.null, tool_calls = { call("a", "first", '{"x":1}'), call("b", "second", "") } },
      { role = "tool", tool_call_id = "a", content = "1" }, { role = "tool", tool_call_id = "b", content = "2" },
    } }
    assert.are.same({
      { type = "tool_call", id = "a", name = "first", arguments = '{"x":1}' },
      { type = "tool_call", id = "b", name = "second", arguments = "" },
    }, r.messages[2].content)
    assert.are.same({ role = "user", content = {
      { type = "tool_result", id = "a", name = "first", content = { { type = "text", text = "1" } } },
      { type = "tool_result", id = "b", name = "second", content = { { type = "text", text = "2" } } },
    } }, r.messages[3])
  end)

  it("has tools, with their schemas as they came", function()
    local r = assert(chat.read [[{"model": "m", "messages": [{"role": "user", "content": "x"}], "parallel_tool_calls": false,
      "tools": [{"type": "function",
                 "function": {"name": "f", "strict": true, "parameters": {"type": "object",  "properties": {}}}},
                {"type": "web_search", "size": 1}],
      "tool_choice": {"type": "function", "function": {"name": "f"}}}]])
    assert.are.equal('{"type": "object",  "properties": {}}', tostring(r.tools[1].schema))
    assert.is_true(r.tools[1].strict)
    assert.are.same({ type = "tool", name = "f" }, r.tool_choice)
    assert.is_false(r.parallel_tools)
    assert.are.same({ "web_search" }, r.hosted_tools)
  end)

  it("may allow some tools only", function()
    local function fn(name) return { type = "function", ["function"] = { name = name } } end
    local r = read { tools = { fn "a", fn "b" }, tool_choice = { type = "allowed_tools", allowed_tools = {
      mode = "required", tools = { fn "b" } } } }
    assert.are.same({ { name = "b" } }, r.tools)
    assert.are.same({ type = "required" }, r.tool_choice)
  end)

  it("has parameters, an output format and what only its family understands", function()
    local r = read {
      max_completion_tokens = 5, temperature = 0.5, top_p = 1, seed = 7, n = 2, stop = "END", logprobs = true, top_logprobs = 3,
      reasoning_effort = "high", user = "u", stream = true, stream_options = { include_usage = true }, store = true,
      response_format = { type = "json_schema", json_schema = { name = "s", schema = { type = "object" }, strict = true } },
    }
    assert.are.equal(5, r.max_tokens)
    assert.are.same({ "END" }, r.stop)
    assert.are.same({ effort = "high" }, r.reasoning)
    assert.are.equal("schema", r.output.type)
    assert.are.equal('{"type":"object"}', tostring(r.output.schema))
    assert.is_true(r.stream and r.usage and r.logprobs)
    assert.are.equal("true", tostring(r.extra.members.store))
    assert.is_nil(r.extra.members.seed)
  end)

  it("gives signed thinking back to who signed it", function()
    local r = read { messages = { { role = "user", content = "x" }, {
      role = "assistant", content = "y", reasoning_content = "hm", reasoning_details = {
        { type = "reasoning.text", text = "hm", signature = "S", format = "anthropic-claude-v1" },
        { type = "reasoning.encrypted", data = "D", format = "anthropic-claude-v1" },
      },
    } } }
    assert.are.same({
      { type = "thinking", text = "hm", signature = "S", from = "anthropic" },
      { type = "redacted", data = "D", from = "anthropic" }, { type = "text", text = "y" },
    }, r.messages[2].content)
  end)

  it("may be of the days of functions", function()
    local r = read {
      functions = { { name = "f", parameters = { type = "object" } } }, function_call = { name = "f" }, messages = {
        { role = "user", content = "x" },
        { role = "assistant", content = json.null, function_call = { name = "f", arguments = "{}" } },
        { role = "function", name = "f", content = "1" },
      },
    }
    assert.are.same({ type = "tool", name = "f" }, r.tool_choice)
    assert.are.equal(r.messages[2].content[1].id, r.messages[3].content[1].id)
  end)

  it("that is wrong is refused by the name of the member", function()
    local user = { role = "user", content = "x" }
    local function tool(fn) return { model = "m", messages = { user }, tools = { { type = "function", ["function"] = fn } } } end
    local cases = {
      ["model"] = { messages = { user } },
      ["messages"] = { model = "m" },
      ["messages[0]"] = { model = "m", messages = { "x" } },
      ["messages[0].role"] = { model = "m", messages = { { role = "robot", content = "x" } } },
      ["messages[1].content"] = { model = "m", messages = { user, { role = "user", content = 5 } } },
      ["messages[0].content[0].type"] = { model = "m", messages = { { role = "user", content = { { type = "smell" } } } } },
      ["messages[0].content[0].image_url.url"] = {
        model = "m", messages = { { role = "user", content = { { type = "image_url", image_url = { url = "nonsense" } } } } } },
      ["messages[1].tool_call_id"] = { model = "m", messages = { user, { role = "tool", tool_call_id = "a", content = "x" } } },
      ["temperature"] = { model = "m", messages = { user }, temperature = "hot" },
      ["max_tokens"] = { model = "m", messages = { user }, max_tokens = 0 },
      ["n"] = { model = "m", messages = { user }, n = 1.5 },
      ["stream"] = { model = "m", messages = { user }, stream = "yes" },
      ["tools[0].function.name"] = tool {},
      ["tools[0].function.parameters"] = tool { name = "f", parameters = "x" },
      ["tools[0].function.parameters.properties.a.type"] = tool {
        name = "f", parameters = { type = "object", properties = { a = { type = "text" } } } },
      ["tool_choice.function.name"] = {
        model = "m", messages = { user }, tool_choice = { type = "function", ["function"] = { name = "g" } } },
      ["response_format.json_schema.schema.anyOf[1]"] = { model = "m", messages = { user }, response_format = {
        type = "json_schema", json_schema = { name = "s", schema = { anyOf = { { type = "null" }, 5 } } } } },
      ["response_format.type"] = { model = "m", messages = { user }, response_format = { type = "yaml" } },
      ["reasoning_effort"] = { model = "m", messages = { user }, reasoning_effort = "huge" },
    }
    for param, request in pairs(cases) do
      local named, message = wire.refused(chat, request)
      assert.are.equal(param, named)
      assert.is_truthy(message:find(param, 1, true), message)
    end
    assert.is_nil((wire.refused(chat, "{")))
  end)

  it("may not hold images of more than 20 MB", function()
    local function sized(bytes)
      return { model = "m", messages = { { role = "user", content = { { type = "image_url", image_url = {
        url = "data:image/png;base64," .. ("A"):rep(bytes / 3 * 4) } } } } } }
    end
    assert.is_truthy(chat.read(json.encode(sized(20 * 1024 * 1024 - 2))))
    local param, message = wire.refused(chat, sized(20 * 1024 * 1024 + 1))
    assert.are.equal("messages[0].content[0].image_url.url", param)
    assert.is_truthy(message:find "20971521 bytes, 20971520 at most")
  end)

  it("is read as others recorded it", function()
    local names = wire.recorded "*/chat-*"
    if not names then return pending "no ../shared" end
    for _, name in ipairs(names) do
      local request, err = chat.read(wire.slurp(name))
      assert.is_truthy(request, name .. ": " .. (err and err.message or ""))
      assert.is_true(#request.messages > 0, name)
    end
  end)
end)

local function answer(content, more)
  local reply = { id = "msg_1", model = "p", created = 9, choices = { { content = content, stop = "stop" } } }
  for name, value in pairs(more or {}) do reply[name] = value end
  return json.decode(chat.reply(reply, read {}))
end

describe("a chat reply", function()
  it("has its text, its usage with cached and reasoning tokens, and ids of its kind", function()
    local r = answer({ { type = "text", text = "a" }, { type = "text", text = "b" } },
      { usage = { input = 1, cache_read = 2, cache_write = 4, output = 8, reasoning = 16 } })
    assert.are.equal("chatcmpl-1", r.id)
    assert.are.equal("ab", r.choices[1].message.content)
    assert.are.equal("stop", r.choices[1].finish_reason)
    assert.are.equal(7, r.usage.prompt_tokens)
    assert.are.equal(24, r.usage.completion_tokens)
    assert.are.equal(31, r.usage.total_tokens)
    assert.are.equal(2, r.usage.prompt_tokens_details.cached_tokens)
    assert.are.equal(16, r.usage.completion_tokens_details.reasoning_tokens)
  end)

  it("has calls, thinking, refusals and links", function()
    local m = answer {
      { type = "thinking", text = "hm", signature = "S", from = "anthropic" },
      { type = "text", text = "grün", citations = { { url = "https://x.test", title = "X" }, { text = "no link" } } },
      { type = "refusal", text = "no" },
      { type = "tool_call", id = "a", name = "f", arguments = "" },
      { type = "tool_call", id = "b", name = "g", arguments = "{}", signature = "T", from = "gemini" },
    }.choices[1]
    assert.are.equal("tool_calls", m.finish_reason)
    assert.are.equal("hm", m.message.reasoning_content)
    assert.are.same({ type = "reasoning.text", text = "hm", signature = "S", format = "anthropic-claude-v1", index = 0 },
      m.message.reasoning_details[1])
    assert.are.equal("{}", m.message.tool_calls[1]["function"].arguments)
    assert.are.equal("T", m.message.tool_calls[2].extra_content.google.thought_signature)
    local cited = m.message.annotations[1].url_citation
    assert.are.same({ url = "https://x.test", title = "X", start_index = 0, end_index = 4 }, cited)
    assert.are.equal(1, #m.message.annotations)
    assert.are.equal("no", m.message.refusal)
  end)

  it("gives plain text to a tool that wants it", function()
    local request = read { tools = { { type = "custom", custom = { name = "patch" } } } }
    local made = { type = "tool_call", id = "a", name = "patch", arguments = '{"input":"x\\ny"}' }
    local reply = { choices = { { content = { made } } } }
    local call = json.decode(chat.reply(reply, request)).choices[1].message.tool_calls[1]
    assert.are.same({ id = "a", type = "custom", custom = { name = "patch", input = "x\ny" } }, call)
  end)
end)

local function deltas(events, request)
  local list = wire.encoded(chat, request or read { stream = true }, events)
  assert.are.equal("[DONE]", list[#list].data)
  local out = {}
  for i = 1, #list - 1 do out[i] = list[i].data end
  return out
end

describe("a chat stream", function()
  it("has the role first, then text, the reason, and the usage only when asked for", function()
    local events = {
      { type = "start", id = "msg_1", model = "p", created = 9 }, { type = "start", id = "again" }, { type = "text", text = "a" },
      { type = "text", text = "b" }, { type = "stop", reason = "length" }, { type = "usage", usage = { input = 3, output = 2 } },
    }
    local plain = deltas(events)
    assert.are.equal("assistant", plain[1].choices[1].delta.role)
    assert.are.equal("a", plain[2].choices[1].delta.content)
    assert.are.equal("b", plain[3].choices[1].delta.content)
    assert.are.equal("length", plain[4].choices[1].finish_reason)
    assert.are.equal(4, #plain)
    assert.are.equal("chatcmpl-1", plain[4].id)
    assert.is_nil(plain[4].usage)
    local asked = deltas(events, read { stream = true, stream_options = { include_usage = true } })
    assert.are.equal(json.null, asked[4].usage)
    assert.are.same({}, { unpack(asked[5].choices) })
    assert.are.equal(5, asked[5].usage.total_tokens)
  end)

  it("numbers calls, and gives those without arguments an empty object", function()
    local list = deltas {
      { type = "tool", index = 0, id = "a", name = "f" }, { type = "arguments", index = 0, text = '{"x"' },
      { type = "tool", index = 1, id = "b", name = "g" }, { type = "arguments", index = 0, text = ":1}" },
      { type = "arguments", index = 1, text = "" }, { type = "stop", reason = "stop" },
    }
    local arguments = { "", "" }
    for _, chunk in ipairs(list) do
      for _, call in ipairs(chunk.choices[1].delta.tool_calls or {}) do
        arguments[call.index + 1] = arguments[call.index + 1] .. call["function"].arguments
      end
    end
    assert.are.same({ '{"x":1}', "{}" }, arguments)
    assert.are.equal("a", list[2].choices[1].delta.tool_calls[1].id)
    assert.are.equal("tool_calls", list[#list].choices[1].finish_reason)
  end)

  it("carries thinking, and what signs it whole", function()
    local list = deltas {
      { type = "thinking", text = "h" }, { type = "thinking", text = "m" },
      { type = "signature", text = "S", from = "anthropic" },
      { type = "redacted", data = "D", from = "anthropic" }, { type = "text", text = "x" },
      { type = "stop", reason = "stop" },
    }
    assert.are.equal("h", list[2].choices[1].delta.reasoning_content)
    local entry = list[4].choices[1].delta.reasoning_details[1]
    assert.are.same({ type = "reasoning.text", text = "hm", signature = "S", format = "anthropic-claude-v1", index = 0 }, entry)
    assert.are.equal(1, list[5].choices[1].delta.reasoning_details[1].index)
  end)

  it("keeps several choices apart", function()
    local list = deltas {
      { type = "text", text = "a", choice = 1 }, { type = "text", text = "b" },
      { type = "stop", reason = "stop", choice = 1 },
      { type = "stop", reason = "length" },
    }
    local reasons = {}
    for _, chunk in ipairs(list) do
      local choice = chunk.choices[1]
      if choice.finish_reason ~= json.null then reasons[choice.index] = choice.finish_reason end
    end
    assert.are.same({ [0] = "length", [1] = "stop" }, reasons)
  end)

  it("ends well when the provider's did not", function()
    local list = deltas { { type = "text", text = "a" } }
    assert.are.equal("stop", list[#list].choices[1].finish_reason)
    assert.are.equal("stop", deltas {}[2].choices[1].finish_reason)
  end)
end)
