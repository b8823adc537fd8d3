-- Identifiers in the form of the client's protocol.
local ids = {}

local count = 0

-- One that no other reply has: for providers that give none.
local function fresh()
  count = count + 1
  local place = tostring({}):match("%x%x%x%x%x%x$") -- of a fresh table in this process
  return ("%08x%06x%04x%s"):format(os.time() % 2 ^ 32, math.floor(os.clock() * 1e6) % 2 ^ 24, count % 65536, place)
end

-- The provider's identifier under `prefix`, in place of what prefix it had; a new one when it gave none.
function ids.like(prefix, id)
  if not id or id == "" then return prefix .. fresh() end
  if id:sub(1, #prefix) == prefix then return id end
  return prefix .. id:gsub("^%a+[-_]", "", 1)
end

return ids
