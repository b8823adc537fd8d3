-- What a wire has no word for is left out, and said once.
local drops = {}
local MOST_NAMED = 200 -- bytes of what a client called its tools

function drops.once(drop)
  local said = {}
  return function(what, why)
    if said[what] then return end
    said[what] = true
    drop(what, why)
  end
end

-- `lacks` is a list of names of the canonical request that `wire` has no word for; what only the client's family
-- understands goes too.
function drops.members(request, lacks, wire, drop)
  for _, name in ipairs(lacks) do
    if request[name] ~= nil and request[name] ~= false then drop(name, wire .. " has none") end
  end
  if request.hosted_tools then
    local kinds = table.concat(request.hosted_tools, ", "):sub(1, MOST_NAMED)
    drop("hosted tools " .. kinds, "only the provider that has them runs them")
  end
  local names = {}
  for name in pairs(request.extra and request.extra.members or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do drop(name, "only " .. request.extra.family .. " providers know it") end
end

-- The first `most` stop sequences.
function drops.stops(request, most, wire, drop)
  local stop = request.stop
  if not stop or #stop <= most then return stop end
  drop("stop", ("%s takes %d, the others were left out"):format(wire, most))
  local first = {}
  for i = 1, most do first[i] = stop[i] end
  return first
end

-- `value` at most `most`.
function drops.clamp(value, most, what, wire, drop)
  if not value or value <= most then return value end
  drop(what, ("%s takes at most %s, which was sent"):format(wire, most))
  return most
end

return drops
