-- What the benchmark routes by: the prompt's look and size, as a first route of a user would.
local fast, long = wye.model "mock/fast", wye.model "mock/long"

return function(req)
  local prompt = req.prompt
  if prompt:find("```", 1, true) then return long, "code" end
  if req.has_tools then return long, "tools" end
  if #prompt > 200000 then return { long, fast }, "long" end
  return fast, "short"
end
