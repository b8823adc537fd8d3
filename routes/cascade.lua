-- The model "wye/cascade" reads invoices. Cheap first; it climbs when the answer is malformed or not sure enough.
local how = { system = wye.prompt "prompts/invoice.md" }
local rungs = { wye.model "local/8b":with(how), wye.model "openai/mini":with(how), wye.model "anthropic/opus":with(how) }
local invoice = wye.schema "schemas/invoice.json"
local sure = wye.calibration "invoice"                     -- from `wye calibrate`

return function(req)
  req:limit { usd = 0.02, seconds = 12 }
  local best
  for i = 1, #rungs - 1 do
    local reply, err = rungs[i]:ask(req, { logprobs = true })
    if reply then
      local valid, why = invoice(reply.json)
      local p = sure(reply)
      if valid and p >= 0.9 then return reply, "rung " .. i end
      if valid then best = reply end
      wye.note("rejected", { rung = i, p = p, why = why })
    elseif err.kind == "limit" then
      return best or wye.refuse(402, "budget spent"), "budget"
    end
  end
  return rungs[#rungs], "escalated"                        -- a model, not a reply: it streams
end
