-- Boundaries that a sum crosses at any time with at most the chance alpha. `v` is intrinsic time (a variance so far),
-- `v_opt` where the
-- boundary is tightest. Howard, Ramdas, McAuliffe, Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic confidence
-- sequences".
local special = require "stats.special"

local confseq = {}
local log, sqrt = math.log, math.sqrt

-- The s where the log of the mixture supermartingale reaches log(1/alpha).
local function mixture_bound(log_mix, limit, alpha)
  local function f(s) return log_mix(s) - log(1 / alpha) end
  local high = 1
  while high < limit and f(high) < 0 do high = high * 2 end
  if high >= limit then
    if f(limit) < 0 then return limit end
    high = limit
  end
  return special.bisect(f, 0, high)
end

function confseq.two_sided_best_rho(v_opt, alpha)
  return v_opt / (2 * log(1 / alpha) + log(1 + 2 * log(1 / alpha)))
end

function confseq.one_sided_best_rho(v_opt, alpha)
  return confseq.two_sided_best_rho(v_opt, 2 * alpha)
end

function confseq.normal_log_mixture(s, v, v_opt, alpha, is_one_sided)
  local best = is_one_sided and confseq.one_sided_best_rho or confseq.two_sided_best_rho
  local rho = best(v_opt, alpha)
  local two = 0.5 * log(rho / (v + rho)) + s * s / (2 * (v + rho))
  if not is_one_sided then return two end
  return two + log(2) + log(special.normal_cdf(s / sqrt(v + rho)))
end

function confseq.normal_mixture_bound(v, alpha, v_opt, is_one_sided)
  if is_one_sided then
    return mixture_bound(function(s) return confseq.normal_log_mixture(s, v, v_opt, alpha, true) end, math.huge, alpha)
  end
  local rho = confseq.two_sided_best_rho(v_opt, alpha)
  return sqrt((v + rho) * (log(1 + v / rho) + 2 * log(1 / alpha)))
end

function confseq.gamma_exponential_log_mixture(s, v, v_opt, c, alpha)
  local rho = confseq.one_sided_best_rho(v_opt, alpha)
  local csq = c * c
  local r, x = rho / csq, (c * s + v) / csq
  local constant = r * log(r) - special.lgamma(r) - special.log_gamma_p(r, r)
  local a = (v + rho) / csq
  return constant + special.lgamma(a) + special.log_gamma_p(a, x + r) - a * log(x + r) + x
end

function confseq.gamma_exponential_mixture_bound(v, alpha, v_opt, c)
  return mixture_bound(function(s) return confseq.gamma_exponential_log_mixture(s, v, v_opt, c, alpha) end, math.huge, alpha)
end

-- Sums of steps bounded by -g below and h above.
local function beta_binomial(v_opt, alpha, g, h, is_one_sided)
  local best = is_one_sided and confseq.one_sided_best_rho or confseq.two_sided_best_rho
  local r = math.max(best(v_opt, alpha) - g * h, 1e-3 * g * h)
  local x = is_one_sided and h / (g + h) or 1
  local normalizer = special.log_incomplete_beta(r / (g * (g + h)), r / (h * (g + h)), x)
  return function(s, v)
    local a, b = (r + v) / (g * (g + h)) - s / (g + h), (r + v) / (h * (g + h)) + s / (g + h)
    return v / (g * h) * log(g + h) - (v / h + s) / (g + h) * log(g) - (v / g - s) / (g + h) * log(h) +
      special.log_incomplete_beta(a, b, x) - normalizer
  end
end

function confseq.beta_binomial_log_mixture(s, v, v_opt, g, h, alpha, is_one_sided)
  return beta_binomial(v_opt, alpha, g, h, is_one_sided)(s, v)
end

function confseq.beta_binomial_mixture_bound(v, alpha, v_opt, g, h, is_one_sided)
  local log_mix = beta_binomial(v_opt, alpha, g, h, is_one_sided)
  return mixture_bound(function(s) return log_mix(s, v) end, v / g, alpha)
end

local STITCH = { s = 1.4, eta = 2 }
local K1 = (STITCH.eta ^ 0.25 + STITCH.eta ^ -0.25) / sqrt(2)
local K2 = (sqrt(STITCH.eta) + 1) / 2

