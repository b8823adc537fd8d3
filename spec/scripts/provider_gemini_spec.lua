local json = require "json"
local gemini = require "provider.gemini"
local outgoing = require "spec.scripts.outgoing"
local text, user, assistant = outgoing.text, outgoing.user, outgoing.assistant

local NEW, OLD = "gemini-3-pro-preview", "gemini-2.5-flash"

local function sent(request, name, stream) return outgoing.sent(gemini, request, { name = name or OLD, stream = stream }) end

local schema = json.raw '{"type":"object","$schema":"x","properties":{"z":{},"a":{}},"additionalProperties":false}'

describe("gemini's request", function()
  it("names the model and the method in the path", function()
    local _, _, path = sent({})
    assert.are.equal("/models/gemini-2.5-flash:generateContent", path)
    _, _, path = sent({}, "models/gemini-x", true)
    assert.are.equal("/models/gemini-x:streamGenerateContent?alt=sse", path)
  end)

  it("keeps instructions apart and joins turns", function()
    local body, dropped = sent { system = { text "a" }, messages = {
      user(text "b"), { role = "system", content = { text "later" } }, assistant(text "c"), user(text "d"),
    } }
    assert.are.same({ parts = { { text = "a" } } }, body.systemInstruction)
    assert.are.same({
      { role = "user", parts = { { text = "b" }, { text = "<system>\nlater\n</system>" } } },
      { role = "model", parts = { { text = "c" } } }, { role = "user", parts = { { text = "d" } } },
    }, body.contents)
    assert.is_string(dropped["later system messages"])
    local only = sent { system = { text "a" }, messages = {} }
    assert.are.same({ { role = "user", parts = { { text = "a" } } } }, only.contents)
  end)

  it("carries images, documents and sound", function()
    local body = sent { messages = { user(
      { type = "image", media = "image/png", data = "AAAA" }, { type = "image", url = "https://x.test/a.PNG?size=1" },
      { type = "document", media = "application/pdf", data = "BBBB" }, { type = "document", text = "words", name = "n" },
      { type = "document", url = "https://x.test/doc" }, { type = "audio", media = "audio/mpeg", data = "CCCC" }
    ) } }
    assert.are.same({
      { inlineData = { mimeType = "image/png", data = "AAAA" } },
      { fileData = { mimeType = "image/png", fileUri = "https://x.test/a.PNG?size=1" } },
      { inlineData = { mimeType = "application/pdf", data = "BBBB" } }, { text = "n\n\nwords" },
      { fileData = { mimeType = "application/pdf", fileUri = "https://x.test/doc" } },
      { inlineData = { mimeType = "audio/mpeg", data = "CCCC" } },
    }, body.contents[1].parts)
  end)

  local call = { type = "tool_call", id = "1", name = "f", arguments = '{"a":[]}' }

  it("finds a result's name by its call, and gives an object", function()
    local body = sent { messages = {
      assistant(call, { type = "tool_call", id = "2", name = "g", arguments = "" }, { type = "tool_call", id = "3",
        name = "h", arguments = "{}" }),
      user(
        text "so?", { type = "tool_result", id = "1", content = { text '{"ok":true}' } },
        { type = "tool_result", id = "2", content = { text "plain", { type = "image", media = "image/png", data = "A" } } },
        { type = "tool_result", id = "3", content = { text "bad" }, is_error = true }
      ),
    } }
    assert.are.equal('{"a":[]}', json.encode(body.contents[1].parts[1].functionCall.args))
    assert.are.same({
      { functionResponse = { name = "f", response = { ok = true } } }, { functionResponse = { name = "g",
        response = { result = "plain" } } },
      { functionResponse = { name = "h", response = { error = "bad" } } }, { text = "so?" },
      { inlineData = { mimeType = "image/png", data = "A" } },
    }, body.contents[2].parts)
  end)

  it("sends its own signatures back, and Gemini 3 a placeholder for the first call of others", function()
    local signed = { type = "tool_call", id = "1", name = "f", arguments = "{}", signature = "s", from = "gemini" }
    local function signatures(name, ...)
      local list = {}
      for i, part in ipairs(sent({ messages = { user(text "a"), assistant(...) } }, name).contents[2].parts) do
        list[i] = part.thoughtSignature or "none"
      end
      return list
    end
    assert.are.same({ "s" }, signatures(OLD, signed))
    assert.are.same({ "none" }, signatures(OLD, call))
    assert.are.same({ "s", "none" }, signatures(NEW, signed, call))
    assert.are.same({ "skip_thought_signature_validator", "none" }, signatures(NEW, call, call))
  end)

  it("declares tools with their schemas as they came", function()
    local body, dropped = sent({
      tools = { { name = "my tool", description = "d", schema = schema, strict = true }, { name = "9" } },
      tool_choice = { type = "tool", name = "my tool" }, parallel_tools = false,
    })
    local declared = body.tools[1].functionDeclarations
    assert.are.same({ "my_tool", "d", "_9" }, { declared[1].name, declared[1].description, declared[2].name })
    assert.is_nil(declared[2].parametersJsonSchema)
    assert.are.same({ mode = "ANY", allowedFunctionNames = { "my_tool" } }, body.toolConfig.functionCallingConfig)
    assert.is_string(dropped.parallel_tools)
    assert.is_string(dropped["tool.strict"])
    local _, raw = gemini.request({ messages = {}, tools = { { name = "f", schema = schema } } }, { name = OLD }, error)
    assert.is_truthy(raw:find(tostring(schema), 1, true))
  end)

  it("sets what it has words for", function()
    local body, dropped = sent {
      max_tokens = 5, temperature = 0.5, top_p = 0.9, top_k = 3, seed = 1, n = 2, frequency_penalty = 0.1, presence_penalty = 0.2,
      stop = { "1", "2", "3", "4", "5", "6" }, logprobs = true, top_logprobs = 2, user = "u", logit_bias = json.raw "{}",
    }
    assert.are.same({
      maxOutputTokens = 5, temperature = 0.5, topP = 0.9, topK = 3, seed = 1, candidateCount = 2, frequencyPenalty = 0.1,
      presencePenalty = 0.2, stopSequences = { "1", "2", "3", "4", "5" }, responseLogprobs = true, logprobs = 2,
    }, body.generationConfig)
    for _, what in ipairs { "stop", "user", "logit_bias" } do assert.is_string(dropped[what], what) end
  end)

  it("asks for thoughts in tokens or in words", function()
    local function thinking(reasoning, name)
      local body = sent({ reasoning = reasoning }, name)
      return body.generationConfig and body.generationConfig.thinkingConfig
    end
    assert.are.same({ includeThoughts = true, thinkingBudget = 2048 }, thinking({ effort = "low", show = true }))
    assert.are.same({ thinkingBudget = 24576 }, thinking { budget = 60000 })
    assert.are.same({ thinkingBudget = 0 }, thinking { effort = "none" })
    assert.are.same({ thinkingBudget = 128 }, thinking({ effort = "none" }, "gemini-2.5-pro"))
    assert.are.same({ thinkingLevel = "high" }, thinking({ budget = 31999 }, NEW))
    assert.are.same({ thinkingLevel = "low" }, thinking({ effort = "medium" }, NEW))
    assert.are.same({ thinkingLevel = "medium" }, thinking({ effort = "medium" }, "gemini-3-flash-preview"))
    assert.are.same({ thinkingLevel = "minimal" }, thinking({ effort = "none" }, "gemini-3-flash-preview"))
    assert.is_nil(thinking({ effort = "high" }, "gemini-2.0-flash"))
  end)

  it("asks for structured output, by a tool where tools exclude it", function()
    local output, tools = { type = "schema", schema = schema }, { { name = "f" } }
    local config = sent({ output = output }).generationConfig
    assert.are.equal("application/json", config.responseMimeType)
    assert.are.equal("object", config.responseJsonSchema.type)
    assert.are.same({ responseMimeType = "application/json" }, sent({ output = { type = "json" } }).generationConfig)
    assert.are.equal("object", sent({ output = output, tools = tools }, NEW).generationConfig.responseJsonSchema.type)
    local body = sent { output = output, tools = tools }
    assert.is_nil(body.generationConfig)
    assert.are.equal("json_output", body.tools[1].functionDeclarations[2].name)
    assert.are.equal("ANY", body.toolConfig.functionCallingConfig.mode)
  end)
end)

