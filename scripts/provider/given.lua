-- given(v): v, or nil when it is absent or null.
local json = require "json"

return function(v)
  if v == json.null then return nil end
  return v
end
