-- Reasoning is asked for in words (OpenAI, Gemini 3) or in tokens (Anthropic, Gemini 2.5); this turns one into the
-- other.
local effort = {}

local budgets = { none = 0, minimal = 1024, low = 2048, medium = 8192, high = 16384, xhigh = 32768, max = 32768 }

-- Tokens to think with: 0 for none, nil when the client left it to the model.
function effort.budget(reasoning)
  return reasoning.budget or budgets[reasoning.effort]
end

-- "none", "minimal", "low", "medium", "high", "xhigh" or "max"; nil when the client left it to the model. A budget
-- never asks for more than "high", which every reasoning model has.
function effort.level(reasoning)
  if reasoning.effort or not reasoning.budget then return reasoning.effort end
  if reasoning.budget == 0 then return "none" end
  return reasoning.budget <= budgets.low and "low" or reasoning.budget <= budgets.medium and "medium" or "high"
end

return effort
