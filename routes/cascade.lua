-- The model "wye/cascade": cheap first; climbs when the answer is missing, cut short or unsure.
local rungs = { wye.model "local/8b", wye.model "openai/mini", wye.model "anthropic/opus" }

local unsure = { "i don't know", "i do not know", "i'm not sure", "as an ai" }

-- Why the reply will not do; nil when it will.
local function doubt(reply)
  if reply.finish == "length" then return "cut short" end
  if reply.finish == "tool_calls" then return nil end
  local text = reply.text:lower()
  if not text:find("%S") then return "empty" end
  for _, words in ipairs(unsure) do
    if text:find(words, 1, true) then return "says: " .. words end
  end
end

return function(req)
  for i = 1, #rungs - 1 do
    local reply, err = rungs[i]:ask(req, { timeout = 20 })     -- waits for the whole answer, in order to judge it
    local why = err and err.kind or doubt(reply)
    if not why then return reply, "rung " .. i end
    wye.note("climbed", { rung = i, why = why })
  end
  return rungs[#rungs], "escalated"                            -- a model, not a reply: it streams
end
