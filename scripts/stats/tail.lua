-- Is an arm's 95th percentile above the control's? Of values that belong to units, looked at as often as one likes. An arm is a
-- list of units { values… }.
--
-- Both must say so: the sequential quantile test on all values, which is exact for values that come alone; and the share of
-- values above the percentile of both arms together, by units, since a user's requests may be slow together.
local confseq, difference = require "stats.confseq", require "stats.difference"

local tail = {}
local QUANTILE, T_OPT = 0.95, 1000

local function sorted(...)
  local all = {}
  for _, units in ipairs { ... } do
    for _, unit in ipairs(units) do
      for _, y in ipairs(unit) do all[#all + 1] = y end
    end
  end
  table.sort(all)
  return all
end

local function quantile_of(values)
  return values[math.ceil(#values * QUANTILE)]
end

function tail.quantile(units)
  return quantile_of(sorted(units))
end

-- Always-valid p-values of the two. `strata`: { a, b } of each time between changes of the weights.
function tail.by_units(strata, alpha, tuning)
  local all = {}
  for _, arms in ipairs(strata) do
    all[#all + 1], all[#all + 2] = arms[1], arms[2]
  end
  local edge = quantile_of(sorted(unpack(all)))
  local function above(units)
    local out = {}
    for i, unit in ipairs(units) do
      local m = 0
      for _, y in ipairs(unit) do m = m + (y > edge and 1 or 0) end
      out[i] = { m = m, d = #unit }
    end
    return out
  end
  local parts = {}
  for i, arms in ipairs(strata) do parts[i] = { above(arms[1]), above(arms[2]) } end
  return difference.p_value(difference.stratified(parts), "greater", alpha, tuning)
end

function tail.by_values(a, b)
  return confseq.quantile_ab_p(QUANTILE, sorted(a), sorted(b), T_OPT)
end

return tail
