-- Names of tools for wires that allow fewer characters than the client used: changed on the way out, restored on the
-- way back. Nothing is remembered: both ways follow from the request.
local names = {}

local function fit(name, rule)
  local fitted = name:gsub(rule.bad, "_")
  if rule.start and not fitted:match(rule.start) then fitted = "_" .. fitted end
  return fitted:sub(1, rule.longest)
end

local function is_fit(name, rule)
  return #name <= rule.longest and not name:find(rule.bad) and (not rule.start or name:find(rule.start) ~= nil)
end

-- A number at the end keeps apart what became equal.
local function unique(name, taken, rule)
  local fitted, n = fit(name, rule), 1
  while taken[fitted] do
    n = n + 1
    local tail = "_" .. n
    fitted = fit(name, rule):sub(1, rule.longest - #tail) .. tail
  end
  return fitted
end

local function none(name) return name end

-- `rule` is { bad = pattern of characters not allowed, start = pattern of the beginning or nil, longest = n }.
-- Returns two functions: the wire's name for a client's, and the reverse.
function names.both(request, rule)
  local unfit, taken = {}, {}
  for _, tool in ipairs(request.tools or {}) do
    if is_fit(tool.name, rule) then taken[tool.name] = true else unfit[#unfit + 1] = tool.name end
  end
  local back = {}
  local function out(name)
    if is_fit(name, rule) then return name end
    return fit(name, rule)
  end
  if #unfit == 0 then return out, none end
  local there = {}
  for _, name in ipairs(unfit) do
    there[name] = there[name] or unique(name, taken, rule)
    taken[there[name]], back[there[name]] = true, name
  end
  return function(name) return there[name] or out(name) end, function(name) return back[name] or name end
end

return names
