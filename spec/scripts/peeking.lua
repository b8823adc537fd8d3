-- `make experiments`: false positives of experiments whose arms do not differ, looked at every 10 units, by kind of metric and
-- split. Arguments: experiments in each cell, seed. Exits 1 when a cell has over 5 %.
package.path = "scripts/?.lua;" .. package.path
local difference, tail = require "stats.difference", require "stats.tail"

local COUNT, ALPHA, TUNING, LEAST = tonumber(arg[1]) or 200, 0.05, 1000, 10
local SHARES, UNITS = { 0.5, 0.2, 0.1, 0.05, 0.01 }, { 2000, 2000, 2000, 2000, 4000 }
math.randomseed(tonumber(arg[2]) or 1)

local function normal()
  return math.sqrt(-2 * math.log(1 - math.random())) * math.cos(2 * math.pi * math.random())
end

-- Each gives a new unit's values.
local function binary(rate)
  return function() return { math.random() < rate and 1 or 0 } end
end

local function lognormal() return { math.exp(1.5 * normal()) } end

local function constant() return { 0.1 + 0.2 } end

-- Users with 1 to 20 requests and a rate of their own.
local function ratio()
  local own, values = 0.3 + 0.6 * math.random(), {}
  for i = 1, math.min(20, math.ceil(-4 * math.log(1 - math.random()))) do values[i] = math.random() < own and 1 or 0 end
  return values
end

-- Users with 1 to 6 requests and a pace of their own.
local function latency()
  local own, values = math.exp(0.7 * normal()), {}
  for i = 1, math.random(6) do values[i] = own * math.exp(0.5 * normal()) end
  return values
end

local function sum(values)
  local m = 0
  for _, y in ipairs(values) do m = m + y end
  return { m = m, d = #values }
end

local function is_other(a, b)
  return difference.p_value(difference.gather(a, b), "two_sided", ALPHA, TUNING) <= ALPHA
end

local function is_slower(a, b)
  return tail.by_units({ { a, b } }, ALPHA, TUNING) <= ALPHA and tail.by_values(a, b) <= ALPHA
end

local KINDS = {}
for _, rate in ipairs { 0.01, 0.02, 0.05, 0.1, 0.5, 0.9, 0.98, 0.99 } do
  KINDS[#KINDS + 1] = { ("binary %g"):format(rate), binary(rate), sum, is_other, 10 }
end
KINDS[#KINDS + 1] = { "lognormal", lognormal, sum, is_other, 10 }
KINDS[#KINDS + 1] = { "ratio by user", ratio, sum, is_other, 10 }
KINDS[#KINDS + 1] = { "constant", constant, sum, is_other, 10 }
KINDS[#KINDS + 1] = { "p95 by user", latency, function(values) return values end, is_slower, 50 }

-- Does one experiment find what is not there, by looks every `step` units, and every 50?
local function run(kind, share, units)
  local a, b, found = {}, {}, false
  for i = 1, units do
    local arm = math.random() < share and b or a
    arm[#arm + 1] = kind[3](kind[2]())
    if i % kind[5] == 0 and #a >= LEAST and #b >= LEAST and (not found or i % 50 == 0) and kind[4](a, b) then
      found = true
      if i % 50 == 0 then return true, true end
    end
  end
  return found, false
end

print(("false positives in %% of %d experiments, looked at every 10 (p95: 50) units / every 50"):format(COUNT))
io.write(("%-15s"):format "")
for _, share in ipairs(SHARES) do io.write(("%11s"):format(("%g:%g"):format(100 - 100 * share, 100 * share))) end
print()
local failed = false
for _, kind in ipairs(KINDS) do
  io.write(("%-15s"):format(kind[1]))
  for i, share in ipairs(SHARES) do
    local often, seldom = 0, 0
    for _ = 1, COUNT do
      local at_10, at_50 = run(kind, share, UNITS[i])
      often, seldom = often + (at_10 and 1 or 0), seldom + (at_50 and 1 or 0)
    end
    failed = failed or often > ALPHA * COUNT
    io.write(("%5.2f /%4.1f"):format(100 * often / COUNT, 100 * seldom / COUNT))
    io.flush()
  end
  print()
end
os.exit(failed and 1 or 0)
