-- The model "wye/cascade": cheap first; climbs when the answer is missing, cut short, unsure or not what was asked for.
local rungs = { wye.model "local/8b", wye.model "openai/mini", wye.model "anthropic/opus" }

local unsure = wye.re [[(?i)i don'?t know|i do not know|i'?m not sure|as an ai\b]]
-- By what clients put in metadata.task.
local tasks = { invoice = { schema = wye.schema "schemas/invoice.json", system = wye.prompt "prompts/invoice.md" } }

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
  local task = req.metadata and tasks[req.metadata.task] or {}
  for i = 1, #rungs - 1 do
    local reply, err = rungs[i]:ask(req, { timeout = 20, system = task.system })   -- waits for the whole answer, to judge it
    local why = err and err.kind or doubt(reply, task.schema)
    if not why then return reply, "rung " .. i end
    wye.note("climbed", { rung = i, why = why })
  end
  local best = rungs[#rungs]
  return task.system and best:with { system = task.system } or best, "escalated"   -- a model, not a reply: it streams
end
