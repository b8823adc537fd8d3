local kit = require "wye.testkit"

local IMAGE = {
  messages = { { role = "user", content = {
    { type = "text", text = "What is this?" },
    { type = "image_url", image_url = { url = "data:image/png;base64,iVBORw0KGgo=" } },
  } } },
}

describe("route", function()
  local t
  before_each(function() t = kit.project() end)

  it("sends plain words to the cheap model", function()
    local d = t:decide("route", "Hello!")
    assert.are.equal("openai/mini", d.model)
    assert.are.equal("short and plain", d.reason)
  end)

  it("sends code to the coder, and says by which sign", function()
    local d = t:decide("route", "Why this Traceback (most recent call last)?")
    assert.are.equal("anthropic/sonnet", d.model)
    assert.are.equal("code: traceback", d.reason)
  end)

  it("sends images to the model that sees", function()
    assert.are.equal("google/flash", t:decide("route", IMAGE).model)
  end)

  it("sends what is long to the model that reads much", function()
    local d = t:decide("route", ("All work and no play makes a dull text. "):rep(1000))
    assert.are.equal("google/flash", d.model)
    assert.matches("^long: about %d+ tokens$", d.reason)
  end)

  it("asks no model in order to decide", function()
    assert.are.equal(0, #t:decide("route", "Hello!").asks)
  end)
end)