local function chunk(parts, reason, more)
  local body = { responseId = "abc", modelVersion = "g", candidates = { { content = { parts = parts }, finishReason = reason } } }
  for name, value in pairs(more or {}) do body[name] = value end
  return json.encode(body)
end

describe("gemini's reply", function()
  it("tells texts, thoughts and calls apart", function()
    local reply = gemini.reply(chunk({
      { text = "hm", thought = true }, { text = "a" }, { text = "b" }, { text = "", thoughtSignature = "t" },
      { functionCall = { name = "f", args = { x = 1 } }, thoughtSignature = "s" }, { functionCall = { id = "own", name = "g" } },
      { executableCode = { code = "1" } },
    }, "STOP"), { messages = {} })
    local content = reply.choices[1].content
    assert.are.same({ type = "thinking", text = "hm" }, content[1])
    assert.are.same(text "ab", content[2])
    assert.are.same({ type = "tool_call", id = "call_abc_0", name = "f", arguments = '{"x":1}', signature = "s",
      from = "gemini" }, content[3])
    assert.are.same({ "own", "{}" }, { content[4].id, content[4].arguments })
    assert.are.same({ "raw", "gemini" }, { content[5].type, content[5].family })
    assert.are.equal("tool_calls", reply.choices[1].stop)
  end)

  it("keeps buckets apart", function()
    local usage = { promptTokenCount = 100, cachedContentTokenCount = 40, toolUsePromptTokenCount = 5,
      candidatesTokenCount = 7, thoughtsTokenCount = 9 }
    assert.are.same({ input = 65, cache_read = 40, cache_write = 0, output = 7, reasoning = 9 },
      gemini.reply(chunk({}, "STOP", { usageMetadata = usage }), {}).usage)
  end)

  it("says that a filter ended it", function()
    for _, reason in ipairs { "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "A_NEW_ONE" } do
      assert.are.equal("content_filter", gemini.reply(chunk({}, reason), {}).choices[1].stop)
    end
    assert.are.equal("length", gemini.reply(chunk({}, "MAX_TOKENS"), {}).choices[1].stop)
    local blocked = gemini.reply('{"promptFeedback":{"blockReason":"SAFETY"}}', {})
    assert.are.same({ index = 0, content = {}, stop = "content_filter" }, blocked.choices[1])
  end)

  it("cites what grounded it", function()
    local grounding = {
      groundingChunks = { { web = { uri = "u0", title = "t0" } }, { web = { uri = "u1" } } },
      groundingSupports = { { segment = { text = "words" }, groundingChunkIndices = { 1 } } },
    }
    local body = json.encode { candidates = { { content = { parts = { { text = "words" } } }, groundingMetadata = grounding } } }
    local citation = gemini.reply(body, {}).choices[1].content[1].citations[1]
    assert.are.same({ "u1", "words", "gemini" }, { citation.url, citation.text, citation.from })
  end)

  it("gives log probabilities in OpenAI's form", function()
    local body = json.encode { candidates = { { content = { parts = { text "a" } }, logprobsResult = {
      chosenCandidates = { { token = "a", logProbability = -0.5 } },
      topCandidates = { { candidates = { { token = "a", logProbability = -0.5 }, { token = "b", logProbability = -2 } } } },
    } } } }
    local content = json.decode(tostring(gemini.reply(body, {}).choices[1].logprobs)).content
    assert.are.same({ "a", -0.5 }, { content[1].token, content[1].logprob })
    assert.are.same({ "b", -2 }, { content[1].top_logprobs[2].token, content[1].top_logprobs[2].logprob })
  end)

  it("says what is not the protocol", function()
    for _, body in ipairs { "", "[]", "{}", '{"candidates":null}' } do
      local reply, why = gemini.reply(body, {})
      assert.is_nil(reply)
      assert.is_string(why)
    end
  end)
end)

describe("gemini's stream", function()
  it("gives whole calls, numbered over chunks, with the ids of the buffered reply", function()
    local decode, out = gemini.stream { messages = {} }, {}
    local call = { functionCall = { name = "f", args = { x = 1 } }, thoughtSignature = "s" }
    local hm = { text = "hm", thought = true }
    for _, data in ipairs { chunk { hm }, chunk { call }, chunk({ call }, "STOP"), chunk({}, "STOP") } do
      for _, event in ipairs(decode(nil, data)) do out[#out + 1] = event end
    end
    local said = {}
    for i, event in ipairs(out) do
      said[i] = event.type .. " " .. (event.index or event.reason or "") .. (event.id or event.text or "")
    end
    assert.are.same({
      "start abc", "thinking hm", "tool 0call_abc_0", 'arguments 0{"x":1}', "tool 1call_abc_1", 'arguments 1{"x":1}',
        "stop tool_calls",
    }, said)
    assert.are.equal("s", out[3].signature)
  end)

  it("stops when the prompt was blocked", function()
    local out = gemini.stream {}(nil, '{"promptFeedback":{"blockReason":"OTHER"}}')
    assert.are.same({ "start", "stop", "content_filter" }, { out[1].type, out[2].type, out[2].reason })
  end)

  it("passes over what is no chunk", function()
    assert.are.same({}, gemini.stream {}(nil, "no"))
  end)
end)

describe("gemini's embeddings", function()
  it("go in one batch", function()
    local path, body = gemini.embeddings.request({ input = { "a", "b" }, dimensions = 2 }, { name = "e" }, error)
    assert.are.equal("/models/e:batchEmbedContents", path)
    local one = json.decode(body).requests[2]
    assert.are.same({ model = "models/e", content = { parts = { { text = "b" } } }, outputDimensionality = 2 }, one)
    local reply = gemini.embeddings.reply('{"embeddings":[{"values":[1,2]},{"values":[3,4]}]}', { model = "m" })
    assert.are.same({ { 1, 2 }, { 3, 4 } }, reply.vectors)
    assert.is_false((pcall(gemini.embeddings.request, { input = { { 1, 2 } } }, { name = "e" }, error)))
  end)
end)
