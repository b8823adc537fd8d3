-- The model "wye/trial": v2 against v1 on ten percent of users, while v3 decides in the shadow.
local trial = wye.experiment("short-prompts-to-mini", {
  unit = "user", metric = "task_ok", guard = { "cost", "latency" },
  { "v1", 90, require "rules.v1" },
  { "v2", 10, require "rules.v2" },
})
local v3 = require "rules.v3"

return function(req)
  wye.shadow(v3, req, { rate = 0.05 })
  return trial(req)
end
