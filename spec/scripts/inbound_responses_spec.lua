local json = require "json"
local responses = require "inbound.responses"
local wire = require "spec.scripts.wire"

local function read(members)
  members.model, members.input = members.model or "m", members.input or "hi"
  local request, err = responses.read(json.encode(members))
  assert(request, err and err.message)
  return request
end

describe("a responses request", function()
  it("has instructions and an input that is a text", function()
    local r = read { instructions = "be brief" }
    assert.are.same({ { type = "text", text = "be brief" } }, r.system)
    assert.are.same({ { role = "user", content = { { type = "text", text = "hi" } } } }, r.messages)
  end)

  it("has items, of which those of one turn make one message", function()
    local r = read { input = {
      { role = "developer", content = "rules" },
      { role = "user", content = {
        { type = "input_text", text = "look" }, { type = "input_image", image_url = "https://x.test/a", detail = "low" } } },
      { type = "reasoning", summary = { { type = "summary_text", text = "hm" } }, encrypted_content = "E" },
      { type = "message", role = "assistant", content = {
        { type = "output_text", text = "calling", annotations = json.array {} } } },
      { type = "function_call", call_id = "a", name = "f", arguments = "{}" },
      { type = "custom_tool_call", call_id = "b", name = "p", input = "x" },
      { type = "function_call_output", call_id = "a", output = "1" },
      { type = "custom_tool_call_output", call_id = "b", output = { { type = "input_text", text = "2" } } },
      { role = "user", content = {
        { type = "input_file", filename = "a.pdf", file_data = "data:application/pdf;base64,AAAA" } } },
    } }
    assert.are.same({ { type = "text", text = "rules" } }, r.system)
    assert.are.same({
      { role = "user", content = {
        { type = "text", text = "look" }, { type = "image", url = "https://x.test/a", detail = "low" } } },
      { role = "assistant", content = {
        { type = "thinking", text = "hm", signature = "E", from = "openai" }, { type = "text", text = "calling" },
        { type = "tool_call", id = "a", name = "f", arguments = "{}" },
        { type = "tool_call", id = "b", name = "p", arguments = '{"input":"x"}' },
      } },
      { role = "user", content = {
        { type = "tool_result", id = "a", name = "f", content = { { type = "text", text = "1" } } },
        { type = "tool_result", id = "b", name = "p", content = { { type = "text", text = "2" } } },
      } },
      { role = "user", content = { { type = "document", name = "a.pdf", media = "application/pdf", data = "AAAA" } } },
    }, r.messages)
  end)

  it("gives signatures back to who made them", function()
    local r = read { input = {
      { role = "user", content = "x" },
      { type = "reasoning", summary = { { type = "summary_text", text = "a" } }, encrypted_content = "~wye.anthropic:A" },
      { type = "reasoning", summary = json.array {}, encrypted_content = "~wye.anthropic:!D" },
      { type = "reasoning", summary = json.array {}, encrypted_content = "~wye.gemini:G" },
      { type = "function_call", call_id = "a", name = "f", arguments = "{}" },
    } }
    assert.are.same({
      { type = "thinking", text = "a", signature = "A", from = "anthropic" },
      { type = "redacted", data = "D", from = "anthropic" },
      { type = "tool_call", id = "a", name = "f", arguments = "{}", signature = "G", from = "gemini" },
    }, r.messages[2].content)
  end)

  it("has tools of its own and of OpenAI's, a choice, a form of output and reasoning", function()
    local r = read {
      tools = { { type = "function", name = "f", parameters = { type = "object" }, strict = true }, { type = "web_search" },
        { type = "custom", name = "p" } },
      tool_choice = { type = "function", name = "f" }, parallel_tool_calls = false, max_output_tokens = 9,
      text = { verbosity = "low", format = { type = "json_schema", name = "s", schema = { type = "object" }, strict = true } },
      reasoning = { effort = "xhigh", summary = "auto" }, include = { "message.output_text.logprobs" }, store = false,
    }
    assert.are.equal('{"type":"object"}', tostring(r.tools[1].schema))
    assert.is_true(r.tools[2].custom)
    assert.are.same({ "web_search" }, r.hosted_tools)
    assert.are.same({ type = "tool", name = "f" }, r.tool_choice)
    assert.are.equal("s", r.output.name)
    assert.are.equal("low", r.verbosity)
    assert.are.same({ effort = "xhigh", show = true }, r.reasoning)
    assert.is_true(r.logprobs)
    assert.are.equal("false", tostring(r.extra.members.store))
  end)

  it("that is wrong, or needs what another provider keeps, is refused by the name of the member", function()
    local user = { role = "user", content = "x" }
    local cases = {
      ["model"] = { input = "x" },
      ["input"] = { model = "m" },
      ["input[0]"] = { model = "m", input = { "x" } },
      ["input[0].role"] = { model = "m", input = { { role = "robot", content = "x" } } },
      ["input[0].type"] = { model = "m", input = { { type = "smell" } } },
      ["input[0].content[0].type"] = { model = "m", input = { { role = "user", content = { { type = "text", text = "x" } } } } },
      ["input[1].call_id"] = { model = "m", input = { user, { type = "function_call_output", call_id = "a", output = "x" } } },
      ["input[1]"] = { model = "m", input = { user, { type = "item_reference", id = "rs_1" } } },
      ["previous_response_id"] = { model = "m", input = "x", previous_response_id = "resp_1" },
      ["tools[0].parameters.type"] = { model = "m", input = "x", tools = {
        { type = "function", name = "f", parameters = { type = 5 } } } },
      ["text.format.schema"] = { model = "m", input = "x", text = {
        format = { type = "json_schema", name = "s", schema = "x" } } },
      ["reasoning.effort"] = { model = "m", input = "x", reasoning = { effort = "huge" } },
      ["max_output_tokens"] = { model = "m", input = "x", max_output_tokens = "many" },
    }
    for param, request in pairs(cases) do
      local named, message = wire.refused(responses, request)
      assert.are.equal(param, named)
      assert.is_truthy(message:find(param, 1, true), message)
    end
  end)

  it("is read as others recorded it, unless it continues a kept conversation", function()
    local names = wire.recorded "*/responses-*"
    if not names then return pending "no ../shared" end
    for _, name in ipairs(names) do
      local text = wire.slurp(name)
      local request, err = responses.read(text)
      local is_kept = text:find '"conversation"' or text:find '"previous_response_id": "' or text:find '"item_reference"'
      assert.are.equal(not is_kept, request ~= nil, name .. ": " .. (err and err.message or ""))
    end
  end)
end)

