-- Reports and what-if over rows whose truth is known.
local json = require "json"
local ab = require "stats.ab"
local offpolicy = require "stats.offpolicy"

-- `n` decisions of as many units; v2 is taken with probability `p` and brings `rates`.
local function experiment(n, p, rates, options)
  options = options or {}
  local x = ab.new(json.encode { name = "trial", weights = options.weights, metric = options.metric })
  x:designed '{"metric":"ok","guard":["error","cost"],"unit":"user","arms":["v1","v2"]}'
  math.randomseed(7)
  for i = 1, n do
    local is_treated = math.random() < (options.really or p)
    local id, arm = ("id%d"):format(i), is_treated and "v2" or "v1"
    local is_late, has_failed = i > n / 2, math.random() < (is_treated and options.errors or 0)
    x:decision(json.encode { id = id, ts = i * 1e6, hash = is_late and options.hash or "a", arm = arm,
      p = is_treated and p or 1 - p, unit = ("u%d"):format(i), source = (is_late and options.source or "s") .. arm,
      weights = ("%g,%g"):format(1 - p, p), error = has_failed and 1 or 0, valid = 1, refused = 0,
      usd = is_treated and options.usd or 1, ms = 5, tokens = 1 })
    x:score(json.encode { id = id, metric = "ok", value = math.random() < rates[is_treated and 2 or 1] and 1 or 0 })
  end
  return x
end

local function verdict(x)
  return x:report().versions[1].verdicts[1].verdict
end

