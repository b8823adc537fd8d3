-- Every reference number of ../shared/vectors, at the tolerance that its README states.
local json = require "json"
local tests, confseq, ssrm = require "stats.tests", require "stats.confseq", require "stats.ssrm"
local difference, tail = require "stats.difference", require "stats.tail"
local bandit, planout = require "stats.bandit", require "stats.planout"

local function vectors(name)
  for _, dir in ipairs { os.getenv "WYE_SHARED" or "../shared", "../../shared" } do
    local file = io.open(("%s/vectors/%s_vectors.json"):format(dir, name))
    if file then
      local text = file:read "*a"
      file:close()
      return assert(json.decode(text))
    end
  end
end

local function expected(value)
  if value == "inf" then return math.huge end
  return value == "-inf" and -math.huge or value
end

local function near(found, wanted, tolerance, what)
  wanted = expected(wanted)
  local off = found == wanted and 0 or math.abs(found - wanted) / math.max(1, math.abs(wanted))
  if off ~= off or off > tolerance then error(("%s: %.17g, not %.17g"):format(what, found, wanted), 2) end
end

local function each(set, name, check)
  it(name, function()
    if not set then return pending "the vectors are not beside the project" end
    assert.is_true(#set[name] > 0)
    for _, case in ipairs(set[name]) do check(case) end
  end)
end

describe("the boundaries of confseq", function()
  local set = vectors "confseq"

  each(set, "normal", function(c)
    near(confseq.two_sided_best_rho(c.v_opt, c.alpha), c.rho_two_sided, 1e-6, "rho")
    near(confseq.normal_log_mixture(c.s, c.v, c.v_opt, c.alpha), c.log_mix_two_sided, 1e-6, "log mixture")
    near(confseq.normal_mixture_bound(c.v, c.alpha, c.v_opt), c.bound_two_sided, 1e-6, "bound")
    near(confseq.normal_log_mixture(c.s, c.v, c.v_opt, c.alpha, true), c.log_mix_one_sided, 1e-6, "one-sided log mixture")
    near(confseq.normal_mixture_bound(c.v, c.alpha, c.v_opt, true), c.bound_one_sided, 1e-6, "one-sided bound")
  end)
  each(set, "gamma_exponential", function(c)
    near(confseq.gamma_exponential_log_mixture(c.s, c.v, c.v_opt, c.c, c.alpha), c.log_mix, 1e-6, "log mixture")
    near(confseq.gamma_exponential_mixture_bound(c.v, c.alpha, c.v_opt, c.c), c.bound, 1e-6, "bound")
  end)
  each(set, "poly_stitching", function(c)
    near(confseq.poly_stitching_bound(c.v, c.alpha, c.v_min, c.c), c.bound, 1e-6, "bound")
  end)
  each(set, "beta_binomial", function(c)
    near(confseq.beta_binomial_log_mixture(c.s, c.v, c.v_opt, c.g, c.h, c.alpha), c.log_mix_two_sided, 1e-6, "log mixture")
    near(confseq.beta_binomial_mixture_bound(c.v, c.alpha, c.v_opt, c.g, c.h), c.bound_two_sided, 1e-6, "bound")
    near(confseq.beta_binomial_mixture_bound(c.v, c.alpha, c.v_opt, c.g, c.h, true), c.bound_one_sided, 1e-6, "one-sided bound")
  end)
  each(set, "bernoulli_ci", function(c)
    local low, high = confseq.bernoulli_ci(c.successes, c.trials, c.alpha, c.t_opt)
    near(low, c.lo, 1e-6, "low")
    near(high, c.hi, 1e-6, "high")
  end)
  each(set, "quantile_ab_p", function(c)
    local function sample(text)
      local from, to = text:match "(%d+)%.%.(%d+)"
      local list = {}
      for i = tonumber(from), tonumber(to) do list[#list + 1] = i end
      return list
    end
    near(confseq.quantile_ab_p(c.q, sample(c.a), sample(c.b), c.t_opt, c.alpha_opt), c.p, 1e-6, "p")
  end)
  each(set, "quantile_double_stitching", function(c)
    near(confseq.quantile_double_stitching(c.q, c.t, c.alpha, c.t_opt), c.bound, 1e-6, "bound")
  end)
end)

describe("the sequential sample-ratio check", function()
  each(vectors "ssrm", "cases", function(c)
    local test = ssrm.new(c.null)
    for i, counts in ipairs(c.increments) do
      local log_bf, p = test:add(counts)
      near(log_bf, c.log_bayes_factor[i], 1e-9, "log Bayes factor")
      near(p, c.p_value[i], 1e-9, "p")
    end
  end)
end)

describe("comparing two arms", function()
  local set = vectors "gbstats"
  local function sides(c, run, names)
    for _, side in ipairs(names) do
      local options = { side = side, alpha = c.alpha, tuning = c.tuning, difference_type = c.difference_type }
      local r, want = run(c.kind, c.a, c.b, options), c[side]
      near(r.expected, want.expected, 1e-9, "effect")
      near(math.sqrt(r.variance), want.uplift.stddev, 1e-9, "standard error")
      near(r.p_value, want.pValue, 1e-9, "p")
      for i = 1, 2 do near(r.ci[i], want.ci[i], run == tests.ttest and 1e-8 or 1e-9, side) end -- scipy's t quantile stops at 1e-8
      near(r.dof, c.dof or r.dof, 1e-9, "degrees of freedom")
    end
  end

  each(set, "srm", function(c) near(tests.srm(c.users, c.weights), c.p, 1e-9, "p") end)
  each(set, "ttest", function(c) sides(c, tests.ttest, { "two_sided", "greater", "lesser" }) end)
  each(set, "sequential", function(c)
    sides(c, tests.sequential, { "two_sided", "greater" })
    near(tests.sequential_rho(c.alpha, c.tuning), c.rho, 1e-9, "rho")
  end)
  each(set, "bayesian", function(c)
    local options = { alpha = c.alpha, difference_type = c.difference_type, prior = c.prior }
    local r, want = tests.bayesian(c.kind, c.a, c.b, options), c.result
    near(r.expected, want.expected, 1e-9, "effect")
    near(r.chance_to_win, want.chanceToWin, 1e-9, "chance to win")
    for i = 1, 2 do
      near(r.risk[i], want.risk[i], 1e-9, "risk")
      near(r.ci[i], want.ci[i], 1e-9, "interval")
    end
  end)
  each(set, "bandit", function(c)
    local arms, posteriors = {}, {}
    for i, arm in ipairs(c.arms_sum_n) do
      arms[i] = { sum = arm[1], n = arm[2] }
      posteriors[i] = bandit.posterior(arms[i])
      near(posteriors[i].mean, c.posterior_mean[i], 1e-9, "mean")
      near(posteriors[i].variance, c.posterior_variance[i], 1e-9, "variance")
    end
    local best = bandit.chances(posteriors)
    for i, p in ipairs(c.best_arm_probabilities) do near(best[i], p, 0.02, "chance to be best") end
    local weights = bandit.weights(arms, { top_two = c.top_two, floor = 0.01 })
    assert.are.equal(c.bandit_weights == json.null, weights == nil)
    for i, w in ipairs(weights or {}) do near(w, c.bandit_weights[i], 0.02, "weight") end
  end)
end)

describe("PlanOut's operators", function()
  local set = vectors "planout"

  each(set, "hash", function(c)
    assert.are.equal(c.hash60 .. "ULL", tostring(planout.hash(c.salt, c.var, c.unit)))
    assert.are.equal(tonumber(c.uniform), planout.uniform(c.salt, c.var, c.unit))
  end)
  each(set, "ops", function(c)
    local units = type(c.unit) == "table" and c.unit or { c.unit }
    local function op(name, run, ...)
      local o = c[name]
      local want = type(o.expect) == "string" and tonumber(o.expect) or o.expect
      assert.are.same(want, run(c.salt, o.var, ...))
    end
    op("uniformChoice", planout.uniform_choice, c.unit, c.uniformChoice.choices)
    op("weightedChoice", planout.weighted_choice, c.unit, c.weightedChoice.choices, c.weightedChoice.weights)
    op("bernoulli", planout.bernoulli, c.unit, c.bernoulli.p)
    op("randomInteger", planout.random_integer, c.unit, c.randomInteger.min, c.randomInteger.max)
    op("randomFloat", planout.uniform, c.unit, c.randomFloat.min, c.randomFloat.max)
    op("sample", planout.sample, units, c.sample.choices, c.sample.draws)
    op("fastSample", planout.fast_sample, units, c.fastSample.choices, c.fastSample.draws)
    op("bernoulliFilter", planout.bernoulli_filter, units, c.bernoulliFilter.p, c.bernoulliFilter.choices)
  end)
  it("namespace", function()
    if not set then return pending "the vectors are not beside the project" end
    local n = set.namespace
    local allocation = planout.allocate(n.name, n.num_segments, n.order)
    for name, segments in pairs(n.allocation) do assert.are.same(segments, allocation[name]) end
    for _, u in ipairs(n.units) do assert.are.equal(u.segment, planout.segment(n.name, n.num_segments, u.unit)) end
  end)
end)

describe("a difference between two arms", function()
  local ALPHA, TUNING = 0.05, 1000

  local function arm(n, value)
    local units = {}
    for i = 1, n do units[i] = { m = value(i), d = 1 } end
    return units
  end

  local function p(a, b, side)
    return difference.p_value(difference.gather(a, b), side or "two_sided", ALPHA, TUNING)
  end

  local function always(y) return function() return y end end

  it("is found between arms that are constant in themselves", function()
    local a, b = arm(200, always(0)), arm(200, always(1))
    local low, high = difference.interval(difference.gather(a, b), "two_sided", ALPHA, TUNING)
    assert.is_true(p(a, b) < 1e-6)
    assert.is_true(low > 0.7 and low < 1 and high > 1)
    assert.is_true(p(arm(400, always(6.9e-05)), arm(40, always(0.00114)), "greater") < 0.001)
    assert.is_true(p(arm(400, always(6.9e-05)), arm(40, always(0.00114)), "lesser") == 1)
  end)

  it("is none where only rounding differs", function()
    assert.are.equal(1, p(arm(300, always(0.1 + 0.2)), arm(300, always(0.3))))
    local low, high = difference.interval(difference.gather(arm(30, always(5)), arm(30, always(5))), "two_sided", ALPHA, TUNING)
    assert.are.same({ 0, 0 }, { low, high })
  end)

  it("is the sequential test's own with arms of one size", function()
    math.randomseed(3)
    local a, b = arm(5000, function() return math.random() end), arm(5000, function() return math.random() + 0.01 end)
    local s = {}
    for i, units in ipairs { a, b } do
      s[i] = { n = #units, sum = 0, sum_squares = 0 }
      for _, u in ipairs(units) do s[i].sum, s[i].sum_squares = s[i].sum + u.m, s[i].sum_squares + u.m * u.m end
    end
    local want = tests.sequential("mean", s[1], s[2], { alpha = ALPHA, tuning = TUNING })
    local low, high = difference.interval(difference.gather(a, b), "two_sided", ALPHA, TUNING)
    near(low, want.ci[1], 2e-4, "low")
    near(high, want.ci[2], 2e-4, "high")
  end)

  it("has a p-value that falls to alpha where the interval leaves 0, whichever side is skewed", function()
    for _, rates in ipairs { { 0.02, 0.08 }, { 0.98, 0.92 }, { 0.08, 0.02 } } do
      local a = arm(1800, function(i) return i % 100 < 100 * rates[1] and 1 or 0 end)
      local n = 100
      local function treated() return arm(n, function(i) return i % 100 < 100 * rates[2] and 1 or 0 end) end
      while p(a, treated()) > ALPHA do n = n + 100 end
      local g = difference.gather(a, treated())
      local low, high = difference.interval(g, "two_sided", ALPHA, TUNING)
      assert.is_true(low > 0 or high < 0)
      n = n - 100
      low, high = difference.interval(difference.gather(a, treated()), "two_sided", ALPHA, TUNING)
      assert.is_true(low <= 0 and high >= 0)
    end
  end)

  it("is not seen in a small arm that has not met a rare value yet", function()
    math.randomseed(11)
    local found = 0
    for _ = 1, 100 do
      local a, b, has = {}, {}, false
      for i = 1, 1500 do
        local into = math.random() < 0.05 and b or a
        into[#into + 1] = { m = math.random() < 0.97 and 1 or 0, d = 1 }
        has = has or (i % 10 == 0 and #b >= 10 and p(a, b) <= ALPHA)
      end
      found = found + (has and 1 or 0)
    end
    assert.is_true(found <= 5, found .. " of 100")
  end)

  it("is none where rates and weights change together: a ramp, while all get worse", function()
    local function rate(percent) return function(i) return i % 100 < percent and 1 or 0 end end
    local before, after = { arm(900, rate(90)), arm(100, rate(90)) }, { arm(500, rate(70)), arm(500, rate(70)) }
    local g = difference.stratified { before, after }
    near(g.effect, 0, 1e-12, "effect")
    assert.is_true(g.value < g.control - 0.05)
    assert.are.equal(1, difference.p_value(g, "lesser", ALPHA, TUNING))
    after[2] = arm(500, rate(50))
    g = difference.stratified { before, after }
    assert.is_true(difference.p_value(g, "lesser", ALPHA, TUNING) < 0.001)
  end)

  it("says how many units decide it", function()
    local function trial(n)
      return difference.gather(arm(n, function(i) return i % 2 end), arm(n, function(i) return i % 25 < 13 and 1 or 0 end))
    end
    local more = difference.units_to_go(trial(1000), ALPHA, TUNING)
    local enough = math.ceil((more + 2000) / 100) * 50
    assert.is_true(difference.p_value(trial(enough), "two_sided", ALPHA, TUNING) <= ALPHA)
    assert.is_true(difference.p_value(trial(math.floor(enough * 0.9)), "two_sided", ALPHA, TUNING) > ALPHA)
    assert.is_nil(difference.units_to_go(difference.gather(arm(50, always(1)), arm(50, always(1))), ALPHA, TUNING))
  end)
end)

describe("the slower tail", function()
  local function users(n, slow)
    local units = {}
    for i = 1, n do
      local pace = i % 10 < slow and 5 or 1
      units[i] = { pace * (1 + i % 7 / 10), pace * (1 + i % 11 / 10), pace * (1 + i % 13 / 10) }
    end
    return units
  end

  it("is found where a percentile of requests is slower, by values and by users", function()
    local a, b = users(400, 0), users(400, 3)
    assert.are.equal(2, tail.quantile(a))
    assert.is_true(tail.by_values(a, b) < 0.001)
    assert.is_true(tail.by_units({ { a, b } }, 0.05, 1000) < 0.001)
    assert.are.equal(1, tail.by_units({ { b, a } }, 0.05, 1000))
  end)

  it("is not found in one slow user", function()
    local a, b = users(100, 0), users(100, 0)
    for i = 1, 60 do b[1][i] = 9 end
    assert.is_true(tail.by_values(a, b) < 0.05)
    assert.is_true(tail.by_units({ { a, b } }, 0.05, 1000) > 0.5)
  end)
end)

describe("the sample-ratio check of reports", function()
  it("finds gross imbalance in hundreds of units, in any order, and none where there is none", function()
    local function p(one, other)
      local test = ssrm.mixed { 0.5, 0.5 }
      for _ = 1, 200 do test:add(one, nil) test:add(other, nil) end
      return test.p_value
    end
    assert.is_true(p({ 1, 1 }, { 1, 0 }) < 0.001)
    assert.is_true(p({ 1, 0 }, { 0, 1 }) > 0.5)
  end)

  it("finds it after a ramp, too, and takes the ramp itself for none", function()
    local function p(every)
      local test = ssrm.mixed { 0.9, 0.1 }
      for i = 1, 1000 do test:add(i % 10 == 0 and { 0, 1 } or { 1, 0 }, { 0.9, 0.1 }) end
      for i = 1, 600 do test:add(i % 20 < every and { 1, 0 } or { 0, 1 }, { 0.5, 0.5 }) end
      return test.p_value
    end
    assert.is_true(p(10) > 0.5)
    assert.is_true(p(13) < 0.001)
  end)
end)
