-- The estimate of a replay over rows whose truth is known.
local json = require "json"
local replayed = require "stats.replayed"

-- `n` decisions drawn between two models with probability `p` of "b"; the rule wants "b" where `wants(i)`.
local function drawn(n, p, rates, wants)
  local e = replayed.new()
  math.randomseed(11)
  for i = 1, n do
    local is_b = math.random() < p
    local y = math.random() < (is_b and rates[2] or rates[1]) and 1 or 0
    e:rows(("%d %.9g u%d\t%s\t%s\n"):format(y, is_b and 1 / p or 1 / (1 - p), i, is_b and "b" or "a", wants(i) and "b" or "a"))
  end
  return e
end

describe("the quality of a replay", function()
  it("finds the truth of a rule that chance had tried", function()
    local e = drawn(20000, 0.2, { 0.6, 0.9 }, function(i) return i % 2 == 0 end):estimate()
    assert.is_nil(e.refused)
    assert.is_true(math.abs(e.snips - 0.75) < 3 * e.snips_error and e.snips_error < 0.02, e.snips)
    assert.is_true(math.abs(e.dr - 0.75) < 3 * e.dr_error and e.dr_error < 0.02, e.dr)
    assert.is_true(e.effective < 20000 and e.effective > 5000 and e.support == 1)
  end)

  it("covers the truth in nearly all of many", function()
    local covered = 0
    for seed = 1, 200 do
      local e = replayed.new()
      math.randomseed(seed)
      for i = 1, 400 do
        local is_b = math.random() < 0.5
        e:rows(("%d 2 u%d\t%s\tb\n"):format(math.random() < (is_b and 0.7 or 0.3) and 1 or 0, i, is_b and "b" or "a"))
      end
      local r = e:estimate()
      covered = covered + (math.abs(r.dr - 0.7) < 2 * r.dr_error and 1 or 0)
    end
    assert.is_true(covered >= 180 and covered < 200, covered)
  end)

  it("refuses without chance, and says what is lacking", function()
    local e = replayed.new()
    for _ = 1, 100 do e:rows "1 1 \ta\tb\n1 1 \ta\ta\n" end
    local r = e:estimate()
    assert.are.equal(0.5, r.support)
    assert.is_nil(r.now)
    assert.matches("50.0 %% of the decisions have support, 95 %% are needed: 'b' was brought by chance 0 times", r.refused)
    assert.matches("no estimate by this rule", e:page())
  end)

  it("refuses what chance brought too seldom, and too few", function()
    assert.matches("by chance %d+ times", drawn(200, 0.05, { 1, 1 }, function() return true end):estimate().refused)
    local e = replayed.new()
    for _ = 1, 12 do e:rows "1 1 \ta\ta\n" end
    assert.matches("effective sample size is 12.0, 30 are needed", e:estimate().refused)
    assert.are.equal(0, json.decode(replayed.new():json()).decisions)
  end)

  it("estimates what people said, over the decisions that were scored", function()
    local e = replayed.new()
    math.randomseed(5)
    for i = 1, 8000 do
      local is_b, is_scored = math.random() < 0.5, i % 4 == 0
      local score = (is_b and 3 or 1) + math.random()
      local said = is_scored and ("\ttask_ok=%.9g\tstars=5"):format(score) or i % 100 == 1 and "\trare=1" or ""
      e:rows(("1 2 u%d\t%s\tb%s\n"):format(i, is_b and "b" or "a", said))
    end
    local r = e:estimate()
    local stars, ok, rare = r.feedback[1], r.feedback[2], r.feedback[3]
    assert.are.same({ "stars", 2000, 5 }, { stars.metric, stars.decisions, stars.now })
    assert.are.same({ "task_ok", 2000 }, { ok.metric, ok.decisions })
    assert.is_true(math.abs(ok.was - 2.5) < 0.1 and math.abs(ok.dr - 3.5) < 3 * ok.dr_error and ok.dr_error < 0.05, ok.dr)
    assert.are.same({ "rare", 80 }, { rare.metric, rare.decisions })
    assert.matches("\ntask_ok of 2000 that were scored: 2%.%d+ as recorded; by this rule 3%.%d+ ± 0%.%d+ %(SNIPS%)", e:page())
    assert.are.equal(1, r.now)
  end)

  it("is not sure of a share of which nothing else was seen", function()
    local good, bad = replayed.new(), replayed.new()
    for _ = 1, 918 do
      good:rows "1 1 \ta\ta\n"
      bad:rows "0 1 \ta\ta\n"
    end
    local low, high = good:estimate().low, bad:estimate().high
    assert.is_true(math.abs(low - (1 - 3 / 918)) < 1e-4 and math.abs(high - 3 / 918) < 1e-4, low)
    assert.matches("by this rule 100.00 %, between 99.67 and 100.00 % (95 %; no other value was seen)", good:page(), 1, true)
    assert.matches("by this rule 0.00 %, between 0.00 and 0.33 %", bad:page(), 1, true)
  end)

  it("is the mean as recorded for the same rule", function()
    local e = replayed.new()
    for i = 1, 100 do e:rows(("%d 1 \ta, b (cache 3)\ta, b (cache 3)\n"):format(i % 4 == 0 and 0 or 1)) end
    local r = e:estimate()
    assert.are.equal(0.75, r.was)
    assert.are.equal(0.75, r.dr)
    assert.matches("by this rule 75.00 ± 8%.66 %% %(SNIPS%)", e:page())
  end)
end)
