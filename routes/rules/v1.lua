-- Every request to the large model.
local gpt = wye.model "openai/gpt"

return function()
  return gpt, "all to gpt"
end
