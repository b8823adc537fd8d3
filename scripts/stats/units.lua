-- The rows of a report by unit: what each brought. `value(row)` is a number, or something else where the row has none.
local units = {}

-- Lists of what belongs together, in the order in which each begins. `of(row)` gives a key and an item; no item leaves
-- the row out.
local function groups(rows, of)
  local lists, order = {}, {}
  for _, row in ipairs(rows) do
    local key, item = of(row)
    if item ~= nil then
      local list = lists[key]
      if not list then
        list = {}
        lists[key], order[#order + 1] = list, list
      end
      list[#list + 1] = item
    end
  end
  return order
end

-- The values of each unit of an arm, in order, so that the same rows give the same digits.
function units.values(rows, arm, value)
  return groups(rows, function(row)
    local y = row.arm == arm and value(row)
    return row.unit, type(y) == "number" and y or nil
  end)
end

-- { m = sum of values, d = how many } of each unit; and whether all values are 0 or 1.
function units.sums(rows, arm, value)
  local sums, is_share = {}, true
  for i, values in ipairs(units.values(rows, arm, value)) do
    local m = 0
    for _, y in ipairs(values) do
      m, is_share = m + y, is_share and (y == 0 or y == 1)
    end
    sums[i] = { m = m, d = #values }
  end
  return sums, is_share
end

-- Of all values; nil when there is none.
function units.mean(rows, arm, value)
  local m, d = 0, 0
  for _, u in ipairs((units.sums(rows, arm, value))) do m, d = m + u.m, d + u.d end
  return d > 0 and m / d or nil
end

local function by_weights(rows)
  return groups(rows, function(row) return row.weights, row end)
end

-- What `of` (units.sums, units.values) makes of both arms under each split of the weights in which both have units: { { a, b } };
-- how many units each arm has there; and whether all values are 0 or 1.
function units.strata(rows, control, arm, value, of)
  local strata, count, is_share = {}, { 0, 0 }, true
  for _, list in ipairs(by_weights(rows)) do
    local a, is_a_share = of(list, control, value)
    local b, is_b_share = of(list, arm, value)
    if #a > 0 and #b > 0 then
      strata[#strata + 1], count[1], count[2] = { a, b }, count[1] + #a, count[2] + #b
      is_share = is_share and is_a_share and is_b_share
    end
  end
  return strata, count, is_share
end

return units
