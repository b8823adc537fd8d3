local kit = require "wye.testkit"

describe("cascade", function()
  local t
  before_each(function() t = kit.project() end)

  it("serves the first rung's answer when it will do", function()
    t:fake("local/8b", "Paris.")
    local d = t:decide("cascade", "The capital of France?")
    assert.are.equal("reply", d.kind)
    assert.are.equal("local/8b", d.model)
    assert.are.equal("Paris.", d.text)
    assert.are.equal("rung 1", d.reason)
  end)

  it("climbs past a failure", function()
    t:fake("local/8b", { error = "timeout" })
    t:fake("openai/mini", "Paris.")
    local d = t:decide("cascade", "The capital of France?")
    assert.are.equal("openai/mini", d.model)
    assert.are.equal("rung 2", d.reason)
    assert.are.same({ rung = 1, why = "timeout" }, d.notes[1].data)
  end)

  for why, answer in pairs {
    empty = " \n",
    ["cut short"] = { text = "The capital of", finish = "length" },
    ["says: I don't know"] = "Sorry, I don't know.",
  } do
    it("climbs past an answer that is " .. why, function()
      t:fake("local/8b", answer)
      t:fake("openai/mini", "Paris.")
      local d = t:decide("cascade", "The capital of France?")
      assert.are.equal("rung 2", d.reason)
      assert.are.equal(why, d.notes[1].data.why)
    end)
  end

  it("climbs past an invoice that is not what the schema asks for", function()
    t:fake("local/8b", "Thank you for the invoice.")
    t:fake("openai/mini", "Thank you for the invoice.")
    local d = t:decide("cascade", { metadata = { task = "invoice" }, messages = { { role = "user", content = "Read this." } } })
    assert.are.equal("escalated", d.reason)
  end)

  it("ends with the strongest model, which is served and not asked", function()
    t:fake("local/8b", { error = "connect" })
    t:fake("openai/mini", { error = "rate_limit" })
    local d = t:decide("cascade", "The capital of France?")
    assert.are.equal("model", d.kind)
    assert.are.equal("anthropic/opus", d.model)
    assert.are.equal("escalated", d.reason)
    assert.are.equal(2, #d.asks)
  end)
end)
