local kit = require "wye.testkit"

local READ = {
  number = "2024-117", date = "2024-05-03", currency = "EUR", total = 600,
  lines = { { text = "chair", quantity = 2, amount = 180 }, { text = "desk", amount = 420 } },
}
local SURE, UNSURE = { -0.01, -0.02, -0.05 }, { -0.9, -1.4, -1.1 }

describe("cascade", function()
  local t
  before_each(function() t = kit.project() end)

  local function read(json, logprobs) return { json = json, logprobs = logprobs } end
  local function decide() return t:decide("cascade", "Invoice 2024-117, 3 May 2024. 2 chairs 180.00 EUR, 1 desk 420.00 EUR.") end

  it("serves the first rung's answer when it is valid and sure", function()
    t:fake("local/8b", read(READ, SURE))
    local d = decide()
    assert.are.equal("reply", d.kind)
    assert.are.equal("local/8b", d.model)
    assert.are.equal("rung 1", d.reason)
    assert.are.equal(1, #d.asks)
  end)

  it("climbs past an answer that is not sure enough", function()
    t:fake("local/8b", read(READ, UNSURE))
    t:fake("openai/mini", read(READ, SURE))
    local d = decide()
    assert.are.equal("openai/mini", d.model)
    assert.are.equal("rung 2", d.reason)
  end)

  it("climbs past what the schema does not allow, however sure, and says why", function()
    local wrong = { number = "2024-117", date = "3 May 2024", currency = "EUR", total = 600, lines = READ.lines }
    t:fake("local/8b", read(wrong, SURE))
    t:fake("openai/mini", read(READ, SURE))
    local d = decide()
    assert.are.equal("rung 2", d.reason)
    local rejected
    for _, note in ipairs(d.notes) do rejected = note.text == "rejected" and note.data or rejected end
    assert.are.equal(1, rejected.rung)
    assert.is_truthy(rejected.why:find("date", 1, true))
  end)

  it("climbs past a failure, and past words around the JSON", function()
    t:fake("local/8b", { error = "timeout" })
    t:fake("openai/mini", { text = "Here it is: {}", logprobs = SURE })
    local d = decide()
    assert.are.equal("model", d.kind)
    assert.are.equal("anthropic/opus", d.model)
    assert.are.equal("escalated", d.reason)
    assert.are.equal(2, #d.asks)
  end)

  it("serves the best valid answer when the budget is spent", function()
    t:fake("local/8b", read(READ, UNSURE))
    t:fake("openai/mini", { error = "limit" })
    local d = decide()
    assert.are.equal("local/8b", d.model)
    assert.are.equal("budget", d.reason)
  end)
end)
