-- Short requests to the small model, which is told to keep it short.
local gpt = wye.model "openai/gpt"
local mini = wye.model "openai/mini":with { system = wye.prompt "prompts/short.md" }

return function(req)
  if req.tokens < 60 and not req.has_tools then return mini, "short" end
  return gpt, "long"
end
