-- Reports as text for people. Colour on a terminal only (options.colour).
local page = {}

local COLOURS = { better = 32, worse = 31, harm = 31, void = 31, undecided = 33 }

local function paint(text, kind, options)
  local colour = options.colour and COLOURS[kind]
  return colour and ("\27[%dm%s\27[0m"):format(colour, text) or text
end

local function number(x)
  if type(x) ~= "number" then return "-" end
  if x == math.huge then return "inf" end
  if x == -math.huge then return "-inf" end
  if x == math.floor(x) then return ("%.0f"):format(x) end
  local size = math.abs(x)
  if size >= 1000 then return ("%.0f"):format(x) end
  return size >= 1 and ("%.2f"):format(x) or ("%.4g"):format(x)
end

-- Rows of cells as columns; the first stands left, the others right.
local function columns(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, #cell) end
  end
  for n, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      local blank = (" "):rep(widths[i] - #cell)
      cells[i] = i == 1 and cell .. blank or blank .. cell
    end
    lines[n] = "  " .. table.concat(cells, "  ")
  end
  return table.concat(lines, "\n")
end

local MEANS = { "error", "refused", "valid", "usd", "ms", "ttft", "tokens" }

local function arms_of(v)
  local rows = { { "arm", "units", "decisions", unpack(MEANS) } }
  for _, arm in ipairs(v.arms) do
    local row = { arm.arm, number(arm.units), tostring(arm.decisions) }
    for _, metric in ipairs(MEANS) do row[#row + 1] = number(arm.means[metric]) end
    rows[#rows + 1] = row
  end
  return columns(rows)
end

local function comparisons_of(v)
  local rows = { { "metric", "arm", "control", "arm's", "difference", "from", "to", "p" } }
  local function add(r, name)
    local effect = r.effect or (r.value and r.control and r.value - r.control)
    local cells = { name, r.arm }
    for i, x in ipairs { r.control or false, r.value or false, effect or false, r.low or false, r.high or false, r.p or false } do
      cells[i + 2] = number(x)
    end
    rows[#rows + 1] = cells
  end
  for _, arm in ipairs(v.arms) do
    if v.primary[arm.arm] then add(v.primary[arm.arm], v.primary[arm.arm].metric) end
  end
  for _, g in ipairs(v.guards) do add(g, "guard " .. g.guard .. (g.quantile and " p95" or "")) end
  return #rows > 1 and columns(rows) or nil
end

local function version_of(v, options)
  local ratio = v.sample_ratio
  local words = ratio.is_void and paint("void", "void", options) or "fine"
  local parts = { ("sample ratio: p = %s, %s"):format(number(ratio.p), words), arms_of(v) }
  if not ratio.is_void then parts[#parts + 1] = comparisons_of(v) end
  for _, arm in ipairs(v.arms) do
    if arm.raised > 0 then
      parts[#parts + 1] = ("%s: %d of its %d decisions raised and count as errors, the last at %s"):format(arm.arm, arm.raised,
        arm.decisions, arm.raised_last)
    end
  end
  for _, verdict in ipairs(v.verdicts) do parts[#parts + 1] = paint(verdict.words, verdict.verdict, options) end
  return table.concat(parts, "\n")
end

local function answers_of(a)
  local rows = { { "answers", "compared", "shadow", "route again", "difference", "from", "to", "request" } }
  for _, what in ipairs { "decision", "exact", "alike", "overlap", "usd", "ms" } do
    local r = a[what]
    local cells = { what, tostring(r.n) }
    for i, name in ipairs { "shadow", "again", "difference", "low", "high" } do cells[i + 2] = number(r[name]) end
    cells[8] = r.request and number(r.request) or ""
    rows[#rows + 1] = cells
  end
  return columns(rows) .. "\n" .. a.words
end

local function counted(left_out)
  local words = {}
  for why, count in pairs(left_out) do words[#words + 1] = ("%d: %s"):format(count, why) end
  table.sort(words)
  return table.concat(words, "; ")
end

local function shadow_of(r)
  local d = r.decisions
  local parts = { ("shadow %s, rule %s"):format(r.line, r.rule or "-"), columns {
    { "decisions", "compared", "alike", "from", "to", "failed", "undecided" },
    { tostring(r.shadows), tostring(d.n), number(d.alike), number(d.low), number(d.high), number(r.failed), number(r.undecided) },
  } }
  if r.answers then parts[#parts + 1] = answers_of(r.answers) end
  if next(r.left_out) then parts[#parts + 1] = "not compared by their answers: " .. counted(r.left_out) end
  return table.concat(parts, "\n")
end

-- Of stats.agreement's list, newest source of a rule last.
function page.agreement(list)
  local parts = {}
  for i, r in ipairs(list) do parts[i] = shadow_of(r) end
  return table.concat(parts, "\n\n")
end

function page.report(r, options)
  local level = math.floor((1 - r.alpha) * 100 + 0.5)
  local parts = { ("experiment %s, %d %% intervals that may be looked at any time"):format(r.experiment, level) }
  if r.stopped then
    parts[#parts + 1] = ("stopped at %s: every unit gets %s, and nothing is exposed since"):format(r.stopped.since, r.stopped.arm)
  end
  for _, d in ipairs(r.earlier) do
    parts[#parts + 1] = ("dealt anew by salt '%s': not in this report are %d decisions of %d units dealt by salt '%s'"):format(
      r.salt, d.decisions, d.units, d.salt)
  end
  if (r.unitless or 0) > 0 then
    parts[#parts + 1] = ("since the server began %d requests came without the unit and got the control"):format(r.unitless)
  end
  for i, v in ipairs(r.versions) do
    if #r.versions > 1 then
      local words = i == 1 and "before the source of an arm changed" or
        ("the source of %s is %s"):format(table.concat(v.changed, ", "),
          v.is_back and "again that of earlier" or "another than before")
      parts[#parts + 1] = ("-- version %d of %d: %s"):format(i, #r.versions, words)
    end
    parts[#parts + 1] = version_of(v, options)
  end
  if #r.shadows > 0 then parts[#parts + 1] = page.agreement(r.shadows) end
  if r.repeated_scores > 0 then
    parts[#parts + 1] = ("%d repeated scores were left out"):format(r.repeated_scores)
  end
  return table.concat(parts, "\n\n") .. "\n"
end

function page.what_if(e)
  local weights = {}
  for arm, weight in pairs(e.weights) do weights[#weights + 1] = ("%s %g %%"):format(arm, weight * 100) end
  table.sort(weights)
  local means = columns {
    { "", "mean", "2 errors" },
    { "as it was", number(e.logged), "" },
    { "SNIPS", number(e.snips), number(2 * e.snips_error) },
    { "doubly robust", number(e.dr), number(2 * e.dr_error) },
  }
  local of = e.query and (", of the %d %s that %s '%s'"):format(e.matched, e.matched == 1 and "decision" or "decisions",
    e.matched == 1 and "matches" or "match", e.query) or ""
  local bounds = e.low and ("no other value was seen: 95 %% sure of %s to %s\n"):format(number(e.low), number(e.high)) or ""
  return ("experiment %s, %s under %s%s\n%s\n%s%d decisions, effective sample size %.0f units, heaviest weight %s\n"):format(
    e.experiment, e.metric, table.concat(weights, ", "), of, means, bounds, e.n, e.ess, number(e.heaviest))
end

return page
