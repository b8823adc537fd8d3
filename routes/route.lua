-- The model "auto" of clients: a classifier reads the request, its label picks the model.
local intent = wye.classifier "intent"                     -- in process, from `wye train`
local opus, flash, haiku = wye.model "anthropic/opus", wye.model "google/flash", wye.model "anthropic/haiku"
local coder = opus:with { system = wye.prompt "prompts/code.md" }
local by_label = { code = coder, other = haiku }

return function(req)
  if req.has_image then return flash, "multimodal" end
  local label, p = intent(req.prompt)
  if p < 0.6 then return opus, "unsure about " .. label end
  return by_label[label] or haiku, label
end
