-- Every reference number of ../shared/vectors, at the tolerance that its README states.
local json = require "json"
local tests, confseq, ssrm = require "stats.tests", require "stats.confseq", require "stats.ssrm"
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
