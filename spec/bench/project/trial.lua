-- route.lua as both arms of an experiment, so that what the experiment itself costs is the difference.
local rule = require "route"
local trial = wye.experiment("bench", { unit = "request", metric = "ok", { "v1", 50, rule }, { "v2", 50, rule } })

return function(req) return trial(req) end
