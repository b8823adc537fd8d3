-- Is there a difference between two arms, and how large? A ratio of sums over units, looked at as often as one likes.
--
-- Under the null every unit has the same residual r = m - theta * d (theta: the ratio of both arms together) in either arm, and
-- only its arm is left to chance: the sum of the residuals in arm b is a sum of centred coin flips times known numbers
-- (randomization inference; Ham, Bojinov, Lindon and Tingley 2022, "Design-based confidence sequences for anytime-valid causal
-- inference"). Such a sum is sub-gamma with the variance share * (1 - share) * sum of r^2 and the scale
-- |1 - 2 share| / 3 * the greatest r on the side where the smaller arm is off (Howard et al. 2020, "Time-uniform Chernoff
-- bounds via nonnegative supermartingales", proposition 2), whatever the residuals' distribution is: a small arm that has not
-- seen a rare value yet, or a heavy tail, widens the interval and does not lie. With arms of one size the scale is 0 and the
-- boundary is the normal mixture's, which is also that of tests.sequential.
--
-- Where arms differ in more than chance each has its own variance: the greater of that of the difference by the delta method and
-- the above counts, so that the interval is the asymptotic one of Waudby-Smith et al. 2021 too.
local confseq, special = require "stats.confseq", require "stats.special"

local difference = {}

-- Residuals below this share of what they are residuals of are rounding.
local ROUNDING = 1e-9
-- A scale below this share of the boundary's own root is none: the mixture's digits would be lost.
local LEAST_SCALE = 0.01
local MOST_UNITS = 1e9

local function total(units)
  local m, d = 0, 0
  for _, u in ipairs(units) do m, d = m + u.m, d + u.d end
  return m, d
end

-- Sum, squares and extremes of m - theta * d.
local function residuals(units, theta)
  local sum, squares, least, most, size = 0, 0, 0, 0, 0
  for _, u in ipairs(units) do
    local r = u.m - theta * u.d
    sum, squares = sum + r, squares + r * r
    if r < least then least = r elseif r > most then most = r end
    local s = u.m < 0 and -u.m or u.m
    if s > size then size = s end
  end
  return sum, squares, least, most, size
end

-- The variance of an arm's ratio by the delta method: residuals around its own ratio.
local function own_variance(units, m, d)
  local _, squares = residuals(units, m / d)
  return squares * #units / math.max(1, #units - 1) / (d * d)
end

-- One stratum's part of what `stratified` returns.
local function stratum(a, b)
  local am, ad = total(a)
  local bm, bd = total(b)
  local n, share, theta = #a + #b, #b / (#a + #b), (am + bm) / (ad + bd)
  local _, a_squares, a_least, a_most, a_size = residuals(a, theta)
  local sum, b_squares, b_least, b_most, b_size = residuals(b, theta)
  local least, most = math.min(a_least, b_least), math.max(a_most, b_most)
  local per, skew = ad * bd / (ad + bd), (1 - 2 * share) / 3
  local s = { n = n, per = per, sum = sum, up = skew > 0 and skew * most or skew * least,
    down = skew > 0 and skew * -least or -skew * most, am = am, ad = ad, bm = bm, bd = bd }
  s.pooled = share * (1 - share) * (a_squares + b_squares) * n / (n - 1)
  s.own = per * per * (own_variance(a, am, ad) + own_variance(b, bm, bd))
  if math.max(most, -least) <= ROUNDING * math.max(a_size, b_size) then s.sum, s.pooled, s.own = 0, 0, 0 end
  return s
end

-- What the sequence stands on, from strata { a, b } within which the chance of an arm was the same and both arms have units: the
-- sum of arm b's residuals, its variance, the scales of the upper and the lower side, and `per`, by which the sum is divided to
-- be the difference. A ramp makes strata: what changed with time beside the weights is no difference between the arms.
function difference.stratified(strata)
  local g = { n = 0, sum = 0, per = 0, up = 0, down = 0, am = 0, ad = 0, bm = 0, bd = 0, pooled = 0, own = 0 }
  for _, arms in ipairs(strata) do
    local s = stratum(arms[1], arms[2])
    for _, name in ipairs { "n", "sum", "per", "am", "ad", "bm", "bd", "pooled", "own" } do g[name] = g[name] + s[name] end
    g.up, g.down = math.max(g.up, s.up), math.max(g.down, s.down)
  end
  return { n = g.n, sum = g.sum, per = g.per, up = g.up, down = g.down, v = math.max(g.pooled, g.own), effect = g.sum / g.per,
    control = g.am / g.ad, value = g.bm / g.bd }
end

function difference.gather(a, b)
  return difference.stratified { { a, b } }
end

-- The log of the mixture at s, and the s where it reaches log(1/alpha), for a sum with the scale c upwards.
local function log_mixture(s, v, v_opt, c, alpha)
  if c < LEAST_SCALE * math.sqrt(v_opt) then return confseq.normal_log_mixture(s, v, v_opt, alpha, true) end
  return confseq.gamma_exponential_log_mixture(s, v, v_opt, c, alpha)
end

local function bound(v, v_opt, c, alpha)
  if c < LEAST_SCALE * math.sqrt(v_opt) then return confseq.normal_mixture_bound(v, alpha, v_opt, true) end
  return confseq.gamma_exponential_mixture_bound(v, alpha, v_opt, c)
end

local function scale_of(g, sign)
  return sign > 0 and g.up or g.down
end

local function side_p(g, sign, alpha, tuning)
  local s = sign * g.sum
  if s <= 0 or g.v <= 0 then return 1 end
  return math.min(1, math.exp(-log_mixture(s, g.v, g.v * tuning / g.n, scale_of(g, sign), alpha)))
end

-- Always-valid p-value. Sides: "two_sided", "greater" (is b above a?), "lesser". Tightest at `tuning` units.
function difference.p_value(g, side, alpha, tuning)
  if side == "greater" then return side_p(g, 1, alpha, tuning) end
  if side == "lesser" then return side_p(g, -1, alpha, tuning) end
  return math.min(1, 2 * side_p(g, g.sum > 0 and 1 or -1, alpha / 2, tuning))
end

-- Where the difference b - a lies: low, high; open (infinite) on the side that is not asked for. The low end leaves 0 behind
-- where the p-value falls to alpha.
function difference.interval(g, side, alpha, tuning)
  local effect, each = g.effect, side == "two_sided" and alpha / 2 or alpha
  local function width(sign)
    return g.v > 0 and bound(g.v, g.v * tuning / g.n, scale_of(g, sign), each) / g.per or 0
  end
  return side == "lesser" and -math.huge or effect - width(1), side == "greater" and math.huge or effect + width(-1)
end

-- How many more units until the interval is as wide as the effect is now; nil when that is out of sight. An estimate: by the
-- normal mixture's boundary and what the scale adds to it in the limit.
function difference.units_to_go(g, alpha, tuning)
  local s, v_opt = math.abs(g.sum), g.v * tuning / g.n
  local offset = scale_of(g, g.sum > 0 and 1 or -1) * math.log(2 / alpha)
  local function lacks(times)
    return times * s - confseq.normal_mixture_bound(times * g.v, alpha, v_opt) - math.max(0, offset)
  end
  local most = MOST_UNITS / g.n
  if s == 0 or lacks(most) < 0 then return nil end
  return math.max(1, math.ceil((special.bisect(lacks, 1, most) - 1) * g.n))
end

return difference
