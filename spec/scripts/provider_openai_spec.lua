local json = require "json"
local openai = require "provider.openai"
local outgoing = require "spec.scripts.outgoing"
local text, user = outgoing.text, outgoing.user

local function sent(request, target) return outgoing.sent(openai, request, target or { name = "gpt-4o" }) end

describe("openai's request", function()
  it("posts to chat completions and asks for usage in streams", function()
    local body, _, path = sent({}, { name = "m", stream = true })
    assert.are.equal("/chat/completions", path)
    assert.are.same({ include_usage = true }, body.stream_options)
    assert.is_true(body.stream)
    assert.is_nil(sent({}).stream)
  end)

  it("puts the system first and joins texts", function()
    local body = sent { system = { text "a", text "b" }, messages = { user(text "x", text "y"), { role = "system",
      content = { text "later" } } } }
    assert.are.same({
      { role = "system", content = "a\n\nb" }, { role = "user", content = "x\n\ny" }, { role = "system", content = "later" },
    }, body.messages)
  end)

  it("carries images, files and sound", function()
    local body = sent { messages = { user(
      text "see", { type = "image", media = "image/png", data = "AAAA", detail = "low" }, { type = "image",
        url = "https://x.test/a.jpg" },
      { type = "document", media = "application/pdf", data = "BBBB", name = "a.pdf" }, { type = "document",
        text = "words", name = "n" },
      { type = "audio", media = "audio/mpeg", data = "CCCC" }, { type = "audio", media = "audio/wav", data = "DDDD" }
    ) } }
    assert.are.same({
      { type = "text", text = "see" },
      { type = "image_url", image_url = { url = "data:image/png;base64,AAAA", detail = "low" } },
      { type = "image_url", image_url = { url = "https://x.test/a.jpg" } },
      { type = "file", file = { filename = "a.pdf", file_data = "data:application/pdf;base64,BBBB" } },
      { type = "text", text = "n\n\nwords" },
      { type = "input_audio", input_audio = { data = "CCCC", format = "mp3" } },
      { type = "input_audio", input_audio = { data = "DDDD", format = "wav" } },
    }, body.messages[1].content)
  end)

  it("gives each result a message of its own, its images after them", function()
    local body, dropped = sent { messages = {
      { role = "assistant", content = {
        { type = "thinking", text = "hm", signature = "s", from = "anthropic" },
        { type = "tool_call", id = "1", name = "look", arguments = '{"a":1}' }, { type = "tool_call", id = "2",
          name = "look", arguments = "{}" },
      } },
      user(
        { type = "tool_result", id = "1", content = { text "seen", { type = "image", url = "https://x.test/i.png" } } },
        { type = "tool_result", id = "2", content = { text "broken" }, is_error = true }, text "and now?"
      ),
    } }
    local assistant = body.messages[1]
    assert.are.equal(json.null, assistant.content)
    assert.are.same({ name = "look", arguments = '{"a":1}' }, assistant.tool_calls[1]["function"])
    assert.are.same({ role = "tool", tool_call_id = "1", content = "seen" }, body.messages[2])
    assert.are.same({ role = "tool", tool_call_id = "2", content = "broken" }, body.messages[3])
    assert.are.equal("image_url", body.messages[4].content[1].type)
    assert.are.same(text "and now?", body.messages[4].content[2])
    assert.is_string(dropped.thinking)
    assert.is_string(dropped["tool_result.is_error"])
  end)

  it("gives Mistral ids of nine characters, the same in call and result", function()
    local messages = {
      { role = "assistant", content = {
        { type = "tool_call", id = "toolu_01A", name = "f", arguments = "{}" },
        { type = "tool_call", id = "abcDEF123", name = "f", arguments = "{}" },
        { type = "tool_call", id = "toolu_01B", name = "f", arguments = "{}" },
      } },
      user { type = "tool_result", id = "toolu_01A", content = {} },
    }
    local body = sent({ messages = messages }, { name = "m", base_url = "https://api.mistral.ai/v1" })
    local calls = body.messages[1].tool_calls
    assert.is_truthy(calls[1].id:find "^%w%w%w%w%w%w%w%w%w$")
    assert.are.equal("abcDEF123", calls[2].id)
    assert.are_not.equal(calls[1].id, calls[3].id)
    assert.are.equal(calls[1].id, body.messages[2].tool_call_id)
    local other = sent({ messages = messages }, { name = "m", base_url = "https://api.openai.com/v1" })
    assert.are.equal("toolu_01A", other.messages[1].tool_calls[1].id)
  end)

  it("declares tools with their schemas as they came", function()
    local body = sent {
      tools = { { name = "f", description = "d", schema = json.raw '{"type":"object","x":[]}', strict = true }, { name = "g" } },
      tool_choice = { type = "tool", name = "f" }, parallel_tools = false,
    }
    assert.are.same({ "f", "d", true }, { body.tools[1]["function"].name, body.tools[1]["function"].description,
      body.tools[1]["function"].strict })
    assert.are.equal('{"type":"object","x":[]}', json.encode(body.tools[1]["function"].parameters))
    assert.are.same({ name = "g" }, body.tools[2]["function"])
    assert.are.same({ type = "function", ["function"] = { name = "f" } }, body.tool_choice)
    assert.is_false(body.parallel_tool_calls)
  end)

  it("says nothing of choices without tools", function()
    local body = sent { tools = json.array {}, tool_choice = { type = "auto" }, parallel_tools = true }
    assert.is_nil(body.tools)
    assert.is_nil(body.tool_choice)
    assert.is_nil(body.parallel_tool_calls)
  end)

  it("changes names that are not allowed, and changes them back", function()
    local request = { tools = { { name = "a.b" }, { name = "a_b" }, { name = ("x"):rep(80) } } }
    local body = sent(request)
    local there = {}
    for i, tool in ipairs(body.tools) do
      there[i] = tool["function"].name
      assert.is_truthy(there[i]:find "^[%w_-]+$")
      assert.is_true(#there[i] <= 64)
    end
    assert.are.equal("a_b", there[2])
    assert.are_not.equal(there[1], there[2])
    local reply = openai.reply(json.encode { choices = { { message = { tool_calls = {
      { id = "1", ["function"] = { name = there[1], arguments = "{}" } }, { id = "2", ["function"] = { name = there[3],
        arguments = "{}" } },
    } }, finish_reason = "tool_calls" } } }, request)
    assert.are.equal("a.b", reply.choices[1].content[1].name)
    assert.are.equal(("x"):rep(80), reply.choices[1].content[2].name)
  end)

  it("asks for structured output", function()
    assert.are.same({ type = "json_object" }, sent({ output = { type = "json" } }).response_format)
    local format = sent({ output = { type = "schema", name = "my form", schema = json.raw "{}", strict = true } }).response_format
    assert.are.same({ type = "json_schema", json_schema = { name = "my_form", schema = {}, strict = true } }, format)
  end)

  it("asks models that think in their own words", function()
    local body, dropped = sent({ max_tokens = 50, temperature = 0.5, reasoning = { budget = 2000 } }, { name = "gpt-5-mini" })
    assert.are.same({ 50, "low" }, { body.max_completion_tokens, body.reasoning_effort })
    assert.is_nil(body.max_tokens)
    assert.is_nil(body.temperature)
    assert.is_string(dropped.temperature)
    for budget, level in pairs { [0] = "none", [8192] = "medium", [31999] = "high" } do
      assert.are.equal(level, sent({ reasoning = { budget = budget } }, { name = "o3" }).reasoning_effort)
    end
    assert.are.equal("xhigh", sent({ reasoning = { effort = "max" } }, { name = "gpt-5.2" }).reasoning_effort)
  end)

  it("asks other models for no thoughts", function()
    local body, dropped = sent({ max_tokens = 50, temperature = 0.5, reasoning = { effort = "high" } })
    assert.are.same({ 50, 0.5 }, { body.max_tokens, body.temperature })
    assert.is_nil(body.reasoning_effort)
    assert.is_string(dropped.reasoning)
  end)

  it("drops by name what has no word here", function()
    local body, dropped = sent {
      top_k = 3, stop = { "a", "b", "c", "d", "e" }, hosted_tools = { "web_search" }, seed = 7, n = 2, logprobs = true,
        top_logprobs = 2,
      extra = { family = "messages", members = { container = json.raw '"c"' } },
    }
    assert.are.same({ "a", "b", "c", "d" }, body.stop)
    assert.are.same({ 7, 2, true, 2 }, { body.seed, body.n, body.logprobs, body.top_logprobs })
    for _, what in ipairs { "top_k", "stop", "hosted tools web_search", "container" } do assert.is_string(dropped[what], what) end
  end)

  it("refuses what the question cannot do without", function()
    for _, part in ipairs { { type = "document", url = "https://x.test/a.pdf" }, { type = "raw", family = "messages",
      value = json.raw "{}" } } do
      local ok, err = pcall(sent, { messages = { user(part) } })
      assert.is_false(ok)
      assert.is_string(err.message)
      assert.are.equal("messages", err.param)
    end
  end)
end)

describe("openai's reply", function()
  it("keeps buckets apart", function()
    local function usage(u) return openai.reply(json.encode { choices = json.array {}, usage = u }, {}).usage end
    assert.are.same({ input = 70, cache_read = 30, cache_write = 0, output = 15, reasoning = 5 }, usage {
      prompt_tokens = 100, completion_tokens = 20, total_tokens = 120,
      prompt_tokens_details = { cached_tokens = 30 }, completion_tokens_details = { reasoning_tokens = 5 },
    })
    assert.are.same({ input = 10, cache_read = 0, cache_write = 0, output = 4, reasoning = 50 }, usage {
      prompt_tokens = 10, completion_tokens = 4, total_tokens = 64, completion_tokens_details = { reasoning_tokens = 50 },
    })
    assert.is_nil(usage(nil))
  end)

  it("reads thoughts, refusals, citations and odd arguments", function()
    local reply = openai.reply(json.encode { id = "i", model = "m", created = 5, choices = { {
      index = 0, finish_reason = "stop", logprobs = { content = json.array {} },
      message = {
        content = "text", reasoning_content = "hm", refusal = "no",
        annotations = { { type = "url_citation", url_citation = { url = "u", title = "t", start_index = 0, end_index = 4 } } },
        tool_calls = { { id = "c", ["function"] = { name = "f", arguments = { a = 1 } } } },
      },
    } } }, {})
    local content = reply.choices[1].content
    assert.are.same({ "thinking", "text", "refusal", "tool_call" }, { content[1].type, content[2].type, content[3].type,
      content[4].type })
    local citation = content[2].citations[1]
    assert.are.same({ "u", "t", 0, 4, "openai" }, { citation.url, citation.title, citation.start, citation.stop, citation.from })
    assert.are.equal('{"a":1}', content[4].arguments)
    assert.are.equal('{"content":[]}', tostring(reply.choices[1].logprobs))
  end)

  it("takes sources that stand beside the choices for citations, once", function()
    local body = {
      search_results = { { url = "u", title = "t" } }, choices = { { message = { content = "text" }, finish_reason = "stop" } },
    }
    local citations = openai.reply(json.encode(body), {}).choices[1].content[1].citations
    assert.are.same({ 1, "u", "t" }, { #citations, citations[1].url, citations[1].title })
    local decode, seen = openai.stream {}, {}
    for _, reason in ipairs { false, "stop" } do
      body.choices = { { delta = { content = "text" }, finish_reason = reason or json.null } }
      for _, event in ipairs(decode(nil, json.encode(body))) do seen[#seen + 1] = event.type end
    end
    assert.are.same({ "start", "text", "text", "citation", "stop" }, seen)
  end)

  it("says what is not the protocol", function()
    for _, text_ in ipairs { "", "[]", "{}", '{"choices":[{}]}', '{"choices":[{"message":null}]}' } do
      local reply, why = openai.reply(text_, {})
      assert.is_nil(reply)
      assert.is_string(why)
    end
  end)
end)

describe("openai's stream", function()
  local function events(chunks)
    local decode, out = openai.stream {}, {}
    for _, chunk in ipairs(chunks) do
      for _, event in ipairs(decode(nil, type(chunk) == "string" and chunk or json.encode(chunk))) do out[#out + 1] = event end
    end
    return out
  end

  local function delta(fields, reason) return { id = "i", model = "m", choices = { { index = 0, delta = fields,
    finish_reason = reason } } } end

  it("tells calls apart, with and without an index", function()
    for _, first in ipairs { 0, false } do
      local function call(id, name, arguments, index)
        return { id = id, index = first and index or nil, ["function"] = { name = name, arguments = arguments } }
      end
      local out = events {
        delta { tool_calls = { call("a", "f", '{"x"', 0) } }, delta { tool_calls = { call(nil, nil, ":1}", 0) } },
        delta { tool_calls = { call("b", "g", "", 1) } }, delta({}, "tool_calls"),
      }
      local said = {}
      for _, event in ipairs(out) do
        said[#said + 1] = event.type .. (event.index and " " .. event.index .. " " .. (event.id or event.text) or "")
      end
      assert.are.same({ "start", "tool 0 a", 'arguments 0 {"x"', "arguments 0 :1}", "tool 1 b", "stop" }, said)
    end
  end)

  it("tells calls of one index apart by their ids", function()
    local function call(id) return delta { tool_calls = { { id = id, index = 0, ["function"] = { name = "f",
      arguments = "{}" } } } } end
    local out = events { call "a", call "b" }
    assert.are.same({ "tool", 0, "tool", 1 }, { out[2].type, out[2].index, out[4].type, out[4].index })
  end)

  it("passes over what is no chunk", function()
    assert.are.same({}, events { "", "no", "[]", "{}", '{"choices":[]}', '{"choices":null}' })
  end)

  it("turns a refusal's end into a refusal", function()
    local out = events { delta { refusal = "I will not" }, delta({}, "stop") }
    assert.are.same({ type = "refusal", text = "I will not", choice = 0 }, out[2])
    assert.are.equal("refusal", out[3].reason)
  end)
end)

describe("openai's embeddings", function()
  it("asks for numbers and keeps their order", function()
    local path, body = openai.embeddings.request({ input = { "a", "b" }, dimensions = 2 }, { name = "e" }, error)
    assert.are.equal("/embeddings", path)
    assert.are.same({ model = "e", input = { "a", "b" }, dimensions = 2, encoding_format = "float" }, json.decode(body))
    local data = '[{"index":1,"embedding":[3]},{"index":0,"embedding":[1]}]'
    local reply = openai.embeddings.reply('{"model":"e","data":' .. data .. ',"usage":{"prompt_tokens":4}}')
    assert.are.same({ model = "e", vectors = { { 1 }, { 3 } }, usage = { input = 4 } }, reply)
    assert.is_nil((openai.embeddings.reply '{"data":[{"embedding":"AAAA"}]}'))
  end)
end)

describe("azure's request", function()
  it("names the deployment in the path when a version is given", function()
    local azure = require "provider.azure"
    local request, drop = { messages = {}, input = { "a" } }, function() end
    assert.are.equal("/chat/completions", (azure.request(request, { name = "d" }, drop)))
    local target = { name = "d", api_version = "2024-10-21" }
    assert.are.equal("/openai/deployments/d/chat/completions?api-version=2024-10-21", (azure.request(request, target, drop)))
    assert.are.equal("/openai/deployments/d/embeddings?api-version=2024-10-21", (azure.embeddings.request(request, target, drop)))
  end)
end)
