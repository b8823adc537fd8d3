-- Thompson sampling: how likely is each arm the best, and what weights follow from that. By quadrature, so that the
-- same data give the same weights.
local special = require "stats.special"

local bandit = {}
local STEPS, REACH = 400, 8

-- Posterior of an arm's mean: { mean, variance }, from n values, their sum and (unless they are all 0 or 1) the sum of
-- their squares.
function bandit.posterior(arm)
  local mean = arm.sum / arm.n
  local spread = (arm.sum_squares or arm.sum) / arm.n - mean * mean
  return { mean = mean, variance = math.max(spread, 0) / (arm.n - 1) }
end

local function range(posteriors)
  local low, high = math.huge, -math.huge
  for _, p in ipairs(posteriors) do
    local sd = math.sqrt(p.variance)
    low, high = math.min(low, p.mean - REACH * sd), math.max(high, p.mean + REACH * sd)
  end
  return low, high
end

local function spread_out(posteriors)
  local low, high = math.huge, -math.huge
  for _, p in ipairs(posteriors) do low, high = math.min(low, p.mean), math.max(high, p.mean) end
  local least = math.max((high - low) * 1e-3, math.abs(high) * 1e-6, 1e-12)
  local out = {}
  for i, p in ipairs(posteriors) do out[i] = { mean = p.mean, variance = math.max(p.variance, least * least) } end
  return out
end

local function product(cdfs, but, other)
  local all = 1
  for i, c in ipairs(cdfs) do
    if i ~= but and i ~= other then all = all * c end
  end
  return all
end

-- The chance that arm i is above all others at x; and that exactly one other is above it.
local function chances(cdfs, i)
  local first, second = product(cdfs, i), 0
  for k, c in ipairs(cdfs) do
    if k ~= i then second = second + (1 - c) * product(cdfs, i, k) end
  end
  return first, second
end

-- For each arm the chance to be the best, and to be among the two best.
function bandit.chances(posteriors)
  posteriors = spread_out(posteriors)
  local best, top, sums = {}, {}, {}
  for i in ipairs(posteriors) do best[i], top[i], sums[i] = 0, 0, 0 end
  local low, high = range(posteriors)
  for arm, p in ipairs(posteriors) do
    local sd = math.sqrt(p.variance)
    local from, to = math.max(low, p.mean - REACH * sd), math.min(high, p.mean + REACH * sd)
    for step = 0, STEPS do
      local x = from + (to - from) * step / STEPS
      local cdfs = {}
      for k, other in ipairs(posteriors) do cdfs[k] = special.normal_cdf((x - other.mean) / math.sqrt(other.variance)) end
      local weight = special.normal_pdf((x - p.mean) / sd)
      local first, second = chances(cdfs, arm)
      sums[arm] = sums[arm] + weight
      best[arm], top[arm] = best[arm] + weight * first, top[arm] + weight * (first + second)
    end
  end
  for i, sum in ipairs(sums) do best[i], top[i] = best[i] / sum, top[i] / sum end
  return best, top
end

-- arms: { { n, sum, sum_squares }, … }. Options: top_two (share what two arms could deserve), floor (least weight of an
-- arm), least (values that each arm
-- must have before weights move), lower (less is better). nil while an arm has too few.
function bandit.weights(arms, options)
  options = options or {}
  local floor, posteriors = options.floor or 0.05, {}
  for i, arm in ipairs(arms) do
    if arm.n < (options.least or 100) then return nil end
    posteriors[i] = bandit.posterior(arm)
    if options.lower then posteriors[i].mean = -posteriors[i].mean end
  end
  local best, top = bandit.chances(posteriors)
  local weights = {}
  for i in ipairs(arms) do
    local share = options.top_two and top[i] / 2 or best[i]
    weights[i] = share * (1 - #arms * floor) + floor
  end
  return weights, best
end

return bandit
