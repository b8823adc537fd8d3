-- How well another rule would have answered, from decisions that it made again: SNIPS and doubly robust, or why not.
--
-- A decision has support when what the rule wants could have come out of it as it was recorded: the same without chance, or
-- under chance (an experiment's arm) something that chance also brought often enough elsewhere. The others tell nothing.
local json = require "json"
local offpolicy = require "stats.offpolicy"

local replayed = {}
local Estimate = {}
Estimate.__index = Estimate

local LEAST, LEAST_SUPPORT, MOST_ROWS, MOST_METRICS = 30, 0.95, 200000, 8

-- Of one metric, over the decisions that have it. `scored`: the estimates of further ones, by name and in a list.
local function of(metric)
  return setmetatable({ metric = metric, list = {}, seen = 0, sum = 0, taken = {}, want = {}, scored = {} }, Estimate)
end

function replayed.new()
  return of "answered"
end

function Estimate:add(y, weight, unit, was, now)
  self.seen, self.sum = self.seen + 1, self.sum + y
  if #self.list == MOST_ROWS then return end
  self.want[now] = self.want[now] or { [now] = 1 }
  local p = math.min(1, 1 / weight)
  unit = unit ~= "" and unit or self.seen
  self.list[#self.list + 1] = { y = y, p = p, unit = unit, arm = was, now = now, want = self.want[now] }
  if p < 1 then self.taken[was] = (self.taken[was] or 0) + 1 end
end

-- The estimate of a metric that people or the route gave; nil for more than can be kept.
local function of_metric(self, name)
  local known = self.scored[name]
  if not known and #self.scored < MOST_METRICS then
    known = of(name)
    self.scored[name], self.scored[#self.scored + 1] = known, known
  end
  return known
end

-- Lines "GOOD WEIGHT UNIT<tab>WAS<tab>NOW": 1 or 0; 1 over the probability of the recorded arms; "" where no arm was drawn.
-- Scores follow as "<tab>METRIC=VALUE".
function Estimate:rows(text)
  for y, weight, unit, was, now, scores in text:gmatch "(%d) (%S+) ([^\t]*)\t([^\t]*)\t([^\t\n]*)([^\n]*)\n" do
    weight = tonumber(weight)
    self:add(tonumber(y), weight, unit, was, now)
    for name, value in scores:gmatch "\t([^\t=]+)=([^\t]+)" do
      local metric = of_metric(self, name)
      if metric then metric:add(tonumber(value), weight, unit, was, now) end
    end
  end
end

-- The rows with support, and what most of the others want.
local function supported(self)
  local rows, lacking, most = {}, {}, nil
  for _, r in ipairs(self.list) do
    local has_chance = r.p < 1 and (self.taken[r.now] or 0) >= LEAST
    if has_chance or (r.p == 1 and r.now == r.arm) then
      rows[#rows + 1] = r
    else
      lacking[r.now] = (lacking[r.now] or 0) + 1
      if not most or lacking[r.now] > lacking[most] then most = r.now end
    end
  end
  return rows, most
end

-- { metric, was, support, effective, now (= dr), snips, snips_error, dr, dr_error, decisions, refused (words),
--   low, high (bounds where nothing but 0 or nothing but 1 was seen), feedback (the same of each metric) }
function Estimate:estimate()
  local rows, most = supported(self)
  local kept, squares = 0, 0
  for _, r in ipairs(rows) do
    local w = r.now == r.arm and 1 / r.p or 0
    kept, squares = kept + w, squares + w * w
  end
  local e = { metric = self.metric, decisions = #self.list, was = self.seen > 0 and self.sum / self.seen or 0,
    support = #self.list > 0 and #rows / #self.list or 0, effective = squares > 0 and kept * kept / squares or 0 }
  if e.support < LEAST_SUPPORT and most then
    local words = "%.1f %% of the decisions have support, %.0f %% are needed: '%s' was brought by chance %d times, not %d"
    e.refused = words:format(100 * e.support, 100 * LEAST_SUPPORT, most, self.taken[most] or 0, LEAST)
  elseif e.effective < LEAST then
    e.refused = ("the effective sample size is %.1f, %d are needed"):format(e.effective, LEAST)
  else
    local o = offpolicy.estimate(rows)
    e.now, e.snips, e.snips_error, e.dr, e.dr_error = o.dr, o.snips, o.snips_error, o.dr, o.dr_error
    e.low, e.high = o.low, o.high
  end
  if #self.scored > 0 then
    table.sort(self.scored, function(a, b)
      if a.seen ~= b.seen then return a.seen > b.seen end
      return a.metric < b.metric
    end)
    e.feedback = {}
    for i, metric in ipairs(self.scored) do e.feedback[i] = metric:estimate() end
  end
  return e
end

function Estimate:json()
  return json.encode(self:estimate())
end

-- `scale` and `unit`: how numbers are shown.
local function lines_of(self, e, name, scale, unit)
  local number = unit == " %" and "%.2f" or "%.4g"
  local head = ("%s: " .. number .. "%s as recorded; "):format(name, scale * e.was, unit)
  if e.refused then return head .. "no estimate by this rule: " .. e.refused .. "\n" end
  local function filled(words, ...)
    return (words:gsub("#", (number:gsub("%%", "%%%%")))):format(...)
  end
  local now
  if e.low then
    now = filled("by this rule #%s, between # and #%s (95 %%; no other value was seen)", scale * e.snips, unit, scale * e.low,
      scale * e.high, unit)
  else
    now = filled("by this rule # ± #%s (SNIPS), # ± #%s (doubly robust)", scale * e.snips, 2 * scale * e.snips_error, unit,
      scale * e.dr, 2 * scale * e.dr_error, unit)
  end
  local part = e.decisions < self.seen and (", from the first %d decisions"):format(e.decisions) or ""
  return ("%s%s\n%s%.1f %% support, effective sample size %.0f%s\n"):format(head, now, (" "):rep(15), 100 * e.support,
    e.effective, part)
end

function Estimate:page()
  local e = self:estimate()
  local page = { lines_of(self, e, "answered well", 100, " %") }
  for i, estimate in ipairs(e.feedback or {}) do
    local metric = self.scored[i]
    page[#page + 1] = lines_of(metric, estimate, ("%s of %d that were scored"):format(metric.metric, metric.seen), 1, "")
  end
  return table.concat(page)
end

return replayed
