local json = require "json"
local bedrock = require "provider.bedrock"
local outgoing = require "spec.scripts.outgoing"
local text, user, assistant = outgoing.text, outgoing.user, outgoing.assistant

local CLAUDE, OTHER = "anthropic.claude-sonnet-4-5-20250929-v1:0", "meta.llama3-3-70b-instruct-v1:0"

local function sent(request, name, stream) return outgoing.sent(bedrock, request, { name = name or CLAUDE, stream = stream }) end

local cache = json.raw '{"type":"ephemeral"}'

describe("bedrock's request", function()
  it("escapes the model's name in the path", function()
    local _, _, path = sent({})
    assert.are.equal("/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse", path)
    _, _, path = sent({}, "arn:aws:bedrock/x", true)
    assert.are.equal("/model/arn%3Aaws%3Abedrock%2Fx/converse-stream", path)
  end)

  it("keeps instructions apart, marks what is to be cached, joins turns", function()
    local body, dropped = sent { system = { { type = "text", text = "a", cache = cache } }, messages = {
      assistant(text "b"), user(text "c", text " "), { role = "system", content = { text "later" } },
    } }
    assert.are.same({ { text = "a" }, { cachePoint = { type = "default" } } }, body.system)
    assert.are.same({
      { role = "user", content = { { text = "Continue." } } }, { role = "assistant", content = { { text = "b" } } },
      { role = "user", content = { { text = "c" }, { text = "<system>\nlater\n</system>" } } },
    }, body.messages)
    assert.is_string(dropped["later system messages"])
  end)

  it("carries images and documents, and refuses links", function()
    local body = sent { messages = { user(
      { type = "image", media = "image/jpeg", data = "AAAA" },
      { type = "document", media = "application/pdf", data = "BBBB", name = "my  file.pdf" },
      { type = "document", media = "text/csv", data = "CCCC", citations = true }, { type = "document", text = "words" }
    ) } }
    local content = body.messages[1].content
    assert.are.same({ image = { format = "jpeg", source = { bytes = "AAAA" } } }, content[1])
    assert.are.same({ document = { format = "pdf", name = "my file pdf", source = { bytes = "BBBB" } } }, content[2])
    assert.are.same({ "csv", "document 2", { enabled = true } },
      { content[3].document.format, content[3].document.name, content[3].document.citations })
    assert.are.same({ text = "words" }, content[4])
    for _, part in ipairs {
      { type = "image", url = "https://x.test/a.png" }, { type = "image", media = "image/tiff", data = "A" },
      { type = "document", url = "https://x.test/a.pdf" }, { type = "audio", media = "audio/wav", data = "A" },
    } do
      local ok, err = pcall(sent, { messages = { user(part) } })
      assert.is_false(ok)
      assert.is_truthy(err.message:find "^Bedrock cannot carry")
    end
  end)

  it("puts calls and results where they belong", function()
    local body = sent { messages = {
      user(text "go"), assistant({ type = "tool_call", id = "call.1", name = "f", arguments = '{"a":[]}' }),
      user({ type = "tool_result", id = "call.1", content = { text "one" }, is_error = true }, { type = "tool_result",
        id = "2", content = {} }),
    } }
    local use = body.messages[2].content[1].toolUse
    assert.are.same({ "call_1", "f", '{"a":[]}' }, { use.toolUseId, use.name, json.encode(use.input) })
    assert.are.same({ toolUseId = "call_1", content = { { text = "one" } }, status = "error" },
      body.messages[3].content[1].toolResult)
    assert.are.same({ { text = "(no output)" } }, body.messages[3].content[2].toolResult.content)
    assert.are.equal("f", body.toolConfig.tools[1].toolSpec.name)
    assert.is_nil(body.toolConfig.toolChoice)
  end)

  it("says which tools may be called", function()
    local tools = { { name = "f", schema = json.raw '{"type":"object"}', cache = cache } }
    local function config(kind) return sent({ tools = tools, tool_choice = kind and { type = kind, name = "f" } }).toolConfig end
    assert.are.same({ cachePoint = { type = "default" } }, config().tools[2])
    assert.are.same({ auto = {} }, config("auto").toolChoice)
    assert.are.same({ any = {} }, config("required").toolChoice)
    assert.are.same({ tool = { name = "f" } }, config("tool").toolChoice)
    assert.is_nil(config "none")
  end)

  it("asks Anthropic's models for thoughts, and no others", function()
    local body = sent { reasoning = { budget = 2000 }, temperature = 0.3, top_k = 4, max_tokens = 5000 }
    assert.are.same({ thinking = { type = "enabled", budget_tokens = 2000 } }, body.additionalModelRequestFields)
    assert.are.same({ maxTokens = 5000 }, body.inferenceConfig)
    local other, dropped = sent({ reasoning = { effort = "low" }, temperature = 0.3, top_k = 4, stop = { "x" } }, OTHER)
    assert.are.same({ top_k = 4 }, other.additionalModelRequestFields)
    assert.are.same({ temperature = 0.3, stopSequences = { "x" } }, other.inferenceConfig)
    assert.is_string(dropped.reasoning)
  end)

  it("sends thoughts back to their maker only", function()
    local turn = assistant({ type = "thinking", text = "hm", signature = "s", from = "anthropic" }, { type = "redacted",
      data = "d", from = "anthropic" }, text "so")
    local content = sent({ messages = { user(text "a"), turn } }).messages[2].content
    assert.are.same({ reasoningText = { text = "hm", signature = "s" } }, content[1].reasoningContent)
    assert.are.same({ redactedContent = "d" }, content[2].reasoningContent)
    local body, dropped = sent({ messages = { user(text "a"), turn } }, OTHER)
    assert.are.same({ { text = "so" } }, body.messages[2].content)
    assert.is_string(dropped.thinking)
  end)

  it("has a tool stand for a schema, and drops by name what has no word", function()
    local body, dropped = sent { output = { type = "schema", schema = json.raw '{"type":"object"}' }, seed = 1, n = 2,
      user = "u", parallel_tools = false }
    assert.are.same({ tool = { name = "json_output" } }, body.toolConfig.toolChoice)
    for _, what in ipairs { "seed", "n", "user", "parallel_tools" } do assert.is_string(dropped[what], what) end
  end)
end)