local function answer(content, stop, more)
  local reply = { id = "msg_1", model = "p", created = 9, choices = { { content = content, stop = stop or "stop" } } }
  return json.decode(responses.reply(reply, read(more or {})))
end

describe("a response", function()
  it("has items, and repeats its request", function()
    local r = answer({
      { type = "thinking", text = "hm", signature = "S", from = "anthropic" }, { type = "text", text = "a" },
      { type = "text", text = "ü", citations = { { url = "https://x.test", title = "X" } } },
      { type = "tool_call", id = "c", name = "f", arguments = "" },
      { type = "tool_call", id = "d", name = "p", arguments = '{"input":"x"}' },
    }, "tool_calls", { instructions = "be brief", tools = { { type = "custom", name = "p" } } })
    assert.are.equal("resp_1", r.id)
    assert.are.equal("be brief", r.instructions)
    assert.are.equal("p", r.tools[1].name)
    assert.are.equal("~wye.anthropic:S", r.output[1].encrypted_content)
    assert.are.equal("hm", r.output[1].summary[1].text)
    assert.are.equal("a", r.output[2].content[1].text)
    assert.are.same({ type = "url_citation", url = "https://x.test", title = "X", start_index = 0, end_index = 1 },
      r.output[2].content[2].annotations[1])
    assert.are.same({ "function_call", "{}" }, { r.output[3].type, r.output[3].arguments })
    assert.are.same({ "custom_tool_call", "x" }, { r.output[4].type, r.output[4].input })
    assert.are.equal("completed", r.status)
  end)

  it("answers a request that a route wrote in chat's words", function()
    local request = require("inbound.chat").read '{"model":"m","messages":[{"role":"user","content":"hi"}]}'
    local r = json.decode(responses.reply({ choices = { { content = { { type = "text", text = "a" } } } } }, request))
    assert.are.equal("a", r.output[1].content[1].text)
    assert.is_nil(r.legacy)
  end)

  it("says when it is incomplete, and what a refusal is", function()
    local text = { { type = "text", text = "a" } }
    local cut = answer(text, "length")
    assert.are.same({ "incomplete", "max_output_tokens" }, { cut.status, cut.incomplete_details.reason })
    assert.are.equal("content_filter", answer(text, "content_filter").incomplete_details.reason)
    local refused = answer({ { type = "refusal", text = "no" } }, "refusal")
    assert.are.same({ "completed", "no" }, { refused.status, refused.output[1].content[1].refusal })
  end)
end)

