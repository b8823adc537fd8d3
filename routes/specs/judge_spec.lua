local kit = require "wye.testkit"

describe("judge", function()
  local t
  before_each(function()
    t = kit.project()
    t:fake("openai/gpt", "Paris.")
    t:fake("anthropic/sonnet", "It is Paris.")
  end)

  it("asks both drafters, and the judge in both orders", function()
    local d = t:decide("judge", "The capital of France?")
    local asked = {}
    for _, ask in ipairs(d.asks) do asked[#asked + 1] = ask.model end
    table.sort(asked)
    assert.are.same({ "anthropic/sonnet", "google/flash", "google/flash", "openai/gpt" }, asked)
  end)

  it("serves the draft that the judge picks in both orders", function()
    local d = t:decide("judge", "The capital of France?") -- without a fake the judge says the first label, both times
    assert.are.equal("reply", d.kind)
    assert.is_nil(d.reason and d.reason:match("^judge:"))
  end)

  it("keeps the first draft when the judge fails", function()
    t:fake("google/flash", { error = "timeout" })
    local d = t:decide("judge", "The capital of France?")
    assert.are.equal("reply", d.kind)
    assert.are.equal("judge: timeout", d.reason)
  end)

  it("keeps the only draft", function()
    t:fake("openai/gpt", { error = "overloaded" })
    local d = t:decide("judge", "The capital of France?")
    assert.are.equal("anthropic/sonnet", d.model)
    assert.are.equal("It is Paris.", d.text)
  end)

  it("serves from the drafters when no draft comes", function()
    t:fake("openai/gpt", { error = "connect" })
    t:fake("anthropic/sonnet", { error = "timeout" })
    local d = t:decide("judge", "The capital of France?")
    assert.are.equal("list", d.kind)
    assert.are.equal("no draft in time", d.reason)
  end)
end)