describe("bedrock's reply", function()
  it("gives parts, reason and buckets", function()
    local reply = bedrock.reply(json.encode {
      stopReason = "tool_use", usage = { inputTokens = 5, outputTokens = 6, cacheReadInputTokens = 7, cacheWriteInputTokens = 8 },
      output = { message = { role = "assistant", content = {
        { reasoningContent = { reasoningText = { text = "hm", signature = "s" } } }, text "a",
          { toolUse = { toolUseId = "1", name = "f", input = { x = 1 } } },
        { citationsContent = { content = { { text = "cited" } }, citations = { { title = "t",
          location = { web = { url = "u" } } } } } },
      } } },
    }, { model = "m" })
    local content = reply.choices[1].content
    assert.are.same({ type = "thinking", text = "hm", signature = "s", from = "anthropic" }, content[1])
    assert.are.same(text "a", content[2])
    assert.are.same({ type = "tool_call", id = "1", name = "f", arguments = '{"x":1}' }, content[3])
    assert.are.same({ "cited", "t", "u" }, { content[4].text, content[4].citations[1].title, content[4].citations[1].url })
    assert.are.same({ "tool_calls", "m" }, { reply.choices[1].stop, reply.model })
    assert.are.same({ input = 5, cache_read = 7, cache_write = 8, output = 6, reasoning = 0 }, reply.usage)
    for _, body in ipairs { "", "[]", "{}", '{"output":{}}' } do assert.is_nil((bedrock.reply(body, {}))) end
  end)
end)

describe("bedrock's stream", function()
  local function events(request, list)
    local decode, out = bedrock.stream(request), {}
    for _, pair in ipairs(list) do
      for _, event in ipairs(decode(pair[1], json.encode(pair[2]))) do out[#out + 1] = event end
    end
    return out
  end

  local function delta(index, value) return { "contentBlockDelta", { contentBlockIndex = index, delta = value, p = "abc" } } end

  local function call(index, name, ...)
    local list = { { "contentBlockStart", { contentBlockIndex = index, start = { toolUse = { toolUseId = "t" .. index,
      name = name } } } } }
    for _, fragment in ipairs { ... } do list[#list + 1] = delta(index, { toolUse = { input = fragment } }) end
    return list
  end

  it("reads texts, thoughts, calls, the end and the usage after it", function()
    local list = {
      { "messageStart", { role = "assistant" } }, delta(0, { reasoningContent = { text = "hm" } }),
      delta(0, { reasoningContent = { signature = "s" } }), delta(1, { text = "hé" }), { "contentBlockStop",
        { contentBlockIndex = 1 } },
    }
    for _, item in ipairs(call(2, "f", '{"a\\"', "", '":1}')) do list[#list + 1] = item end
    list[#list + 1] = { "messageStop", { stopReason = "tool_use" } }
    list[#list + 1] = { "metadata", { usage = { inputTokens = 3, outputTokens = 4 }, metrics = { latencyMs = 1 } } }
    local said = {}
    for i, event in ipairs(events({ model = "m" }, list)) do
      said[i] = event.type .. " " .. (event.text or event.id or event.model or event.reason or event.usage.input)
    end
    assert.are.same({
      "start m", "thinking hm", "signature s", "text hé", "tool t2", 'arguments {"a\\"', 'arguments ":1}',
        "stop tool_calls", "usage 3",
    }, said)
  end)

  it("numbers calls in order, wherever their blocks stand", function()
    local list = call(1, "f", "{}")
    for _, item in ipairs(call(3, "g", '{"x":1}')) do list[#list + 1] = item end
    local said = {}
    for i, event in ipairs(events({ model = "m" }, list)) do said[i] = event.type .. " " .. (event.index or "") end
    assert.are.same({ "start ", "tool 0", "arguments 0", "tool 1", "arguments 1" }, said)
  end)

  it("gives an answer by schema as text", function()
    local request = { model = "m", output = { type = "schema", schema = json.raw "{}" } }
    local list = call(0, "json_output", '{"a"', ":1}")
    list[#list + 1] = { "messageStop", { stopReason = "tool_use" } }
    local out = events(request, list)
    assert.are.same({ "start", "text", "text", "stop" }, { out[1].type, out[2].type, out[3].type, out[4].type })
    assert.are.equal('{"a":1}', out[2].text .. out[3].text)
    assert.are.equal("stop", out[4].reason)
  end)

  it("passes over what it does not know", function()
    assert.are.same({}, events({}, { { "somethingNew", {} } }))
  end)
end)
