-- Decides for clients that ask for the model "auto". Returns a model and the reason, which `wye why` shows.
local mini, gpt = wye.model "openai/mini", wye.model "openai/gpt"

return function(req)
  if req.has_image then return gpt, "has an image" end
  if req.prompt:find("```", 1, true) then return gpt, "code" end
  return mini, "everything else"
end