describe("a report", function()
  it("says what is better, worse and undecided", function()
    assert.are.equal("better", verdict(experiment(2000, 0.5, { 0.5, 0.7 })))
    assert.are.equal("worse", verdict(experiment(2000, 0.5, { 0.7, 0.5 })))
    assert.are.equal("undecided", verdict(experiment(500, 0.5, { 0.6, 0.62 })))
    assert.are.equal("too_few", verdict(experiment(10, 0.5, { 0.6, 0.6 })))
  end)

  it("tells all from none, and says how many units are missing before", function()
    assert.are.equal("better", verdict(experiment(400, 0.5, { 0, 1 })))
    local early = experiment(60, 0.1, { 0.5, 0.5 }):report().versions[1].verdicts[1].words
    assert.is_truthy(early:find "^v2: too early to say anything of ok: %d more units in v2 are needed$", early)
  end)

  it("sees a guard that is constant in each arm, and one that is not when digits are all that differ", function()
    assert.are.equal("harm", verdict(experiment(400, 0.5, { 0.5, 0.7 }, { usd = 16 })))
    assert.are.equal("better", verdict(experiment(2000, 0.5, { 0.5, 0.7 }, { usd = 1 + 1e-14 })))
  end)

  it("puts a harmed guard before a better metric", function()
    assert.are.equal("harm", verdict(experiment(2000, 0.5, { 0.5, 0.7 }, { errors = 0.2 })))
  end)

  it("is void when the arms are not as large as their weights say", function()
    local v = experiment(4000, 0.5, { 0.5, 0.9 }, { really = 0.6 }):report().versions[1]
    assert.is_true(v.sample_ratio.is_void)
    assert.are.equal("void", v.verdicts[1].verdict)
    assert.are.equal("void", verdict(experiment(600, 0.5, { 0.5, 0.9 }, { really = 0.36 })))
  end)

  it("splits where the source of an arm changed, not where only the project did", function()
    assert.are.equal(1, #experiment(400, 0.5, { 0.5, 0.5 }, { hash = "b" }):report().versions)
    assert.are.equal(2, #experiment(400, 0.5, { 0.5, 0.5 }, { hash = "b", source = "t" }):report().versions)
  end)

  it("writes times as whole numbers", function()
    local x = experiment(40, 0.5, { 0.5, 0.5 })
    x:decision(json.encode { id = "late", ts = 1795416981425333, hash = "a", arm = "v1", p = 0.5, unit = "late", source = "sv1",
      weights = "0.5,0.5" })
    assert.is_truthy(x:json():find('"to_us":1795416981425333', 1, true))
  end)

  it("compares within each split of a ramp", function()
    local x = ab.new(json.encode { name = "trial" })
    x:designed '{"metric":"valid","unit":"user","arms":["v1","v2"]}'
    for i = 1, 2000 do
      local is_late = i > 1000
      local is_treated = is_late and i % 2 == 0 or i % 10 == 0
      x:decision(json.encode { id = "i" .. i, ts = i, hash = "a", arm = is_treated and "v2" or "v1", p = 0.5, unit = "u" .. i,
        source = is_treated and "t" or "s", weights = is_late and "0.5,0.5" or "0.9,0.1",
        valid = math.floor(i / 10) % 10 < (is_late and 6 or 9) and 1 or 0 })
    end
    local v = x:report().versions[1]
    assert.is_true(v.primary.v2.value < v.primary.v2.control - 0.1)
    assert.is_true(math.abs(v.primary.v2.effect) < 1e-9)
    assert.are.equal("undecided", v.verdicts[1].verdict)
  end)

  it("reads the newest dealing alone, and names those before", function()
    local x = experiment(100, 0.5, { 0.5, 0.5 })
    x:designed '{"metric":"ok","unit":"user","salt":"anew","arms":["v1","w2"]}'
    for i = 1, 30 do
      x:decision(json.encode { id = "n" .. i, ts = 1e9 + i, hash = "z", salt = "anew", arm = i % 2 == 0 and "v1" or "w2", p = 0.5,
        unit = ("u%d"):format(i), source = "s", weights = "0.5,0.5" })
    end
    local r = x:report()
    assert.are.same({ "anew", 1, "trial", 100, 100 },
      { r.salt, #r.earlier, r.earlier[1].salt, r.earlier[1].decisions, r.earlier[1].units })
    assert.are.same({ 15, 15 }, r.versions[1].sample_ratio.units)
    assert.are.equal("w2", r.versions[1].arms[2].arm)
  end)

  it("says of the second version which source changed, not of the first", function()
    local page = experiment(400, 0.5, { 0.5, 0.5 }, { hash = "b", source = "t" }):page()
    assert.is_truthy(page:find("-- version 1 of 2: before the source of an arm changed", 1, true))
    assert.is_truthy(page:find("-- version 2 of 2: the source of v1, v2 is another than before", 1, true))
  end)

  it("takes the first of repeated scores", function()
    local x = experiment(100, 0.5, { 1, 1 })
    x:score '{"id":"id1","metric":"ok","value":0}'
    local r = x:report()
    assert.are.equal(1, r.repeated_scores)
    assert.are.equal(1, r.versions[1].primary.v2.value)
  end)
end)

-- 60 units of each arm and each source of v2, in time: its first source brings 1, the next 0, then the first again 1.
local function taken_back(options, matches)
  options.name = "trial"
  local x = ab.new(json.encode(options))
  x:designed '{"metric":"ok","unit":"user","arms":["v1","v2"]}'
  for i = 1, 360 do
    local phase, arm = math.ceil(i / 120), i % 2 == 0 and "v2" or "v1"
    local is_broken = phase == 2
    x:decision(json.encode { id = "id" .. i, ts = i * 1e6, hash = is_broken and "b" or "a", arm = arm, p = 0.5, unit = "u" .. i,
      source = arm .. (is_broken and arm == "v2" and "broken" or ""), weights = "0.5,0.5", error = 0, valid = 1, refused = 0,
      usd = 1, ms = 5, tokens = 1, matches = matches and matches(i) })
    x:score(json.encode { id = "id" .. i, metric = "ok", value = arm == "v2" and (is_broken and 0 or 1) or i % 4 < 2 and 1 or 0 })
  end
  return x
end

describe("a version that was taken back", function()
  it("is not the newest one, and nothing is awaited of it", function()
    local list = taken_back({}):report().versions
    assert.are.same({ 120, 240 }, { list[1].decisions, list[2].decisions })
    assert.is_true(list[2].is_newest and list[2].is_back and not list[1].is_newest)
    assert.are.equal(0, list[1].primary.v2.value)
    local page = taken_back({}):page()
    assert.is_truthy(page:find("-- version 2 of 2: the source of v2 is again that of earlier", 1, true))
  end)

  it("does not say how many more units would decide", function()
    local x = experiment(1000, 0.5, { 0.6, 0.62 }, { hash = "b", source = "t" })
    local list = x:report().versions
    assert.are.equal("v2: undecided in ok; this version is not the one served last", list[1].verdicts[1].words)
    assert.is_nil(list[1].primary.v2.units_to_go)
    assert.is_truthy(list[2].verdicts[1].words:find "more units decide it")
  end)

  it("leaves the live one all its decisions in a what-if, and the other version those of an arm that is the same", function()
    local e = taken_back({ weights = { v2 = 1 } }):what_if()
    assert.are.same({ 240, 1 }, { e.n, e.snips })
    assert.are.equal(360, taken_back({ weights = { v1 = 1 } }):what_if().n)
  end)
end)

describe("a what-if's query", function()
  local weights = { v2 = 1 }

  it("limits what is estimated, and is named", function()
    local x = taken_back({ weights = weights, query = "user > a" }, function(i) return i <= 100 end)
    assert.are.same({ 100, 100 }, { x:what_if().n, x:what_if().matched })
    assert.is_truthy(x:what_if_page():find("under v2 100 %, of the 100 decisions that match 'user > a'\n", 1, true))
  end)

  it("is refused when nothing matches", function()
    local x = taken_back({ weights = weights, query = "user == a" }, function() return false end)
    local ok, words = pcall(x.what_if, x)
    assert.are.same({ false, "no decision of 'trial' matches 'user == a'" }, { ok, words })
  end)
end)

describe("what-if", function()
  it("finds what other weights bring, within its error", function()
    local e = experiment(20000, 0.1, { 0.6, 0.8 }, { weights = { v1 = 0.5, v2 = 0.5 } }):what_if()
    assert.is_true(math.abs(e.snips - 0.7) < 3 * e.snips_error)
    assert.is_true(math.abs(e.dr - 0.7) < 3 * e.dr_error)
    assert.is_true(e.ess < e.n / 2 and e.ess > 1000)
    assert.is_true(e.snips_error > 0.002 and e.snips_error < 0.01)
  end)

  it("refuses an arm that was hardly tried", function()
    local x = experiment(200, 0.02, { 0.6, 0.8 }, { weights = { v2 = 1 } })
    local ok, words = pcall(x.what_if, x)
    assert.is_false(ok)
    assert.is_truthy(words:find "^refused: the rule wants arm 'v2', which was taken %d+ times where 30 are needed")
  end)

  it("counts units, not their requests, in the effective sample size", function()
    local rows = {}
    for i = 1, 120 do
      rows[i] = { y = i % 2, arm = i % 4 < 2 and "v1" or "v2", p = 0.5, unit = i % 12, want = { v1 = 0.5, v2 = 0.5 } }
    end
    assert.are.equal(12, offpolicy.estimate(rows).ess)
  end)

  it("is exact for the rule that was logged", function()
    local rows = {}
    for i = 1, 100 do rows[i] = { y = i % 2, arm = "v1", p = 1, unit = i, want = { v1 = 1 } } end
    local e = offpolicy.estimate(rows)
    assert.are.same({ 0.5, 0.5, 0.5, 100 }, { e.snips, e.dr, e.logged, e.ess })
  end)
end)
