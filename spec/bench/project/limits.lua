-- route.lua under limits of its own and with another model in reserve.
local fast, long = wye.model "mock/fast", wye.model "mock/long"

return function(req)
  req:limit { usd = 1, seconds = 60, attempts = 4, tokens = 1000000 }
  local prompt = req.prompt
  if prompt:find("```", 1, true) then return { long, fast }, "code" end
  if req.has_tools then return { long, fast }, "tools" end
  return { fast, long }, "short"
end
