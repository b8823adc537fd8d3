-- How well another rule would have answered, from decisions that it made again: SNIPS and doubly robust, or why not.
--
-- A decision has support when what the rule wants could have come out of it as it was recorded: the same without chance, or
-- under chance (an experiment's arm) something that chance also brought often enough elsewhere. The others tell nothing.
local json = require "json"
local offpolicy = require "stats.offpolicy"

local replayed = {}
local Estimate = {}
Estimate.__index = Estimate

local LEAST, LEAST_SUPPORT, MOST_ROWS = 30, 0.95, 200000

function replayed.new()
  return setmetatable({ list = {}, seen = 0, good = 0, taken = {}, want = {} }, Estimate)
end

-- Lines "GOOD WEIGHT UNIT<tab>WAS<tab>NOW": 1 or 0; 1 over the probability of the recorded arms; "" where no arm was drawn.
function Estimate:rows(text)
  for y, weight, unit, was, now in text:gmatch "(%d) (%S+) ([^\t]*)\t([^\t]*)\t([^\n]*)\n" do
    y, weight = tonumber(y), tonumber(weight)
    self.seen, self.good = self.seen + 1, self.good + y
    if #self.list < MOST_ROWS then
      self.want[now] = self.want[now] or { [now] = 1 }
      local p = math.min(1, 1 / weight)
      unit = unit ~= "" and unit or self.seen
      self.list[#self.list + 1] = { y = y, p = p, unit = unit, arm = was, now = now, want = self.want[now] }
      if p < 1 then self.taken[was] = (self.taken[was] or 0) + 1 end
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

-- { was, support, effective, now (= dr), snips, snips_error, dr, dr_error, decisions, refused (words) }
function Estimate:estimate()
  local rows, most = supported(self)
  local kept, squares = 0, 0
  for _, r in ipairs(rows) do
    local w = r.now == r.arm and 1 / r.p or 0
    kept, squares = kept + w, squares + w * w
  end
  local e = { metric = "answered", decisions = #self.list, was = self.seen > 0 and self.good / self.seen or 0,
    support = #self.list > 0 and #rows / #self.list or 0, effective = squares > 0 and kept * kept / squares or 0 }
  if e.support < LEAST_SUPPORT and most then
    local words = "%.1f %% of the decisions have support, %.0f %% are needed: '%s' was brought by chance %d times, not %d"
    e.refused = words:format(100 * e.support, 100 * LEAST_SUPPORT, most, self.taken[most] or 0, LEAST)
  elseif e.effective < LEAST then
    e.refused = ("the effective sample size is %.1f, %d are needed"):format(e.effective, LEAST)
  else
    local o = offpolicy.estimate(rows)
    e.now, e.snips, e.snips_error, e.dr, e.dr_error = o.dr, o.snips, o.snips_error, o.dr, o.dr_error
  end
  return e
end

function Estimate:json()
  return json.encode(self:estimate())
end

function Estimate:page()
  local e = self:estimate()
  local head = ("answered well: %.2f %% as recorded; "):format(100 * e.was)
  if e.refused then return head .. "no estimate by this rule: " .. e.refused .. "\n" end
  local words = "by this rule %.2f ± %.2f %% (SNIPS), %.2f ± %.2f %% (doubly robust)\n" ..
    "%s%.1f %% support, effective sample size %.0f%s\n"
  local part = e.decisions < self.seen and (", from the first %d decisions"):format(e.decisions) or ""
  return head .. words:format(100 * e.snips, 200 * e.snips_error, 100 * e.dr, 200 * e.dr_error, (" "):rep(15),
    100 * e.support, e.effective, part)
end

return replayed
