-- The model "wye/cascade": cheap first; climbs when the answer is missing, cut short, unsure or not what was asked for.
local rungs = { wye.model "local/8b", wye.model "openai/mini", wye.model "anthropic/opus" }

local unsure = wye.re [[(?i)i don'?t know|i do not know|i'?m not sure|as an ai\b]]
local schemas = { invoice = wye.schema "schemas/invoice.json" }   -- by what clients put in metadata.task

-- Why the reply will not do; nil when it will.
local function doubt(reply, schema)
  if reply.finish == "length" then return "cut short" end
  if reply.finish == "tool_calls" then return nil end
  if not reply.text:find("%S") then return "empty" end
  if schema then
    local valid, why = schema(reply)
    return not valid and why or nil
  end
  local from, to = unsure:find(reply.text)
  return from and "says: " .. reply.text:sub(from, to)
end

return function(req)
  local schema = req.metadata and schemas[req.metadata.task]
  for i = 1, #rungs - 1 do
    local reply, err = rungs[i]:ask(req, { timeout = 20 })     -- waits for the whole answer, in order to judge it
    local why = err and err.kind or doubt(reply, schema)
    if not why then return reply, "rung " .. i end
    wye.note("climbed", { rung = i, why = why })
  end
  return rungs[#rungs], "escalated"                            -- a model, not a reply: it streams
end
