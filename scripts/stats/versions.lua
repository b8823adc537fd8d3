-- Which decisions of an experiment can be read together: those of one dealing, and within it those of one version.
--
-- A dealing is what one salt assigned; another one deals all units anew. A version is what was served between changes of an
-- arm's source.
local versions = {}

-- The rows of the newest dealing, its salt, and the others: { { salt, decisions, units, from_us, to_us } }, oldest first.
-- `name`: the salt of rows that tell none.
function versions.newest_dealing(rows, name)
  local by_salt, order = {}, {}
  for _, row in ipairs(rows) do
    local salt = row.salt or name
    local d = by_salt[salt]
    if not d then
      d = { salt = salt, rows = {}, decisions = 0, units = 0, from_us = row.ts, to_us = row.ts, seen = {} }
      by_salt[salt], order[#order + 1] = d, d
    end
    d.rows[#d.rows + 1], d.decisions = row, d.decisions + 1
    if not d.seen[row.unit] then d.seen[row.unit], d.units = true, d.units + 1 end
    d.from_us, d.to_us = math.min(d.from_us, row.ts), math.max(d.to_us, row.ts)
  end
  table.sort(order, function(a, b) return a.to_us < b.to_us or a.to_us == b.to_us and a.salt < b.salt end)
  local newest = table.remove(order)
  for _, d in ipairs(order) do d.rows, d.seen = nil, nil end
  return newest.rows, newest.salt, order
end

local function agree(a, b)
  for arm, source in pairs(a) do
    if b[arm] and b[arm] ~= source then return false end
  end
  return true
end

-- The arms whose source is another in b than in a.
local function changed(a, b)
  local arms = {}
  for arm, source in pairs(b) do
    if a[arm] and a[arm] ~= source then arms[#arms + 1] = arm end
  end
  table.sort(arms)
  return arms
end

-- { { sources = by arm, rows = in time, changed = arms whose source is another than in the version before, is_back = was served
-- before that one as well } }, the one that was served last at the end: a source that comes back is the version it was.
function versions.split(rows)
  local by_hash, order = {}, {}
  for _, row in ipairs(rows) do
    local h = by_hash[row.hash]
    if not h then
      h = { sources = {}, rows = {} }
      by_hash[row.hash], order[#order + 1] = h, h
    end
    h.sources[row.arm] = row.source
    h.rows[#h.rows + 1] = row
  end
  local list = {}
  for _, h in ipairs(order) do
    local home
    for i = #list, 1, -1 do
      if agree(h.sources, list[i].sources) then home = list[i] break end
    end
    if not home then
      home = { sources = {}, rows = {} }
      list[#list + 1] = home
    end
    for arm, source in pairs(h.sources) do home.sources[arm] = source end
    for _, row in ipairs(h.rows) do home.rows[#home.rows + 1] = row end
  end
  for _, v in ipairs(list) do
    table.sort(v.rows, function(a, b) return a.ts < b.ts end)
  end
  table.sort(list, function(a, b) return a.rows[#a.rows].ts < b.rows[#b.rows].ts end)
  for i, v in ipairs(list) do
    local before = list[i - 1]
    v.changed = before and changed(before.sources, v.sources) or {}
    v.is_back = before ~= nil and v.rows[1].ts < before.rows[1].ts
  end
  return list
end

-- The rows of all versions that had the newest one's source of every arm in `weights` with a share.
function versions.of_live(list, weights)
  local wanted, rows = {}, {}
  for arm, weight in pairs(weights) do
    if weight > 0 then wanted[arm] = list[#list].sources[arm] end
  end
  for _, v in ipairs(list) do
    for _, row in ipairs(agree(wanted, v.sources) and v.rows or {}) do rows[#rows + 1] = row end
  end
  return rows
end

return versions
