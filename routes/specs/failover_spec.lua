local kit = require "wye.testkit"

describe("failover", function()
  it("offers three providers in order and asks none of them itself", function()
    local d = kit.project():decide("failover", "Hello!")
    assert.are.equal("list", d.kind)
    assert.are.same({ "anthropic/sonnet", "openai/gpt", "local/70b" }, d.models)
    assert.are.equal(0, #d.asks)
  end)
end)
