-- Special functions that the statistics need, to about 1e-13. lgamma and erfc are the C library's.
local ffi = require "ffi"
ffi.cdef "double lgamma(double); double erfc(double); double log1p(double);"
local C = ffi.C

local special = {}
local TINY, EPSILON, MOST = 1e-300, 1e-16, 100000

function special.lgamma(x)
  return C.lgamma(x)
end

function special.log1p(x)
  return C.log1p(x)
end

function special.lbeta(a, b)
  return C.lgamma(a) + C.lgamma(b) - C.lgamma(a + b)
end

function special.normal_pdf(x)
  return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
end

function special.normal_cdf(x)
  return C.erfc(-x / math.sqrt(2)) / 2
end

-- The x in [low, high] where the increasing f crosses zero.
function special.bisect(f, low, high)
  for _ = 1, 200 do
    local middle = (low + high) / 2
    if middle == low or middle == high then break end
    if f(middle) < 0 then low = middle else high = middle end
  end
  return (low + high) / 2
end

-- The root of the increasing f nearest to a guess: a bracket is widened around it first.
local function invert(f, guess)
  local step = 1
  local low, high = guess - step, guess + step
  while f(low) > 0 do low, step = low - step, step * 2 end
  step = 1
  while f(high) < 0 do high, step = high + step, step * 2 end
  return special.bisect(f, low, high)
end

function special.normal_quantile(p)
  if p <= 0 then return -math.huge end
  if p >= 1 then return math.huge end
  if p > 0.5 then return -special.normal_quantile(1 - p) end
  return invert(function(x) return special.normal_cdf(x) - p end, 0)
end

-- Lentz's method for a continued fraction (Numerical Recipes, section 5.2): `term(i)` gives a_i and b_i.
local function fraction(first, term)
  local f = first == 0 and TINY or first
  local c, d = f, 0
  for i = 1, MOST do
    local a, b = term(i)
    d, c = b + a * d, b + a / c
    if d == 0 then d = TINY end
    if c == 0 then c = TINY end
    d = 1 / d
    f = f * c * d
    if math.abs(c * d - 1) < EPSILON * 4 then break end
  end
  return f
end

-- log of the regularized lower incomplete gamma function P(a, x).
function special.log_gamma_p(a, x)
  if x <= 0 then return -math.huge end
  local front = a * math.log(x) - x - C.lgamma(a)
  if x < a + 1 then
    local sum, term = 1 / a, 1 / a
    for i = 1, MOST do
      term = term * x / (a + i)
      sum = sum + term
      if term < sum * EPSILON then break end
    end
    return front + math.log(sum)
  end
  local f = fraction(x + 1 - a, function(i) return -i * (i - a), x + 2 * i + 1 - a end)
  return C.log1p(-math.exp(front) / f)
end

function special.chi2_sf(x, dof)
  if x <= 0 then return 1 end
  local a, half = dof / 2, x / 2
  if half < a + 1 then return 1 - math.exp(special.log_gamma_p(a, half)) end
  local f = fraction(half + 1 - a, function(i) return -i * (i - a), half + 2 * i + 1 - a end)
  return math.exp(a * math.log(half) - half - C.lgamma(a)) / f
end

local function beta_fraction(a, b, x)
  return 1 / fraction(1, function(i)
    local m = math.floor(i / 2)
    if i % 2 == 0 then return m * (b - m) * x / ((a + i - 1) * (a + i)), 1 end
    return -(a + m) * (a + b + m) * x / ((a + i - 1) * (a + i)), 1
  end)
end

-- log of the incomplete beta function B(x; a, b), not regularized.
function special.log_incomplete_beta(a, b, x)
  if x >= 1 then return special.lbeta(a, b) end
  if x <= 0 then return -math.huge end
  local front = a * math.log(x) + b * C.log1p(-x)
  if x < (a + 1) / (a + b + 2) then return front - math.log(a) + math.log(beta_fraction(a, b, x)) end
  local all = special.lbeta(a, b)
  return all + C.log1p(-math.exp(front - math.log(b) + math.log(beta_fraction(b, a, 1 - x)) - all))
end

-- P(T > t) for t >= 0.
local function t_tail(t, dof)
  local x = dof / (dof + t * t)
  return math.exp(special.log_incomplete_beta(dof / 2, 0.5, x) - special.lbeta(dof / 2, 0.5)) / 2
end

function special.t_sf(t, dof)
  if t >= 0 then return t_tail(t, dof) end
  return 1 - t_tail(-t, dof)
end

function special.t_quantile(p, dof)
  if p < 0.5 then return -special.t_quantile(1 - p, dof) end
  return invert(function(t) return 1 - p - special.t_sf(t, dof) end, special.normal_quantile(p))
end

-- Riemann's zeta for s > 1, by Euler and Maclaurin.
function special.zeta(s)
  local n, sum = 20, 0
  for k = 1, n - 1 do sum = sum + k ^ -s end
  sum = sum + n ^ (1 - s) / (s - 1) + n ^ -s / 2
  local term = s * n ^ (-s - 1)
  for i, b in ipairs { 1 / 12, -1 / 720, 1 / 30240, -1 / 1209600 } do
    sum = sum + b * term
    term = term * (s + 2 * i - 1) * (s + 2 * i) / (n * n)
  end
  return sum
end

return special
