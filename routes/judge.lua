-- The model "wye/judge": two draft at once, a third picks.
local how = { system = wye.prompt "prompts/draft.md" }
local drafters = { wye.model "openai/gpt":with(how), wye.model "anthropic/sonnet":with(how) }
local judge = wye.model "google/flash"

return function(req)
  local drafts = wye.gather(drafters, req, { timeout = 8 })
  if #drafts == 0 then return drafters, "no draft in time" end
  local pick, err = judge:pick(req, drafts, { swap = true, timeout = 2 })   -- asks twice, in both orders
  if not pick then return drafts[1], "judge: " .. err.kind end
  return drafts[pick.index], pick.reason
end
