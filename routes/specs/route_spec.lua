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

  it("sends plain words to the small model", function()
    for _, prompt in ipairs {
      "Hello!", "What is the capital of Peru?", "Write a poem about autumn.", "Guten Abend!", "Merci !", "Bună dimineața", "おはよう",
    } do
      local d = t:decide("route", prompt)
      assert.are.equal("anthropic/haiku", d.model)
      assert.are.equal("other", d.reason)
    end
  end)

  it("sends code to the large one", function()
    for _, prompt in ipairs {
      "Why this Traceback (most recent call last)?",
      "```c\nint main(void) { return x; }\n```",
      "Write a Python function that sorts a list of tuples.",
    } do
      local d = t:decide("route", prompt)
      assert.are.equal("anthropic/opus", d.model)
      assert.are.equal("code", d.reason)
    end
  end)

  it("sends what says nothing to the large one too", function()
    local d = t:decide("route", "")
    assert.are.equal("anthropic/opus", d.model)
    assert.matches("^unsure about ", d.reason)
  end)

  it("sends images to the model that sees", function()
    assert.are.equal("google/flash", t:decide("route", IMAGE).model)
  end)

  it("asks no model in order to decide, and notes what the classifier said", function()
    local d = t:decide("route", "Hello!")
    assert.are.equal(0, #d.asks)
    assert.are.equal("classified", d.notes[1].text)
    assert.are.equal("intent", d.notes[1].data.classifier)
    assert.are.equal("other", d.notes[1].data.label)
  end)
end)
