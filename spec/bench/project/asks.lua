-- One draft that is judged by its length: what a replay gives again.
local fast, long = wye.model "mock/fast", wye.model "mock/long"

return function(req)
  local draft, err = fast:ask(req, { timeout = 10 })
  if not draft then return long, err.kind end
  return draft, #draft.text > 10 and "long" or "short"
end
