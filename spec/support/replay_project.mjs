// A project whose routes lean on everything that a replay must give again: asks, their order, wye.kv, clocks, chance, headers, errors.
export const project = (url) => ({
  'wye.lua': `return {
  providers = { p = { kind = "openai", base_url = "${url}/v1" } },
  models = { ["p/fast"] = { price = { input = 1, output = 2 } }, ["p/smart"] = { price = { input = 5, output = 10 } }, ["p/flaky"] = { price = { input = 1, output = 1 } } },
  default = "p/fast",
  capture = { share = 1 },
}
`,
  'route.lua': `local fast, smart = wye.model "p/fast", wye.model "p/smart"
return function(req)
  local n = wye.kv.add("count", 1)
  if n % 7 == 0 then wye.kv.set("seventh", tostring(wye.now())) end
  local when = wye.kv.get("seventh")
  if req.headers["x-tenant"] == "gold" then return smart, "gold " .. tostring(when) end
  if wye.random() < 0.3 then return { smart, fast, first_token = 4, order = "cost" }, "drawn " .. wye.random(100) end
  if math.floor(wye.now() * 1000) % 2 == 0 then return fast, "even" end
  if req.user == "u-13" then return wye.refuse(402, "not today") end
  return fast:with { temperature = wye.random() }, "odd after " .. n
end
`,
  'cascade.lua': `local flaky, smart = wye.model "p/flaky", wye.model "p/smart"
return function(req)
  req:limit { usd = 0.0001, attempts = 3 }
  local draft, err = flaky:ask(req, { timeout = 5 })
  if not draft then return smart, err.kind .. " " .. tostring(err.retryable) .. " " .. err.status end
  local second, why = flaky:ask(req, { system = "again" })
  if second and #second.text % 2 == 0 then return second, "second " .. second.ms .. " " .. second.usage.output end
  return draft, "first " .. (why and why.message or draft.usd)
end
`,
  'race.lua': `local fast, smart, flaky = wye.model "p/fast", wye.model "p/smart", wye.model "p/flaky"
return function(req)
  local a, err = wye.first({ flaky, fast, smart }, req, { hedge = 0.003, timeout = 5 })
  local drafts, errors = wye.gather({ fast, fast, smart, flaky }, req, { n = 2 })
  local best = drafts[1]
  if a and (not best or #a.text > #best.text) then best = a end
  return best or smart, #drafts .. " drafts, " .. #errors .. " errors, " .. (err and err.kind or a.model .. " " .. #a.text .. " " .. #(drafts[1] or a).text)
end
`,
  'broken.lua': `return function(req)
  if wye.random(3) == 1 then error("one in three") end
  if wye.random(2) == 1 then return nil end
  return wye.model "p/fast"
end
`,
})

export const SIM = `return { models = {
  fast = { latency_ms = 1 }, smart = { latency_ms = { p50 = 2, p99 = 6 } }, flaky = { latency_ms = { p50 = 1, p99 = 5 }, error_rate = 0.2, rate_limit_rate = 0.1 },
} }
`
