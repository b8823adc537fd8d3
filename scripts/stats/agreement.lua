-- How far a shadow agrees with its route: in what they decide, and, where both were answered, in what the answers say, beside
-- what two answers of the route itself differ by.
local json = require "json"
local tests, confseq = require "stats.tests", require "stats.confseq"

local agreement = {}
local Agreement = {}
Agreement.__index = Agreement

local ALPHA, DECISIONS_OPT, ANSWERS_OPT, VARIANCE_OPT, LEAST = 0.05, 300, 100, 2, 10
local SHARES = { "decision", "exact", "alike", "overlap" }
local AMOUNTS = { "usd", "ms" }

-- Options as JSON are for `wye ab shadows`: { colour }.
function agreement.new(text)
  return setmetatable({ options = text and assert(json.decode(text)) or {}, order = {}, by_key = {} }, Agreement)
end

local function told(value)
  if value == nil or value == json.null then return nil end
  return value
end

local function group_of(self, shadow)
  local key = shadow.line .. " " .. (told(shadow.rule) or "")
  local g = self.by_key[key]
  if not g then
    g = { line = shadow.line, rule = told(shadow.rule), count = 0, failed = 0, undecided = 0, compared = 0, agreed = 0 }
    g.left_out, g.pairs = {}, {}
    self.by_key[key], self.order[#self.order + 1] = g, g
  end
  return g
end

local function share_of(value)
  if type(value) == "boolean" then return value and 1 or 0 end
  return value
end

local function sameness(differs)
  return told(differs) ~= nil and share_of(not differs) or nil
end

-- Both were answered, so that each of the two has something beside it.
local function pair_of(row, s)
  if not told(s.overlap) or not told(s.copy_overlap) then return nil end
  return {
    decision = { sameness(s.differs), sameness(s.copy_differs) },
    exact = { share_of(s.exact), share_of(s.copy_exact) },
    alike = { share_of(s.alike), share_of(s.copy_alike) },
    overlap = { s.overlap, s.copy_overlap },
    usd = { s.usd, s.copy_usd, told(row.usd) },
    ms = { s.ms, s.copy_ms, told(row.ms) },
  }
end

-- One shadow of a decision: { ts, usd, ms (of the request), shadow = as in the trace }.
function Agreement:shadow(text)
  local row = json.decode(text)
  local s = row.shadow
  local g = group_of(self, s)
  local differs, outcome = told(s.differs), told(s.answers)
  g.count, g.newest = g.count + 1, row.ts
  if told(s.error) then g.failed = g.failed + 1 elseif differs == nil then g.undecided = g.undecided + 1 end
  if differs ~= nil then
    g.compared, g.agreed = g.compared + 1, g.agreed + (differs and 0 or 1)
  end
  local pair = pair_of(row, s)
  if pair then g.pairs[#g.pairs + 1] = pair elseif outcome then g.left_out[outcome] = (g.left_out[outcome] or 0) + 1 end
end

-- ---- numbers ----

-- Sums over the pairs that have both.
local function summed(pairs_of, what)
  local s = { n = 0, own = 0, again = 0, request = 0, sum = 0, squares = 0, varied = 0 }
  for _, pair in ipairs(pairs_of) do
    local own, again, request = pair[what][1], pair[what][2], pair[what][3]
    if own and again then
      local before = s.n > 0 and s.sum / s.n or 0
      s.varied = s.varied + (own - again - before) ^ 2
      s.n, s.own, s.again, s.request = s.n + 1, s.own + own, s.again + again, s.request + (request or 0)
      s.sum, s.squares = s.sum + own - again, s.squares + (own - again) ^ 2
    end
  end
  return s
end

local function means(what, s)
  if s.n == 0 then return { of = what, n = 0 } end
  return { of = what, n = s.n, shadow = s.own / s.n, again = s.again / s.n, difference = s.sum / s.n }
end

-- Differences lie in [-1, 1]: half of that, and moved to [0, 1].
local function share_row(pairs_of, what)
  local s = summed(pairs_of, what)
  local r = means(what, s)
  if s.n >= LEAST then
    local low, high = confseq.empirical_bernstein_ci(s.n, (s.n + s.sum) / 2, s.varied / 4, ALPHA, VARIANCE_OPT)
    r.low, r.high = 2 * low - 1, 2 * high - 1
  end
  return r
end

local function amount_row(pairs_of, what)
  local s = summed(pairs_of, what)
  local r = means(what, s)
  if s.n > 0 then r.request = s.request / s.n end
  if s.n >= LEAST then r.low, r.high = tests.paired(s.n, s.sum, s.squares, { alpha = ALPHA, tuning = ANSWERS_OPT }) end
  return r
end

local function verdict_of(answers)
  local r = answers.overlap
  if not r.low then return ("%d answers are too few to compare: %d are needed"):format(r.n, LEAST) end
  if r.high < 0 then return "its answers are less like the client's than the route's own second answers are" end
  if r.low > 0 then return "its answers are more like the client's than the route's own second answers are" end
  local words = "no difference seen between its answers and second answers of the route: in overlap it is at most %.2g"
  return words:format(math.max(-r.low, r.high))
end

local function report_of(g)
  local r = { line = g.line, rule = g.rule, newest = g.newest, shadows = g.count, failed = g.failed,
    undecided = g.undecided, left_out = g.left_out,
    decisions = { n = g.compared, alike = g.compared > 0 and g.agreed / g.compared or nil } }
  if g.compared > 0 then r.decisions.low, r.decisions.high = confseq.bernoulli_ci(g.agreed, g.compared, ALPHA, DECISIONS_OPT) end
  if #g.pairs == 0 then return r end
  r.answers = { n = #g.pairs }
  for _, what in ipairs(SHARES) do r.answers[what] = share_row(g.pairs, what) end
  for _, what in ipairs(AMOUNTS) do r.answers[what] = amount_row(g.pairs, what) end
  r.answers.words = verdict_of(r.answers)
  return r
end

-- One for each place that calls wye.shadow and each source of its rule, in the order in which they came.
function Agreement:report()
  local list = {}
  for i, g in ipairs(self.order) do list[i] = report_of(g) end
  return list
end

local function plain(value)
  if type(value) ~= "table" then return value end
  local out = (#value > 0) and json.array {} or {}
  for key, item in pairs(value) do out[key] = plain(item) end
  return out
end

function Agreement:json()
  local list = self:report()
  return '{"shadows":' .. (#list > 0 and json.encode(plain(list)) or "[]") .. "}"
end

function Agreement:page()
  local list = self:report()
  if #list == 0 then return "no shadow in this trace: a route has one with wye.shadow\n" end
  return require("stats.page").agreement(list) .. "\n"
end

return agreement
