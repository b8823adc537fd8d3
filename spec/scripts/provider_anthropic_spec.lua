local json = require "json"
local anthropic = require "provider.anthropic"
local outgoing = require "spec.scripts.outgoing"
local text, user, assistant = outgoing.text, outgoing.user, outgoing.assistant

local NEW, OLD = "claude-sonnet-4-5", "claude-3-5-haiku-20241022"

local function sent(request, name, stream)
  local body, dropped, path = outgoing.sent(anthropic, request, { name = name or NEW, stream = stream })
  assert.are.equal("/v1/messages", path)
  return body, dropped
end

local cache = json.raw '{"type":"ephemeral"}'

describe("anthropic's request", function()
  it("has a limit, the client's or the model's", function()
    assert.are.equal(9, sent({ max_tokens = 9 }).max_tokens)
    for name, limit in pairs {
      ["claude-3-opus-20240229"] = 4096, [OLD] = 8192, ["claude-3-7-sonnet-latest"] = 64000, ["claude-opus-4-20250514"] = 32000,
      ["claude-opus-4-1"] = 32000, ["claude-opus-4-6"] = 64000, ["anthropic.claude-sonnet-5-v1:0"] = 64000, mystery = 8192,
    } do
      assert.are.equal(limit, sent({}, name).max_tokens, name)
    end
  end)

  it("streams when asked", function()
    assert.is_true(sent({}, NEW, true).stream)
    assert.is_nil(sent({}).stream)
  end)

  it("keeps system and cache control apart from the turns", function()
    local body, dropped = sent { system = { { type = "text", text = "a", cache = cache }, text "b" } }
    assert.are.same({ { type = "text", text = "a", cache_control = { type = "ephemeral" } }, text "b" }, body.system)
    assert.are.same({}, dropped)
  end)

  it("joins turns of one role and hands later instructions to the user", function()
    local body, dropped = sent { messages = {
      user(text "a"), user(text "b", text "  "), { role = "system", content = { text "be brief" } }, assistant(text "c"),
        assistant(text "d  "),
    } }
    assert.are.same({
      user(text "a", text "b", text "<system>\nbe brief\n</system>"), assistant(text "c", text "d"),
    }, body.messages)
    assert.is_string(dropped["later system messages"])
  end)

  it("lets the user begin, be there nothing but instructions", function()
    assert.are.same({ user(text "Continue."), assistant(text "so"), user(text "on") },
      sent({ messages = { assistant(text "so"), user(text "on") } }).messages)
    local body = sent { system = { text "tell a joke" }, messages = {} }
    assert.are.same({ user(text "tell a joke") }, body.messages)
    assert.is_nil(body.system)
  end)

  it("carries images and documents", function()
    local body, dropped = sent { messages = { user(
      { type = "image", media = "image/png", data = "AAAA", detail = "high" }, { type = "image", url = "https://x.test/a.jpg" },
      { type = "document", media = "application/pdf", data = "BBBB", name = "n", context = "c", citations = true },
      { type = "document", text = "words" }, { type = "document", url = "https://x.test/a.pdf" }
    ) } }
    local content = body.messages[1].content
    assert.are.same({ type = "base64", media_type = "image/png", data = "AAAA" }, content[1].source)
    assert.are.same({ type = "url", url = "https://x.test/a.jpg" }, content[2].source)
    assert.are.same({
      type = "document", title = "n", context = "c", citations = { enabled = true },
      source = { type = "base64", media_type = "application/pdf", data = "BBBB" },
    }, content[3])
    assert.are.same({ type = "text", media_type = "text/plain", data = "words" }, content[4].source)
    assert.are.same({ type = "url", url = "https://x.test/a.pdf" }, content[5].source)
    assert.is_string(dropped["image.detail"])
    local ok, err = pcall(sent, { messages = { user { type = "audio", media = "audio/wav", data = "A" } } })
    assert.is_false(ok)
    assert.is_truthy(err.message:find "audio")
  end)

  it("puts calls and results where they belong", function()
    local body = sent {
      tools = { { name = "f", schema = json.raw '{"type":"object"}' } },
      messages = {
        user(text "go"),
        assistant({ type = "tool_call", id = "call.1", name = "f", arguments = '{"b":1,"a":[]}' }, { type = "tool_call",
          id = "2", name = "f", arguments = "" }),
        user(text "look", { type = "tool_result", id = "call.1", content = { text "one" } }),
        user({ type = "tool_result", id = "2", content = {}, is_error = true }),
      },
    }
    local call, other = body.messages[2].content[1], body.messages[2].content[2]
    assert.are.same({ "tool_use", "call_1", "f" }, { call.type, call.id, call.name })
    assert.are.equal('{"a":[],"b":1}', json.encode(call.input))
    assert.are.equal("{}", json.encode(other.input))
    assert.are.same({
      { type = "tool_result", tool_use_id = "call_1", content = { text "one" } }, { type = "tool_result",
        tool_use_id = "2", is_error = true },
      text "look",
    }, body.messages[3].content)
  end)

  it("wraps arguments that are no object", function()
    local body = sent { messages = { assistant { type = "tool_call", id = "1", name = "f", arguments = '{"cut' } } }
    assert.are.same({ arguments = '{"cut' }, body.messages[2].content[1].input)
  end)

  it("declares the tools of calls that nobody declared", function()
    local body = sent { messages = { user(text "go"), assistant { type = "tool_call", id = "1", name = "f", arguments = "{}" } } }
    assert.are.same({ "f", "object" }, { body.tools[1].name, body.tools[1].input_schema.type })
    assert.are.same({ type = "none" }, body.tool_choice)
  end)

  it("says which tools may be called, and whether together", function()
    local tools = { { name = "f" }, { name = "g", schema = json.raw '{"properties":{}}', cache = cache } }
    local body = sent { tools = tools, tool_choice = { type = "tool", name = "g" }, parallel_tools = false }
    assert.are.same({ type = "tool", name = "g", disable_parallel_tool_use = true }, body.tool_choice)
    assert.are.equal("object", body.tools[2].input_schema.type)
    assert.are.same({ type = "ephemeral" }, body.tools[2].cache_control)
    assert.are.same({ type = "any" }, sent({ tools = tools, tool_choice = { type = "required" } }).tool_choice)
    assert.are.same({ type = "auto", disable_parallel_tool_use = true }, sent({ tools = tools,
      parallel_tools = false }).tool_choice)
    assert.is_nil(sent({ tools = tools }).tool_choice)
  end)

  it("sends thoughts back to their maker only", function()
    local body, dropped = sent { messages = { user(text "a"), assistant(
      { type = "thinking", text = "mine", signature = "s", from = "anthropic" }, { type = "redacted", data = "d",
        from = "anthropic" },
      { type = "thinking", text = "other", signature = "s", from = "gemini" }, { type = "thinking", text = "bare" }, text "so"
    ), user(text "b") } }
    assert.are.same({
      { type = "thinking", thinking = "mine", signature = "s" }, { type = "redacted_thinking", data = "d" }, text "so",
    }, body.messages[2].content)
    assert.is_string(dropped.thinking)
  end)

  it("keeps raw parts of its own family and drops an assistant's others", function()
    local body, dropped = sent { messages = { user(text "a"), assistant(
      { type = "raw", family = "messages", value = json.raw '{"type":"server_tool_use"}' }, { type = "raw",
        family = "gemini", value = json.raw "{}" },
      text "so"
    ), user(text "b") } }
    assert.are.same({ { type = "server_tool_use" }, text "so" }, body.messages[2].content)
    assert.is_string(dropped["content that only gemini providers know"])
  end)

  it("clamps and drops what it takes no part of", function()
    local body, dropped = sent {
      temperature = 1.7, top_k = 5, n = 3, seed = 1, logprobs = true, frequency_penalty = 1, stop = { "a", "b", "c", "d",
        "e" }, user = "u",
      service_tier = "priority", extra = { family = "chat", members = { modalities = json.raw "[]" } },
    }
    assert.are.same({ 1, 5 }, { body.temperature, body.top_k })
    assert.are.equal(5, #body.stop_sequences)
    assert.are.same({ user_id = "u" }, body.metadata)
    for _, what in ipairs { "temperature", "n", "seed", "logprobs", "frequency_penalty", "service_tier", "modalities" } do
      assert.is_string(dropped[what], what)
    end
  end)

  it("takes one of temperature and top_p, or neither, as the model wants", function()
    local asked = { temperature = 0.5, top_p = 0.9, top_k = 3 }
    local body = sent(asked, OLD)
    assert.are.same({ 0.5, 0.9 }, { body.temperature, body.top_p })
    local later, dropped = sent(asked)
    assert.are.equal(0.5, later.temperature)
    assert.is_nil(later.top_p)
    assert.is_string(dropped.top_p)
    local newest = sent(asked, "claude-opus-4-7")
    assert.are.same({}, { newest.temperature, newest.top_p, newest.top_k })
  end)
end)

describe("anthropic's thinking", function()
  it("is a budget that fits", function()
    local function thinking(reasoning, max, name) return sent({ reasoning = reasoning, max_tokens = max }, name).thinking end
    assert.are.same({ type = "enabled", budget_tokens = 8192 }, thinking({ effort = "medium" }, 20000))
    assert.are.same({ type = "enabled", budget_tokens = 3000 }, thinking({ budget = 3000 }, 20000))
    assert.are.same({ type = "enabled", budget_tokens = 1024 }, thinking({ budget = 10 }, 20000))
    assert.are.same({ type = "enabled", budget_tokens = 2500 }, thinking({ effort = "high" }, 5000))
    assert.are.same({ type = "disabled" }, thinking({ effort = "none" }, 5000))
    assert.is_nil(thinking({ effort = "high" }, 1500))
    assert.is_nil(thinking({ effort = "high" }, 20000, OLD))
    assert.is_nil(thinking(nil, 20000))
  end)

  it("is adaptive for models that choose themselves", function()
    local body = sent({ reasoning = { budget = 31999, show = true } }, "claude-opus-4-6")
    assert.are.same({ { type = "adaptive" }, { effort = "high" } }, { body.thinking, body.output_config })
    local later = sent({ reasoning = { adaptive = true, show = true } }, "claude-opus-4-7")
    assert.are.same({ type = "adaptive", display = "summarized" }, later.thinking)
    assert.is_nil(later.output_config)
    assert.are.same({ effort = "xhigh" }, sent({ reasoning = { effort = "xhigh" } }, "claude-opus-4-7").output_config)
    local highest, dropped = sent({ reasoning = { effort = "xhigh" } }, "claude-opus-4-6")
    assert.are.same({ effort = "high" }, highest.output_config)
    assert.is_string(dropped["reasoning.effort"])
  end)

  it("excludes sampling", function()
    local body, dropped = sent { reasoning = { effort = "low" }, temperature = 0.2, top_p = 0.5, top_k = 4 }
    assert.are.same({}, { body.temperature, body.top_p, body.top_k })
    assert.is_string(dropped.temperature)
    assert.is_string(dropped.top_p)
  end)

  it("gives way to a forced tool, and to results after a turn without a thought", function()
    local reasoning, tools = { effort = "low" }, { { name = "f" } }
    local body, dropped = sent { reasoning = reasoning, tools = tools, tool_choice = { type = "required" } }
    assert.is_nil(body.thinking)
    assert.is_string(dropped.reasoning)
    local call, result = { type = "tool_call", id = "1", name = "f", arguments = "{}" }, user { type = "tool_result",
      id = "1", content = {} }
    assert.is_nil(sent({ reasoning = reasoning, tools = tools, messages = { user(text "a"), assistant(call), result } }).thinking)
    local thought = { type = "thinking", text = "", signature = "s", from = "anthropic" }
    assert.is_table(sent({ reasoning = reasoning, tools = tools, messages = { user(text "a"), assistant(thought, call),
      result } }).thinking)
  end)
end)

describe("an answer by schema", function()
  local simple = json.raw '{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}'

  it("is native where the model and the schema allow it", function()
    local body = sent { output = { type = "schema", schema = simple, strict = true } }
    assert.are.equal("json_schema", body.output_config.format.type)
    assert.is_nil(body.tools)
  end)

  it("keeps the order of the schema's members", function()
    local _, raw = anthropic.request({ messages = {}, output = { type = "schema", schema = simple, strict = true } },
      { name = NEW }, error)
    assert.is_truthy(raw:find(tostring(simple), 1, true))
  end)

  it("is a forced tool otherwise", function()
    for _, output in ipairs {
      { type = "schema", schema = simple }, { type = "schema", schema = json.raw '{"type":"object","minimum":1}', strict = true },
    } do
      local body = sent { output = output }
      assert.are.equal("json_output", body.tools[1].name)
      assert.are.same({ type = "tool", name = "json_output" }, body.tool_choice)
      assert.is_nil(body.output_config)
    end
    assert.is_nil(sent({ output = { type = "schema", schema = simple, strict = true } }, OLD).output_config)
  end)

  it("leaves the client's own tools a chance", function()
    local request = { tools = { { name = "json_output" } }, output = { type = "schema", schema = simple } }
    local body = sent(request)
    assert.are.same({ "json_output", "json_output_" }, { body.tools[1].name, body.tools[2].name })
    assert.are.same({ type = "any" }, body.tool_choice)
    assert.are.equal(1, #request.tools)
  end)

  local request = { messages = {}, output = { type = "schema", schema = simple } }

  it("becomes text again", function()
    local reply = anthropic.reply(json.encode {
      content = { { type = "tool_use", id = "1", name = "json_output", input = { a = "x" } } }, stop_reason = "tool_use",
    }, request)
    assert.are.same({ { type = "text", text = '{"a":"x"}' } }, reply.choices[1].content)
    assert.are.equal("stop", reply.choices[1].stop)
  end)

  it("becomes text again in a stream, beside a call", function()
    local decode, out = anthropic.stream(request), {}
    local function feed(event)
      for _, said in ipairs(decode(event.type, json.encode(event))) do
        out[#out + 1] = said.type .. " " .. (said.index or said.reason or "") .. (said.text or "")
      end
    end
    local function call(index, name, fragment)
      feed { type = "content_block_start", index = index, content_block = { type = "tool_use", id = "t" .. index,
        name = name, input = {} } }
      feed { type = "content_block_delta", index = index, delta = { type = "input_json_delta", partial_json = fragment } }
      feed { type = "content_block_stop", index = index }
    end
    call(0, "json_output", '{"a":1}')
    call(1, "f", "{}")
    feed { type = "message_delta", delta = { stop_reason = "tool_use" } }
    assert.are.same({ 'text {"a":1}', "tool 0", "arguments 0{}", "stop tool_calls" }, out)
  end)

  it("is an instruction when any JSON will do", function()
    local body = sent { system = { text "a" }, output = { type = "json" } }
    assert.is_truthy(body.system[2].text:find "JSON")
  end)
end)

describe("anthropic's stream", function()
  local function events(list)
    local decode, out = anthropic.stream {}, {}
    for _, event in ipairs(list) do
      for _, said in ipairs(decode(event.type, json.encode(event))) do out[#out + 1] = said end
    end
    return out
  end

  it("gives whole arguments where no fragments come", function()
    local block = { type = "tool_use", id = "1", name = "f", input = { a = 1 } }
    local out = events { { type = "content_block_start", index = 0, content_block = block },
      { type = "content_block_stop", index = 0 } }
    assert.are.same({ type = "arguments", index = 0, text = '{"a":1}' }, out[2])
  end)

  it("gathers blocks of hosted tools", function()
    local out = events {
      { type = "content_block_start", index = 0, content_block = { type = "server_tool_use", id = "1",
        name = "web_search", input = {} } },
      { type = "content_block_delta", index = 0, delta = { type = "input_json_delta", partial_json = '{"q":' } },
      { type = "content_block_delta", index = 0, delta = { type = "input_json_delta", partial_json = '"x"}' } },
      { type = "content_block_stop", index = 0 },
    }
    assert.are.equal(1, #out)
    assert.are.same({ "raw", "messages" }, { out[1].type, out[1].family })
    assert.are.same({ q = "x" }, json.decode(tostring(out[1].value)).input)
  end)

  it("starts once and carries usage on", function()
    local message = { id = "m", model = "c", usage = { input_tokens = 5, cache_read_input_tokens = 7, output_tokens = 1 } }
    local out = events {
      { type = "message_start", message = message }, { type = "message_start", message = message },
      { type = "message_delta", delta = { stop_reason = "stop_sequence", stop_sequence = "X" }, usage = { output_tokens = 9 } },
    }
    assert.are.same({ "start", "usage", "stop" }, { out[1].type, out[2].type, out[3].type })
    assert.are.same({ input = 5, cache_read = 7, cache_write = 0, output = 9, reasoning = 0 }, out[2].usage)
    assert.are.same({ "stop_sequence", "X" }, { out[3].reason, out[3].sequence })
  end)

  it("keeps signatures, redacted thoughts and citations", function()
    local out = events {
      { type = "content_block_start", index = 0, content_block = { type = "thinking", thinking = "", signature = "" } },
      { type = "content_block_delta", index = 0, delta = { type = "thinking_delta", thinking = "hm" } },
      { type = "content_block_delta", index = 0, delta = { type = "signature_delta", signature = "s" } },
      { type = "content_block_start", index = 1, content_block = { type = "redacted_thinking", data = "d" } },
      { type = "content_block_start", index = 2, content_block = { type = "text", text = "" } },
      { type = "content_block_delta", index = 2, delta = { type = "citations_delta", citation = { url = "u", title = "t",
        cited_text = "c" } } },
    }
    assert.are.same({ type = "thinking", text = "hm" }, out[1])
    assert.are.same({ type = "signature", text = "s", from = "anthropic" }, out[2])
    assert.are.same({ type = "redacted", data = "d", from = "anthropic" }, out[3])
    assert.are.same({ "citation", "u", "t", "c" }, { out[4].type, out[4].url, out[4].title, out[4].text })
  end)
end)
