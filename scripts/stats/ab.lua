-- An experiment's report and what-if, from the rows that the command reads out of a trace.
local json = require "json"
local difference, ssrm, tail = require "stats.difference", require "stats.ssrm", require "stats.tail"
local offpolicy, bandit, versions = require "stats.offpolicy", require "stats.bandit", require "stats.versions"
local agreement, units = require "stats.agreement", require "stats.units"

local ab = {}
local Report = {}
Report.__index = Report

local ALPHA, VOID, TUNING, LEAST_SUPPORT, LEAST_UNITS = 0.05, 0.001, 1000, 30, 10
local ALIASES = { cost = "usd", latency = "ms" }
local LOWER = { error = true, usd = true, ms = true, ttft = true, tokens = true, refused = true }
local HOST = { error = true, usd = true, ms = true, ttft = true, tokens = true, valid = true, refused = true }

-- Options: { name, arms, weights (of a what-if, by arm), query (as typed), stopped = { arm, since }, unitless } as JSON.
function ab.new(text)
  local options = assert(json.decode(text))
  local self = { options = options, scores = {}, rows = {}, repeated = 0, designs = {}, shadows = agreement.new() }
  return setmetatable(self, Report)
end

-- A score event: { id, metric, value }. The first one of a decision's metric stands.
function Report:score(text)
  local s = json.decode(text)
  local of = self.scores[s.id] or {}
  self.scores[s.id] = of
  if of[s.metric] ~= nil then self.repeated = self.repeated + 1 else of[s.metric] = s.value end
end

-- What the newest exposures of each salt say of metric, guards and arms.
function Report:designed(text)
  local design = json.decode(text)
  self.designs[design.salt or self.options.name] = design
end

-- The trace knows nothing of it, but of an experiment of nearly that name.
function Report:meant(name)
  self.near = name
end