function confseq.poly_stitching_bound(v, alpha, v_min, c, s, eta)
  s, eta = s or STITCH.s, eta or STITCH.eta
  local k1, k2 = (eta ^ 0.25 + eta ^ -0.25) / sqrt(2), (sqrt(eta) + 1) / 2
  local use = math.max(v, v_min)
  local ell = s * log(log(eta * use / v_min)) + log(special.zeta(s) / log(eta) ^ s) + log(1 / alpha)
  local term = k2 * (c or 0) * ell
  return sqrt(k1 * k1 * use * ell + term * term) + term
end

function confseq.bernoulli_ci(successes, trials, alpha, t_opt, alpha_opt)
  local share = successes / trials
  local function crosses(p)
    local log_mix = beta_binomial(t_opt * p * (1 - p), alpha_opt or 0.05, p, 1 - p, false)
    return log_mix(successes - trials * p, trials * p * (1 - p)) - log(1 / alpha)
  end
  local low, high = 0, 1
  local edge = 1e-12
  if share > 0 and crosses(edge) > 0 then low = special.bisect(function(p) return -crosses(p) end, edge, share) end
  if share < 1 and crosses(1 - edge) > 0 then high = special.bisect(crosses, share, 1 - edge) end
  return low, high
end

-- The mean of what lies in [0, 1], by how much it was seen to vary: `v` is the sum of the squares of x less the mean of those
-- before it. Howard, Ramdas, McAuliffe and Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences",
-- theorem 4 (empirical Bernstein).
function confseq.empirical_bernstein_ci(n, sum, v, alpha, v_opt)
  local width = confseq.gamma_exponential_mixture_bound(v, alpha / 2, v_opt, 1) / n
  return math.max(0, sum / n - width), math.min(1, sum / n + width)
end

-- How far, in counts, the order statistic of a quantile may lie off. Howard and Ramdas 2022, "Sequential estimation of
-- quantiles with
-- applications to A/B testing and best-arm identification", theorem 1.
function confseq.quantile_double_stitching(q, t, alpha, t_opt, delta)
  delta = delta or 0.5
  local s, eta = STITCH.s, STITCH.eta
  local use = math.max(t, t_opt)
  local logit = log(q / (1 - q))
  local r = q
  if q < 0.5 then r = math.min(0.5, 1 / (1 + math.exp(-(logit + 2 * delta * sqrt(eta * t_opt / use))))) end
  local sigma2 = r * (1 - r)
  local j = sqrt(use / t_opt) * math.abs(logit) / (2 * delta) + 1
  local zeta = special.zeta(s)
  local ell = s * log(log(eta * use / t_opt)) + s * log(j) + log(2 * zeta * (2 * zeta + 1) / (alpha * log(eta) ^ s))
  local c = (1 - 2 * q) / 3
  local term = K2 * c * ell
  return delta * sqrt(eta * use * sigma2 / t_opt) + sqrt(K1 * K1 * sigma2 * use * ell + term * term) + term
end

-- Where a sample of n speaks least against its own quantile: near 0, by golden section, since the mixture is convex.
local function least_at(log_mix, q, n)
  local low, high, v = -n * q, n * (1 - q), n * q * (1 - q)
  local g = (sqrt(5) - 1) / 2
  while high - low > 1e-9 * n do
    local x, y = high - g * (high - low), low + g * (high - low)
    if log_mix(x, v) < log_mix(y, v) then high = y else low = x end
  end
  return (low + high) / 2
end

-- Is the q-quantile of both samples (sorted arrays) the same? An always-valid p-value. For each value that it could be,
-- both samples' evidence against it
-- adds up; the least of these sums counts.
function confseq.quantile_ab_p(q, a, b, t_opt, alpha_opt)
  local log_mix = beta_binomial(t_opt * q * (1 - q), alpha_opt or 0.05, q, 1 - q, false)
  local best = {}
  for _, n in ipairs { #a, #b } do best[n] = best[n] or least_at(log_mix, q, n) end
  local function evidence(below, upto, n)
    local s = math.max(below - n * q, math.min(upto - n * q, best[n]))
    return log_mix(s, n * q * (1 - q))
  end
  local least = math.huge
  local i, k, na, nb = 1, 1, #a, #b
  while i <= na or k <= nb do
    local x = math.min(a[i] or math.huge, b[k] or math.huge)
    local below_a, below_b = i - 1, k - 1
    while a[i] == x do i = i + 1 end
    while b[k] == x do k = k + 1 end
    least = math.min(least, evidence(below_a, i - 1, na) + evidence(below_b, k - 1, nb))
  end
  return math.min(1, math.exp(-least))
end

return confseq
