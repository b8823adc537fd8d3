-- What another rule would have brought, from decisions whose probabilities are known. Rows are { y, arm, p (of that
-- arm), unit, want = share by arm under the
-- other rule }. Self-normalized inverse propensities (Swaminathan and Joachims 2015) and the doubly robust estimate
-- (Dudík, Langford and Li 2011)
-- with each arm's own mean as model; errors by unit.
local offpolicy = {}

local function arm_means(rows)
  local sums, counts = {}, {}
  for _, r in ipairs(rows) do
    sums[r.arm], counts[r.arm] = (sums[r.arm] or 0) + r.y, (counts[r.arm] or 0) + 1
  end
  for arm, n in pairs(counts) do sums[arm] = sums[arm] / n end
  return sums, counts
end

-- The first arm that the other rule wants and that was taken fewer than `least` times; nil when all are supported.
function offpolicy.unsupported(rows, least)
  local _, counts = arm_means(rows)
  for _, r in ipairs(rows) do
    for arm, share in pairs(r.want) do
      if share > 0 and (counts[arm] or 0) < least then return arm, counts[arm] or 0 end
    end
  end
end

-- Standard error of a mean of terms, summed within units.
local function standard_error(terms, n)
  local sum = 0
  for _, term in pairs(terms) do sum = sum + term * term end
  return math.sqrt(sum) / n
end

-- Kish's effective sample size of units: requests of one unit tell the same.
local function effective(rows, parts)
  local by_unit, sum, squares = {}, 0, 0
  for i, r in ipairs(rows) do by_unit[r.unit] = (by_unit[r.unit] or 0) + parts[i].w end
  for _, w in pairs(by_unit) do sum, squares = sum + w, squares + w * w end
  return squares > 0 and sum * sum / squares or 0
end

-- A share of which all that counts was alike has no error to be seen, yet says something of `n` units only: the exact 95 % bound
-- (Clopper and Pearson 1934; the rule of three). Nothing for other values.
local function bounds(rows, parts, share, n)
  if share ~= 0 and share ~= 1 then return end
  for i, r in ipairs(rows) do
    if parts[i].w > 0 and r.y ~= share then return end
  end
  local open = 1 - 0.05 ^ (1 / n)
  return share == 1 and 1 - open or 0, share == 1 and 1 or open
end

-- { low, high (only of a share that is 0 or 1),
-- n, snips, snips_error, dr, dr_error, ess (effective sample size, in units), heaviest (weight), logged (mean as it was) }
function offpolicy.estimate(rows)
  local means = arm_means(rows)
  local n, weights, weighted, logged, heaviest, dr = #rows, 0, 0, 0, 0, 0
  local parts = {}
  for i, r in ipairs(rows) do
    local w, model = (r.want[r.arm] or 0) / r.p, 0
    for arm, share in pairs(r.want) do
      if share > 0 then model = model + share * means[arm] end
    end
    parts[i] = { w = w, dr = model + w * (r.y - means[r.arm]) }
    weights, weighted, logged, dr = weights + w, weighted + w * r.y, logged + r.y, dr + parts[i].dr
    heaviest = math.max(heaviest, w)
  end
  local e = { n = n, snips = weighted / weights, dr = dr / n, ess = effective(rows, parts), heaviest = heaviest,
    logged = logged / n }
  local by_snips, by_dr = {}, {}
  for i, r in ipairs(rows) do
    by_snips[r.unit] = (by_snips[r.unit] or 0) + parts[i].w * (r.y - e.snips)
    by_dr[r.unit] = (by_dr[r.unit] or 0) + parts[i].dr - e.dr
  end
  e.low, e.high = bounds(rows, parts, e.snips, e.ess)
  e.snips_error, e.dr_error = standard_error(by_snips, weights), standard_error(by_dr, n)
  return e
end

return offpolicy