-- A decision: { id, ts (µs), hash, salt, arm, p, unit, source, weights, error, usd, ms, ttft, tokens, valid, refused, matches,
-- raised (what the script said) }.
function Report:decision(text)
  self.rows[#self.rows + 1] = json.decode(text)
end

-- A shadow of such a decision, as stats.agreement takes it.
function Report:shadow(text)
  self.shadows:shadow(text)
end

local function value_of(self, row, metric)
  if HOST[metric] then return row[metric] end
  local scores = self.scores[row.id]
  return scores and scores[metric]
end

-- ---- one version ----

local function sample_ratio(arms, rows)
  local seen, index, counts, shares = {}, {}, {}, {}
  local test
  for i, arm in ipairs(arms) do index[arm], counts[i] = i, 0 end
  for _, row in ipairs(rows) do
    local at = index[row.arm]
    if at and not seen[row.unit] then
      seen[row.unit] = true
      counts[at] = counts[at] + 1
      local null, one = {}, {}
      local k = 0
      for share in row.weights:gmatch "[^,]+" do
        k = k + 1
        null[k], one[k] = tonumber(share), k == at and 1 or 0
        shares[k] = (shares[k] or 0) + null[k]
      end
      test = test or ssrm.mixed(null)
      test:add(one, null)
    end
  end
  return { p = test and test.p_value or 1, units = counts, expected = shares, is_void = test ~= nil and test.p_value < VOID }
end

local function valued(self, metric)
  return function(row) return value_of(self, row, metric) end
end

local function lacking(count)
  return { control = math.max(0, LEAST_UNITS - count[1]), arm = math.max(0, LEAST_UNITS - count[2]) }
end

local function is_early(r)
  return r.lacking.control + r.lacking.arm > 0
end

local function compared(self, rows, control, arm, metric, side)
  local value = valued(self, metric)
  local strata, count, is_share = units.strata(rows, control, arm, value, units.sums)
  local r = { arm = arm, metric = metric, control = units.mean(rows, control, value), value = units.mean(rows, arm, value),
    units = count[1] + count[2], lacking = lacking(count) }
  if is_early(r) then return r end
  local g = difference.stratified(strata)
  r.effect, r.p = g.effect, difference.p_value(g, side, ALPHA, TUNING)
  r.low, r.high = difference.interval(g, side, ALPHA, TUNING)
  if side ~= "two_sided" then return r end
  if is_share then r.low, r.high = math.max(r.low, -1), math.min(r.high, 1) end
  if r.p > ALPHA then r.units_to_go = difference.units_to_go(g, ALPHA, TUNING) end
  return r
end

local function latency_guard(self, rows, control, arm, metric)
  local value = valued(self, metric)
  local a, b = units.values(rows, control, value), units.values(rows, arm, value)
  local strata, count = units.strata(rows, control, arm, value, units.values)
  local r = { arm = arm, metric = metric, quantile = 0.95, control = tail.quantile(a), value = tail.quantile(b),
    lacking = lacking(count) }
  if is_early(r) then return r end
  r.p = math.max(tail.by_values(a, b), tail.by_units(strata, ALPHA, TUNING))
  r.is_worse = r.p <= ALPHA and r.value > r.control
  return r
end

local function guarded(self, rows, control, arm, name)
  local metric = ALIASES[name] or name
  local r
  if name == "latency" then
    r = latency_guard(self, rows, control, arm, metric)
  else
    local side = LOWER[metric] and "greater" or "lesser"
    r = compared(self, rows, control, arm, metric, side)
    local edge = side == "greater" and r.low or side == "lesser" and r.high
    r.is_worse = edge and (side == "greater" and edge > 0 or side == "lesser" and edge < 0) or false
  end
  r.guard = name
  return r
end

local function pace(rows)
  local first, last, seen, n = rows[1].ts, rows[#rows].ts, {}, 0
  for _, row in ipairs(rows) do
    if not seen[row.unit] then seen[row.unit], n = true, n + 1 end
  end
  return n / math.max((last - first) / 3.6e9, 1e-9), n
end

local function time_words(hours)
  if hours > 48 then return ("%.0f days"):format(hours / 24) end
  if hours >= 1.5 then return ("%.1f hours"):format(hours) end
  local minutes = math.max(1, math.floor(hours * 60 + 0.5))
  return minutes == 1 and "1 minute" or minutes .. " minutes"
end

-- ---- the verdict ----

local function is_better(self, r)
  local lower = self.design.better == "lower" or (self.design.better == nil and LOWER[r.metric])
  if lower then return r.high and r.high < 0, r.low and r.low > 0 end
  return r.low and r.low > 0, r.high and r.high < 0
end

local function too_early(r, control)
  local more = {}
  for _, of in ipairs { { r.lacking.control, control }, { r.lacking.arm, r.arm } } do
    if of[1] > 0 then more[#more + 1] = ("%d more %s in %s"):format(of[1], of[1] == 1 and "unit" or "units", of[2]) end
  end
  local is_one = r.lacking.control + r.lacking.arm == 1
  return ("%s: too early to say anything of %s: %s %s needed"):format(r.arm, r.metric, table.concat(more, " and "),
    is_one and "is" or "are")
end

-- Guards that cannot say anything yet.
local function unwatched(v, arm)
  local names = {}
  for _, g in ipairs(v.guards) do
    if g.arm == arm and not g.p then names[#names + 1] = g.guard end
  end
  return #names > 0 and ("; too few units have a value of its guard %s to say more"):format(table.concat(names, ", ")) or ""
end

local function verdict_of(self, v, arm)
  local r = v.primary[arm]
  for _, g in ipairs(v.guards) do
    if g.arm == arm and g.is_worse then return "harm", ("%s harms %s: stop it, or ramp it down"):format(arm, g.guard) end
  end
  if not r then return "no_metric", arm .. ": the experiment names no metric, so only its guards are watched" end
  if not r.effect and not v.is_newest then
    return "too_few", ("%s: too few units to say anything of %s; this version is not the one served last"):format(arm, r.metric)
  end
  if not r.effect then return "too_few", too_early(r, self.arms[1]) end
  local better, worse = is_better(self, r)
  local than = ("than %s in %s"):format(self.arms[1], r.metric)
  if better then return "better", ("%s is better %s: it can be ramped up%s"):format(arm, than, unwatched(v, arm)) end
  if worse then return "worse", ("%s is worse %s: stop it"):format(arm, than) end
  if not v.is_newest then
    r.units_to_go = nil
    return "undecided", ("%s: undecided in %s; this version is not the one served last"):format(arm, r.metric)
  end
  local more = r.units_to_go
  if not more then return "undecided", ("%s: no difference in %s is in sight"):format(arm, r.metric) end
  r.hours_to_go = more / v.units_per_hour
  return "undecided", ("%s: undecided in %s; if the effect stays, about %d more units decide it: %s at this pace"):format(
    arm, r.metric, more, time_words(r.hours_to_go))
end

local function count_row(of, row)
  if row.arm ~= of.arm then return end
  of.decisions = of.decisions + 1
  if row.raised then of.raised, of.raised_last = of.raised + 1, row.raised end
end

local function analyse(self, version, is_newest)
  local rows, control = version.rows, self.arms[1]
  local v = { sources = version.sources, changed = version.changed, is_back = version.is_back, is_newest = is_newest,
    decisions = #rows, from_us = rows[1].ts, to_us = rows[#rows].ts, arms = {}, primary = {}, guards = {}, verdicts = {} }
  v.units_per_hour, v.units = pace(rows)
  v.sample_ratio = sample_ratio(self.arms, rows)
  for i, arm in ipairs(self.arms) do
    v.arms[i] = { arm = arm, decisions = 0, raised = 0, units = v.sample_ratio.units[i], means = {} }
    for _, row in ipairs(rows) do count_row(v.arms[i], row) end
    for metric in pairs(HOST) do v.arms[i].means[metric] = units.mean(rows, arm, valued(self, metric)) end
  end
  for i = 2, #self.arms do
    local arm = self.arms[i]
    local metric = ALIASES[self.design.metric] or self.design.metric
    if metric then v.primary[arm] = compared(self, rows, control, arm, metric, "two_sided") end
    for _, name in ipairs(self.design.guard or {}) do v.guards[#v.guards + 1] = guarded(self, rows, control, arm, name) end
  end
  for i = 2, #self.arms do
    local kind, words = verdict_of(self, v, self.arms[i])
    if v.sample_ratio.is_void then
      kind = "void"
      words = "void: the arms are not as large as their weights say (p = %.2g): find out why before reading anything"
      words = words:format(v.sample_ratio.p)
    end
    v.verdicts[i - 1] = { arm = self.arms[i], verdict = kind, words = words }
  end
  return v
end

local function no_exposure(self)
  local words = ("no exposure of '%s' in this trace"):format(self.options.name)
  if (self.options.unitless or 0) > 0 then
    local more = "%s: since the server began %d requests came without its unit and got the control"
    error(more:format(words, self.options.unitless), 0)
  end
  local hint = self.near and (" (did you mean '%s'?)"):format(self.near) or ""
  error(("%s%s; `wye ab list` shows what a server has"):format(words, hint), 0)
end

-- What is read: the newest dealing of these rows. Returns its rows.
local function settle(self, rows)
  local dealt, salt, earlier = versions.newest_dealing(rows, self.options.name)
  self.salt, self.earlier, self.design = salt, earlier, self.designs[salt] or {}
  self.arms = self.design.arms or self.options.arms
  if not self.arms then error(("the trace does not say which arms '%s' has"):format(self.options.name), 0) end
  return dealt
end

-- Those that the query lets through.
local function matching(rows)
  local kept = {}
  for _, row in ipairs(rows) do
    if row.matches ~= false then kept[#kept + 1] = row end
  end
  return kept
end

local function no_match(self)
  local query = self.options.query and (" '%s'"):format(self.options.query) or ""
  error(("no decision of '%s' matches%s"):format(self.options.name, query), 0)
end

function Report:report()
  if #self.rows == 0 then no_exposure(self) end
  local list = versions.split(settle(self, self.rows))
  local r = { experiment = self.options.name, salt = self.salt, earlier = self.earlier, design = self.design, alpha = ALPHA,
    tuning = TUNING, repeated_scores = self.repeated, stopped = self.options.stopped, unitless = self.options.unitless,
    versions = {}, shadows = self.shadows:report() }
  for i, version in ipairs(list) do
    version.rows = matching(version.rows)
    if #version.rows > 0 then r.versions[#r.versions + 1] = analyse(self, version, i == #list) end
  end
  if #r.versions == 0 then no_match(self) end
  return r
end

-- JSON has no word for an open end of an interval: it is left out. Empty lists stay lists.
local function encoded(value)
  if type(value) == "number" then return value == value and math.abs(value) < math.huge and value or nil end
  if type(value) ~= "table" then return value end
  local out = (#value > 0 or next(value) == nil) and json.array {} or {}
  for key, item in pairs(value) do out[key] = encoded(item) end
  return out
end

function Report:json()
  return json.encode(encoded(self:report()))
end

function Report:page()
  return require("stats.page").report(self:report(), self.options)
end

-- ---- bandit ----

-- The weights of the next period, "0.3,0.7"; nil while an arm has too few values. Only the newest version counts.
function Report:bandit()
  if #self.rows == 0 then no_exposure(self) end
  local rows = settle(self, self.rows)
  local metric = ALIASES[self.design.metric] or self.design.metric
  if not metric then return nil end
  local list, arms = versions.split(rows), {}
  for i, arm in ipairs(self.arms) do
    arms[i] = { n = 0, sum = 0, sum_squares = 0 }
    for _, row in ipairs(list[#list].rows) do
      local y = row.arm == arm and value_of(self, row, metric)
      if type(y) == "number" then
        arms[i].n, arms[i].sum, arms[i].sum_squares = arms[i].n + 1, arms[i].sum + y, arms[i].sum_squares + y * y
      end
    end
  end
  local lower = self.design.better == "lower" or (self.design.better == nil and LOWER[metric])
  local weights = bandit.weights(arms, { lower = lower, least = LEAST_SUPPORT })
  for i, w in ipairs(weights or {}) do weights[i] = ("%.17g"):format(w) end
  return weights and table.concat(weights, ",")
end

-- ---- what-if ----

-- Of the decisions that match, whose sources of the arms that it wants are those served last.
function Report:what_if()
  if #self.rows == 0 then no_exposure(self) end
  local list, rows = versions.split(settle(self, self.rows)), {}
  local metric = self.options.metric or self.design.metric
  if not metric then error(("'%s' names no metric: say --metric NAME"):format(self.options.name), 0) end
  metric = ALIASES[metric] or metric
  for arm in pairs(self.options.weights) do
    local is_arm = false
    for _, name in ipairs(self.arms) do is_arm = is_arm or name == arm end
    if not is_arm then error(("'%s' is no arm of '%s': %s"):format(arm, self.options.name, table.concat(self.arms, ", ")), 0) end
  end
  local matched = matching(versions.of_live(list, self.options.weights))
  if #matched == 0 then no_match(self) end
  for _, row in ipairs(matched) do
    local y = value_of(self, row, metric)
    if type(y) == "number" and row.p > 0 then
      rows[#rows + 1] = { y = y, arm = row.arm, p = row.p, unit = row.unit, want = self.options.weights }
    end
  end
  if #rows == 0 then error(("no decision of '%s' has a value of %s"):format(self.options.name, metric), 0) end
  local arm, count = offpolicy.unsupported(rows, LEAST_SUPPORT)
  if arm then
    error(("refused: the rule wants arm '%s', which was taken %d times where %d are needed; an estimate would be a guess"):format(
      arm, count, LEAST_SUPPORT), 0)
  end
  local e = offpolicy.estimate(rows)
  if e.ess < LEAST_SUPPORT then
    local words = "refused: the effective sample size is %.1f units, and %d are needed: what was logged is too few, or too " ..
      "unlike the rule"
    error(words:format(e.ess, LEAST_SUPPORT), 0)
  end
  e.metric, e.experiment, e.weights = metric, self.options.name, self.options.weights
  e.query, e.matched = self.options.query, #matched
  return e
end

function Report:what_if_json()
  return json.encode(encoded(self:what_if()))
end

function Report:what_if_page()
  return require("stats.page").what_if(self:what_if(), self.options)
end

return ab
