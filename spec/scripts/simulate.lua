-- `make experiments`: what the statistics do with data whose truth is known. Exits 1 when a goal is missed.
package.path = "scripts/?.lua;" .. package.path
local difference, tests = require "stats.difference", require "stats.tests"
local ssrm, bandit = require "stats.ssrm", require "stats.bandit"

math.randomseed(tonumber(arg[1]) or 1)
local failed = false

local function say(is_good, text, ...)
  failed = failed or not is_good
  print((is_good and "ok    " or "FAIL  ") .. text:format(...))
end

-- Users come back and differ in how often they are pleased. `look(a, b)` is asked every 50 requests; true ends it. Returns
-- the requests that it took. An arm is a list of units { m = pleased, d = asked }.
local function run(requests, users, rates, look, treated)
  local a, b, units, own = {}, {}, {}, {}
  for i = 1, requests do
    local user = math.random(users)
    local u = units[user]
    if not u then
      u = { m = 0, d = 0, arm = math.random() < (treated or 0.5) and 2 or 1 }
      units[user], own[user] = u, math.random() * 0.4 - 0.2
      local arm = u.arm == 1 and a or b
      arm[#arm + 1] = u
    end
    u.m, u.d = u.m + (math.random() < rates[u.arm] + own[user] and 1 or 0), u.d + 1
    if i % 50 == 0 and #a >= 10 and #b >= 10 and look(a, b, i) then return i end
  end
end

local function sequential(a, b)
  return difference.p_value(difference.gather(a, b), "two_sided", 0.05, 1000) <= 0.05
end

local function sums(units)
  local s = { n = #units, m_sum = 0, m_sum_squares = 0, d_sum = 0, d_sum_squares = 0, m_d_sum_of_products = 0 }
  for _, u in ipairs(units) do
    s.m_sum, s.d_sum, s.m_sum_squares = s.m_sum + u.m, s.d_sum + u.d, s.m_sum_squares + u.m * u.m
    s.d_sum_squares, s.m_d_sum_of_products = s.d_sum_squares + u.d * u.d, s.m_d_sum_of_products + u.m * u.d
  end
  return s
end

local function by_request(a, b)
  local p = function(units)
    local s = sums(units)
    return { n = s.d_sum, sum = s.m_sum }
  end
  return tests.ttest("proportion", p(a), p(b)).p_value < 0.05
end

local function by_unit(a, b)
  return tests.ttest("ratio", sums(a), sums(b)).p_value < 0.05
end

local function at_end(requests, test)
  return function(a, b, i) return i == requests and test(a, b) end
end

local function share(count, requests, users, rates, look, treated)
  local hits, sum = 0, 0
  for _ = 1, count do
    local took = run(requests, users, rates, look, treated)
    if took then hits, sum = hits + 1, sum + took end
  end
  return hits / count, hits > 0 and sum / hits or 0
end

local SAME, BETTER, REQUESTS, USERS, LONG = { 0.6, 0.6 }, { 0.6, 0.65 }, 2000, 400, 5000
local fp = share(2000, REQUESTS, USERS, SAME, sequential)
say(fp <= 0.05, "A/A, 2000 experiments of %d requests, looked at every 50: %.1f %% false positives (at most 5)", REQUESTS,
  fp * 100)
local peeked = share(300, REQUESTS, USERS, SAME, by_unit)
say(true, "      the same with a t-test on units looked at every 50: %.1f %%", peeked * 100)
local plain = share(1000, REQUESTS, USERS, SAME, at_end(REQUESTS, by_request))
local delta = share(1000, REQUESTS, USERS, SAME, at_end(REQUESTS, by_unit))
say(delta <= 0.075, "      looked at once: by requests %.1f %%, by units (delta method) %.1f %%", plain * 100, delta * 100)

-- All get less pleased while arm b, which is the same, is ramped from 10 to 50 %. `is_joined`: as if there had been one split.
local function ramped(units, is_joined)
  local times = { { {}, {} }, { {}, {} } }
  for i = 1, units do
    local time = i > units / 2 and 2 or 1
    local arms = times[is_joined and 1 or time]
    local arm = arms[math.random() < (time == 1 and 0.1 or 0.5) and 2 or 1]
    arm[#arm + 1] = { m = math.random() < 0.9 - 0.2 * i / units and 1 or 0, d = 1 }
    local strata = { times[1], #times[2][1] > 0 and #times[2][2] > 0 and times[2] or nil }
    local has_units = #times[1][1] >= 10 and #times[1][2] >= 10
    if i % 50 == 0 and has_units and difference.p_value(difference.stratified(strata), "two_sided", 0.05, 1000) <= 0.05 then
      return true
    end
  end
end
local within, joined = 0, 0
for _ = 1, 500 do within, joined = within + (ramped(2000) and 1 or 0), joined + (ramped(2000, true) and 1 or 0) end
say(within <= 25, "A/A, ramped from 10 to 50 %% while the rate falls from 90 to 70 %%: %.1f %% (all in one: %.1f %%)",
  within / 5, joined / 5)

for _, case in ipairs { { 0.5, BETTER }, { 0.1, { 0.6, 0.69 } } } do
  local treated, rates = case[1], case[2]
  local power, took = share(300, LONG, 1000, rates, sequential, treated)
  local fixed = share(300, LONG, 1000, rates, at_end(LONG, by_unit), treated)
  local words = "power at %.0f : %.0f, %.0f %% against %.0f %%, up to %d requests: %.0f %% found, after %.0f on average"
  say(power > 0.5 and power > 0.6 * fixed, words, 100 - 100 * treated, 100 * treated, rates[1] * 100, rates[2] * 100, LONG,
    power * 100, took)
  say(true, "      a fixed test, looked at once at the end: %.0f %%", fixed * 100)
end

-- Shares other than the 50 : 50 that was meant, in batches.
local function ratio(p, units, batch)
  local test = ssrm.mixed { 0.5, 0.5 }
  for i = 1, units / batch do
    local n = 0
    for _ = 1, batch do n = n + (math.random() < p and 1 or 0) end
    test:add { n, batch - n }
    if test.p_value < 0.001 then return i * batch end
  end
end
local gross = 0
for _ = 1, 1000 do gross = gross + (ratio(0.65, 600, 10) and 1 or 0) end
local caught, when, alarms = 0, {}, 0
for _ = 1, 100 do
  local units = ratio(0.51, 200000, 100)
  if units then caught, when[#when + 1] = caught + 1, units end
end
for _ = 1, 2000 do alarms = alarms + (ratio(0.5, 10000, 20) and 1 or 0) end
table.sort(when)
say(caught >= 95, "sample ratio 51 : 49: caught in %d of 100, half within %d units", caught, when[math.ceil(#when / 2)] or 0)
say(gross >= 990, "      65 : 35, 600 units: caught in %.1f %%", gross / 10)
say(alarms <= 2, "      50 : 50: %d false alarms in 2000 of 10000 units", alarms)

-- Rewards lost to not knowing the best arm, in 40 periods of 250 requests.
local function regret(rates, moves)
  local arms, weights, lost, best = {}, {}, 0, math.max(unpack(rates))
  for i in ipairs(rates) do arms[i], weights[i] = { n = 0, sum = 0 }, 1 / #rates end
  for _ = 1, 40 do
    for _ = 1, 250 do
      local x, arm = math.random(), 1
      while arm < #rates and x >= weights[arm] do x, arm = x - weights[arm], arm + 1 end
      arms[arm].n, arms[arm].sum = arms[arm].n + 1, arms[arm].sum + (math.random() < rates[arm] and 1 or 0)
      lost = lost + best - rates[arm]
    end
    weights = moves and bandit.weights(arms, { least = 30 }) or weights
  end
  return lost
end
local thompson, uniform = 0, 0
for _ = 1, 40 do
  thompson = thompson + regret({ 0.6, 0.65, 0.7 }, true) / 40
  uniform = uniform + regret({ 0.6, 0.65, 0.7 }, false) / 40
end
say(thompson < uniform / 2, "Thompson sampling, three arms, floor 5 %%: %.0f rewards lost in 10000 requests; uniform %.0f",
  thompson, uniform)
os.exit(failed and 1 or 0)
