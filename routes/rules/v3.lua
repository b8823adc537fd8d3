-- What is no code to the small model.
local intent = wye.classifier "intent"
local gpt, mini = wye.model "openai/gpt", wye.model "openai/mini"

return function(req)
  local label, p = intent(req.prompt)
  if label == "other" and p > 0.8 then return mini, label end
  return gpt, label
end
