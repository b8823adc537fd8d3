-- Comparing two arms from sums over units. An arm is { n, sum, sum_squares } of a mean, { n, sum } of a proportion, {
-- n, m_sum, m_sum_squares, d_sum,
-- d_sum_squares, m_d_sum_of_products } of a ratio, or { n, post_…, pre_… } of a mean with its value before the
-- experiment (CUPED).
local special = require "stats.special"

local tests = {}
local log, sqrt = math.log, math.sqrt

local function variance(sum, sum_squares, n)
  return (sum_squares - sum * sum / n) / (n - 1)
end

local function covariance(products, sum_a, sum_b, n)
  return (products - sum_a * sum_b / n) / (n - 1)
end

-- mean, variance by kind; delta method for ratios.
local measure = {}

function measure.mean(s)
  return s.sum / s.n, variance(s.sum, s.sum_squares, s.n)
end

function measure.proportion(s)
  local p = s.sum / s.n
  return p, p * (1 - p)
end

function measure.ratio(s)
  local m, d = s.m_sum / s.n, s.d_sum / s.n
  local m_var, d_var = variance(s.m_sum, s.m_sum_squares, s.n), variance(s.d_sum, s.d_sum_squares, s.n)
  local cov = covariance(s.m_d_sum_of_products, s.m_sum, s.d_sum, s.n)
  return m / d, m_var / d ^ 2 - 2 * m * cov / d ^ 3 + m * m * d_var / d ^ 4
end

local function cuped_parts(s)
  return variance(s.post_sum, s.post_sum_squares, s.n), variance(s.pre_sum, s.pre_sum_squares, s.n),
    covariance(s.post_pre_sum_of_products, s.post_sum, s.pre_sum, s.n)
end

local function pooled(a, b)
  local both = {}
  for name, value in pairs(a) do both[name] = value + b[name] end
  return both
end

-- One coefficient for both arms; the difference of the adjusted means, each arm's own mean and adjusted variance. A
-- relative effect divides by the control's own
-- mean, whose variance is base_var and whose covariance with the adjusted one is base_cov.
local function cuped(a, b)
  local _, pre, cov = cuped_parts(pooled(a, b))
  local theta = pre == 0 and 0 or cov / pre
  local function adjusted(s)
    local post_var, pre_var, own = cuped_parts(s)
    return post_var + theta * theta * pre_var - 2 * theta * own
  end
  local difference = b.post_sum / b.n - a.post_sum / a.n - theta * (b.pre_sum / b.n - a.pre_sum / a.n)
  local post_var, _, own = cuped_parts(a)
  return { expected = difference, a_mean = a.post_sum / a.n, a_var = adjusted(a), b_mean = b.post_sum / b.n, b_var = adjusted(b),
    base_var = post_var, base_cov = post_var - theta * own }
end

function tests.mean(kind, s)
  return measure[kind](s)
end

local function plain(kind, a, b)
  local a_mean, a_var = measure[kind](a)
  local b_mean, b_var = measure[kind](b)
  return { expected = b_mean - a_mean, a_mean = a_mean, a_var = a_var, b_mean = b_mean, b_var = b_var,
    base_var = a_var, base_cov = a_var }
end