local function streamed(events, more)
  local list, names = wire.encoded(responses, read(more or {}), events), {}
  for i, e in ipairs(list) do
    assert.are.equal(e.event, e.data.type)
    assert.are.equal(i - 1, e.data.sequence_number)
    names[i] = e.event:gsub("^response%.", "")
  end
  return list[#list].data.response, names, list
end

describe("a responses stream", function()
  it("adds each item, lets it grow, and ends it before the next", function()
    local r, names = streamed {
      { type = "start", id = "x", model = "p", created = 9 }, { type = "start", id = "again" }, { type = "thinking", text = "h" },
      { type = "signature", text = "S", from = "anthropic" }, { type = "text", text = "a" }, { type = "text", text = "b" },
      { type = "citation", url = "https://x.test" }, { type = "tool", index = 0, id = "t", name = "f" },
      { type = "arguments", index = 0, text = '{"x":1}' }, { type = "stop", reason = "tool_calls" },
      { type = "usage", usage = { input = 1, cache_read = 2, output = 4, reasoning = 8 } },
    }
    assert.are.same({
      "created", "in_progress",
      "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done",
      "reasoning_summary_part.done", "output_item.done",
      "output_item.added", "content_part.added", "output_text.delta", "output_text.delta", "output_text.annotation.added",
      "output_text.done", "content_part.done", "output_item.done",
      "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
      "completed",
    }, names)
    assert.are.equal("~wye.anthropic:S", r.output[1].encrypted_content)
    assert.are.equal("ab", r.output[2].content[1].text)
    assert.are.equal("https://x.test", r.output[2].content[1].annotations[1].url)
    assert.are.equal('{"x":1}', r.output[3].arguments)
    assert.are.equal("t", r.output[3].call_id)
    assert.are.equal(3, r.usage.input_tokens)
    assert.are.equal(15, r.usage.total_tokens)
    assert.are.equal(8, r.usage.output_tokens_details.reasoning_tokens)
  end)

  it("keeps interleaved calls whole", function()
    local r = streamed {
      { type = "tool", index = 0, id = "a", name = "f" }, { type = "arguments", index = 0, text = '{"x"' },
      { type = "tool", index = 1, id = "b", name = "g" }, { type = "arguments", index = 0, text = ":1}" },
      { type = "stop", reason = "tool_calls" },
    }
    assert.are.equal('{"x":1}', r.output[1].arguments)
    assert.are.equal("{}", r.output[2].arguments)
  end)

  it("gives plain text to a tool that wants it", function()
    local r, names = streamed({
      { type = "tool", index = 0, id = "a", name = "p" }, { type = "arguments", index = 0, text = '{"inp' },
      { type = "arguments", index = 0, text = 'ut":"x y"}' }, { type = "stop", reason = "tool_calls" },
    }, { tools = { { type = "custom", name = "p" } } })
    assert.are.same({ "custom_tool_call", "x y" }, { r.output[1].type, r.output[1].input })
    assert.are.equal("custom_tool_call_input.delta", names[4])
  end)

  it("says when it is incomplete, and what a refusal is", function()
    local cut, names = streamed { { type = "text", text = "a" }, { type = "stop", reason = "length" } }
    assert.are.equal("incomplete", names[#names])
    assert.are.same({ "incomplete", "incomplete" }, { cut.status, cut.output[1].status })
    local refused = streamed {
      { type = "refusal", text = "n" }, { type = "refusal", text = "o" }, { type = "stop", reason = "refusal" },
    }
    assert.are.same({ "completed", "no" }, { refused.status, refused.output[1].content[1].refusal })
  end)

  it("lists log probabilities", function()
    local lp = json.raw '{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}],"refusal":null}'
    local r, _, list = streamed { { type = "text", text = "a", logprobs = lp }, { type = "stop", reason = "stop" } }
    assert.are.equal(-0.5, list[5].data.logprobs[1].logprob)
    assert.are.equal("a", r.output[1].content[1].logprobs[1].token)
  end)

  it("ends well when the provider's did not", function()
    assert.are.equal("completed", streamed({}).status)
    assert.are.equal("a", streamed({ { type = "text", text = "a" } }).output[1].content[1].text)
  end)
end)
