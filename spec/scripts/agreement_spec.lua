-- How far shadows agree with their routes: what is counted, and what the intervals say of data whose truth is known.
local json = require "json"
local agreement = require "stats.agreement"

local function shadow(more)
  local s = { line = "routes/route.lua:4", rule = "aa", differs = false }
  for k, v in pairs(more) do s[k] = v end
  return json.encode { ts = 1, usd = 1, ms = 10, shadow = s }
end

local function answered(own, again, more)
  local s = { answers = "answered", exact = own == 1, alike = own == 1, overlap = own, usd = 2, ms = 20, copy_exact = again == 1,
    copy_alike = again == 1, copy_overlap = again, copy_usd = 1, copy_ms = 12, copy_differs = false }
  for k, v in pairs(more or {}) do s[k] = v end
  return shadow(s)
end

describe("stats.agreement", function()
  it("counts decisions alike, failed and undecided", function()
    local a = agreement.new()
    for i = 1, 40 do a:shadow(shadow { differs = i % 4 == 0 }) end
    a:shadow(shadow { differs = true, error = "raised" })
    a:shadow('{"ts":2,"shadow":{"line":"routes/route.lua:4","rule":"aa","differs":null,"error":null,"answers":null}}')
    local r = a:report()[1]
    assert.are.same({ 42, 1, 1, 41 }, { r.shadows, r.failed, r.undecided, r.decisions.n })
    assert.are.equal(30 / 41, r.decisions.alike)
    assert.is_true(r.decisions.low > 0.4 and r.decisions.low < 30 / 41 and r.decisions.high < 1)
    assert.is_nil(r.answers)
    assert.matches("42 +41 +0.7317", a:page())
  end)

  it("keeps places and sources of rules apart", function()
    local a = agreement.new()
    a:shadow(shadow {})
    a:shadow(shadow { rule = "bb", differs = true })
    a:shadow(shadow { line = "routes/other.lua:1" })
    local list = json.decode(a:json()).shadows
    assert.are.same({ "aa", "bb", "aa" }, { list[1].rule, list[2].rule, list[3].rule })
    assert.are.same({ 1, 0, 1 }, { list[1].decisions.alike, list[2].decisions.alike, list[3].decisions.alike })
    assert.are.equal('{"shadows":[]}', agreement.new():json())
    assert.matches("no shadow", agreement.new():page())
  end)

  it("compares the rule's answers and the route's second ones with what the client got", function()
    local a = agreement.new()
    for i = 1, 200 do a:shadow(answered(i % 2, i % 10 > 0 and 1 or 0)) end
    a:shadow(shadow { answers = "too many wait" })
    local r = a:report()[1]
    assert.are.equal(200, r.answers.n)
    assert.are.same({ 0.5, 0.9 }, { r.answers.exact.shadow, r.answers.exact.again })
    assert.is_true(math.abs(r.answers.exact.difference + 0.4) < 1e-12)
    assert.is_true(r.answers.exact.low < -0.4 and r.answers.exact.high < 0)
    assert.are.same({ 2, 1, 1 }, { r.answers.usd.shadow, r.answers.usd.again, r.answers.usd.request })
    assert.are.same({ 20, 12, 10 }, { r.answers.ms.shadow, r.answers.ms.again, r.answers.ms.request })
    assert.are.same({ 1, 1, 0 }, { r.answers.decision.shadow, r.answers.decision.again, r.answers.decision.difference })
    assert.are.same({ ["too many wait"] = 1 }, r.left_out)
    assert.matches("less like the client's", r.answers.words)
    assert.matches("not compared by their answers: 1: too many wait", a:page())
  end)

  it("claims nothing of a few, and nothing certain of answers that never differed", function()
    local a = agreement.new()
    for _ = 1, 9 do a:shadow(answered(1, 1)) end
    local r = a:report()[1].answers
    assert.is_nil(r.exact.low)
    assert.matches("9 answers are too few", r.words)
    for _ = 1, 11 do a:shadow(answered(1, 1)) end
    r = a:report()[1].answers
    assert.is_true(r.exact.low < -0.2 and r.exact.high > 0.2)
    assert.matches("no difference seen", r.words)
  end)

  it("errs in at most one of twenty, however often one looks", function()
    math.randomseed(7)
    local wrong, trials = 0, 60
    for _ = 1, trials do
      local a, is_wrong = agreement.new(), false
      for i = 1, 150 do
        local costs = { usd = 1 + math.random(), copy_usd = 1 + math.random() }
        a:shadow(answered(math.random() < 0.6 and 1 or 0, math.random() < 0.6 and 1 or 0, costs))
        if i >= 10 and i % 20 == 0 then
          local r = a:report()[1].answers
          is_wrong = is_wrong or r.exact.low > 0 or r.exact.high < 0 or r.usd.low > 0 or r.usd.high < 0
        end
      end
      wrong = wrong + (is_wrong and 1 or 0)
    end
    assert.is_true(wrong <= trials * 0.1, wrong .. " of " .. trials)
  end)
end)