-- { expected, variance, a_mean, a_var, b_mean, b_var, dof } of b against a; `difference_type` is "absolute" or
-- "relative" (to a's mean).
function tests.compare(kind, a, b, difference_type)
  local r = kind == "cuped" and cuped(a, b) or plain(kind, a, b)
  r.n = a.n + b.n
  local va, vb = r.a_var / a.n, r.b_var / b.n
  r.variance = va + vb
  r.dof = (va + vb) ^ 2 / (va ^ 2 / (a.n - 1) + vb ^ 2 / (b.n - 1))
  if difference_type == "relative" then
    local m, plain_effect = r.a_mean, r.b_mean / r.a_mean - 1
    r.variance = (va + vb + plain_effect ^ 2 * r.base_var / a.n + 2 * plain_effect * r.base_cov / a.n) / m ^ 2
    r.expected = r.expected / m
  end
  return r
end

-- Sides: "two_sided", "greater" (is b above a?), "lesser".
local function interval(r, halfwidth, side)
  return { side == "lesser" and -math.huge or r.expected - halfwidth, side == "greater" and math.huge or r.expected + halfwidth }
end

-- Welch's t-test.
function tests.ttest(kind, a, b, options)
  options = options or {}
  local side, alpha = options.side or "two_sided", options.alpha or 0.05
  local r = tests.compare(kind, a, b, options.difference_type)
  local t = r.expected / sqrt(r.variance)
  local at = side == "two_sided" and 1 - alpha / 2 or 1 - alpha
  r.ci = interval(r, special.t_quantile(at, r.dof) * sqrt(r.variance), side)
  if side == "two_sided" then
    r.p_value = 2 * special.t_sf(math.abs(t), r.dof)
  else
    r.p_value = special.t_sf(side == "greater" and t or -t, r.dof)
  end
  return r
end

-- rho of a confidence sequence that is tightest after `tuning` units.
function tests.sequential_rho(alpha, tuning)
  return sqrt((-2 * log(alpha) + log(-2 * log(alpha) + 1)) / tuning)
end

local function halfwidth(r, rho, level)
  local n = r.n
  return sqrt(r.variance * n) * sqrt(2 * (n * rho * rho + 1) * level / (n * n * rho * rho))
end

local function two_sided_halfwidth(r, alpha, rho)
  return halfwidth(r, rho, log(sqrt(r.n * rho * rho + 1) / alpha))
end

local function one_sided_halfwidth(r, alpha, rho)
  return halfwidth(r, rho, log(1 + sqrt(r.n * rho * rho + 1) / (2 * alpha)))
end

local function sequential_p(r, alpha, tuning)
  local rho2 = tests.sequential_rho(alpha, tuning) ^ 2
  local grown = r.n * rho2 + 1
  local log_e = rho2 * r.n * r.expected ^ 2 / r.variance / (2 * grown) - log(grown) / 2
  return math.min(1, math.exp(-log_e))
end

local LEAST_P, MOST_P, TOUCH, MOST_STEPS = 1e-5, 0.4999, 1e-6, 100

-- The level at which the one-sided interval touches 0, with rho kept; by halving as GrowthBook does, so that its digits agree.
local function one_sided_p(r, alpha, tuning, side)
  local effect = side == "greater" and r.expected or -r.expected
  local rho = tests.sequential_rho(2 * alpha, tuning)
  local function excess(level) return effect - one_sided_halfwidth(r, level, rho) end
  if excess(LEAST_P) > 0 then return LEAST_P end
  if excess(MOST_P) < 0 then return MOST_P end
  local low, high, at = LEAST_P, MOST_P, (LEAST_P + MOST_P) / 2
  for _ = 1, MOST_STEPS do
    local over = excess(at)
    if over > 0 then high = at else low = at end
    at = (low + high) / 2
    if math.abs(over) < TOUCH then break end
  end
  return at
end

-- The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021 ("Time-uniform central
-- limit theory"): valid however often one looks, once each arm's own variance is known well. Not for small arms: reports
-- compare by stats.difference.
function tests.sequential(kind, a, b, options)
  options = options or {}
  local side, alpha, tuning = options.side or "two_sided", options.alpha or 0.05, options.tuning or 5000
  local r = tests.compare(kind, a, b, options.difference_type)
  r.rho = tests.sequential_rho(alpha, tuning)
  if side == "two_sided" then
    r.ci, r.p_value = interval(r, two_sided_halfwidth(r, alpha, r.rho), side), sequential_p(r, alpha, tuning)
  else
    r.ci = interval(r, one_sided_halfwidth(r, alpha, tests.sequential_rho(2 * alpha, tuning)), side)
    r.p_value = one_sided_p(r, alpha, tuning, side)
  end
  return r
end

-- The same for the mean of differences within pairs, from their number, sum and sum of squares: from, to.
function tests.paired(n, sum, sum_squares, options)
  local r = { n = n, variance = variance(sum, sum_squares, n) / n }
  local width = two_sided_halfwidth(r, options.alpha, tests.sequential_rho(options.alpha, options.tuning))
  return sum / n - width, sum / n + width
end

-- The posterior of the effect under a normal prior on the relative effect ({ mean, variance, proper }); without one the
-- data speak alone.
function tests.bayesian(kind, a, b, options)
  options = options or {}
  local prior, alpha = options.prior, options.alpha or 0.05
  local r = tests.compare(kind, a, b, options.difference_type)
  if type(prior) == "table" and prior.proper then
    local scale = options.difference_type == "relative" and 1 or math.abs(r.a_mean)
    local precision = 1 / (prior.variance * scale * scale)
    local total = 1 / r.variance + precision
    r.expected = (r.expected / r.variance + prior.mean * scale * precision) / total
    r.variance = 1 / total
  end
  local sd = sqrt(r.variance)
  local z = r.expected / sd
  local tail = sd * special.normal_pdf(z)
  r.chance_to_win = special.normal_cdf(z)
  r.ci = interval(r, special.normal_quantile(1 - alpha / 2) * sd, "two_sided")
  r.risk = { r.expected * special.normal_cdf(z) + tail, tail - r.expected * special.normal_cdf(-z) }
  return r
end

-- Pearson's chi-squared: do the counts follow the weights? Looked at once, at the end.
function tests.srm(users, weights)
  local total, weight_sum, chi2, arms = 0, 0, 0, 0
  for i, n in ipairs(users) do
    if weights[i] > 0 then total, weight_sum, arms = total + n, weight_sum + weights[i], arms + 1 end
  end
  if total == 0 or arms < 2 then return 1 end
  for i, n in ipairs(users) do
    local expected = weights[i] / weight_sum * total
    if expected > 0 then chi2 = chi2 + (n - expected) ^ 2 / expected end
  end
  return special.chi2_sf(chi2, arms - 1)
end

return tests
