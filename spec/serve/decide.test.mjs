// wye decide: one decision from a file and a request, without any network unless --live.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { WYE, run } from '../support/process.mjs'
import { folder, sim, write } from '../support/wye.mjs'

const home = folder()
write(home, {
  'routes/wye.lua': 'return { models = { ["sim/fast"] = {}, ["sim/smart"] = {} }, default = "sim/smart" }\n',
  'routes/route.lua': `local fast, smart = wye.model "sim/fast", wye.model "sim/smart"
return function(req)
  if req.prompt == "no" then return wye.refuse(402, "not for you"), "refused" end
  if req.prompt == "oops" then error("oops") end
  if req.prompt == "list" then return { smart, fast }, "both" end
  wye.note("asking", { tokens = req.tokens })
  local reply = fast:ask(req)
  return reply or smart, "asked"
end
`,
  'routes/rules/v2.lua': 'return function() return wye.model "sim/fast", "v2" end\n',
  'loose.lua': 'return function(req) return wye.model(req.has_image and "sim/fast" or "sim/smart"), "loose" end\n',
})
for (const content of ['no', 'oops', 'list', 'hello']) write(home, { [`${content}.json`]: JSON.stringify({ model: 'auto', messages: [{ role: 'user', content }] }) })
write(home, { 'bad.json': '{"model":"auto"}', 'broken.json': '{' })
const decide = (...args) => run(WYE, ['decide', ...args], { cwd: home })
const json = async (...args) => {
  const { code, stdout } = await decide(...args, '--json')
  return { code, ...JSON.parse(stdout) }
}

test('shows model, cause, reason and line', async () => {
  const asked = await json('routes/route.lua', '-i', 'hello.json')
  assert.deepEqual([asked.code, asked.kind, asked.model, asked.cause, asked.reason, asked.line], [0, 'reply', 'sim/fast', 'script', 'asked', 'routes/route.lua:8'])
  assert.deepEqual([asked.asks.length, asked.asks[0].model, asked.notes[0].text], [1, 'sim/fast', 'asking'])
  const list = await json('routes', '-i', 'list.json')
  assert.deepEqual([list.kind, list.models, list.line], ['list', ['sim/smart', 'sim/fast'], 'routes/route.lua:5'])
  const refusal = await json('routes/route.lua', '-i', 'no.json')
  assert.deepEqual([refusal.kind, refusal.status, refusal.message], ['refusal', 402, 'not for you'])
  const text = await decide('routes/route.lua', '-i', 'list.json')
  assert.equal(text.stdout, 'sim/smart, then sim/fast\nbecause script: both, at routes/route.lua:5\n')
})

test('runs a module of the project, and a file from anywhere in one', async () => {
  const inner = await json('routes/rules/v2.lua', '-i', 'hello.json')
  assert.deepEqual([inner.model, inner.reason, inner.line], ['sim/fast', 'v2', 'routes/rules/v2.lua:1'])
  const loose = await json('loose.lua', '-i', 'hello.json')
  assert.deepEqual([loose.model, loose.reason], ['sim/smart', 'loose'])
})

test('a script that raises, a request that is none, a file that is not there', async () => {
  const raised = await json('routes/route.lua', '-i', 'oops.json')
  assert.deepEqual([raised.code, raised.cause, raised.model], [1, 'script_error', 'sim/smart'])
  assert.match(raised.script_error, /^routes\/route\.lua:4: oops/)
  const bad = await decide('routes/route.lua', '-i', 'bad.json')
  assert.equal(bad.code, 1)
  assert.match(bad.stderr, /'messages'/)
  assert.equal((await decide('routes/route.lua', '-i', 'broken.json')).code, 1)
  assert.match((await decide('routes/nope.lua', '-i', 'hello.json')).stderr, /cannot read routes\/nope\.lua/)
  assert.match((await decide('routes/route.lua', '-i', 'nope.json')).stderr, /cannot read nope\.json/)
  assert.equal((await decide('routes/route.lua')).code, 2)
  assert.equal((await decide('-i', 'hello.json')).code, 2)
})

test('--live: the simulator answers asks with --demo; what they said, cost and took is shown', async () => {
  write(home, { 'live/wye.lua': 'return { models = { ["sim/fast"] = { price = { input = 1, output = 2 } } } }\n', 'live/route.lua': 'local fast = wye.model "sim/fast"\nreturn function(req)\n  local reply, err = fast:with { system = "Be brief." }:ask(req)\n  return reply or wye.refuse(503, err.kind)\nend\n' })
  const d = await json('live', '-i', 'hello.json', '--live', '--demo')
  assert.deepEqual([d.code, d.kind, d.model], [0, 'reply', 'sim/fast'])
  const [ask] = d.asks
  assert.ok(ask.usd > 0 && ask.ms > 0, JSON.stringify(ask))
  assert.equal(ask.text, d.text)
  assert.notEqual(ask.text, '{"answer":"ok"}')
  const text = await decide('live/route.lua', '-i', 'hello.json', '--live', '--demo')
  assert.match(text.stdout, /asked sim\/fast at live\/route\.lua:3 in \d+ ms for \$0\.0\d+: \S/)
})

test("--live: the project's providers answer, with what the route and its model ask for; their errors are the route's", async () => {
  const models = await sim({ script: 'return { models = { good = {}, bad = { error_rate = 1 }, full = { rate_limit_rate = 1 } } }' })
  write(home, {
    'own/wye.lua': `return { providers = { p = { kind = "openai", base_url = "${models.url}/v1" } }, models = { ["p/good"] = {}, ["p/bad"] = {}, ["p/full"] = {} } }\n`,
    'own/route.lua': 'return function(req)\n  local _, a = wye.model("p/bad"):ask(req)\n  local _, b = wye.model("p/full"):ask(req)\n  local c = wye.model("p/good"):ask(req)\n  return wye.model "p/good", a.kind .. " " .. b.kind .. " " .. #c.text\nend\n',
  })
  const d = await json('own', '-i', 'hello.json', '--live')
  assert.match(d.reason, /^server_error rate_limit [1-9]/)
  assert.deepEqual(d.asks.map((a) => a.error), ['server_error', 'rate_limit', undefined])
  await models.stop()
  const gone = await json('own', '-i', 'hello.json', '--live')
  assert.equal(gone.asks[0].error, 'connect')
  assert.equal((await decide('own', '-i', 'hello.json', '--usd', '1')).code, 2)
  assert.equal((await decide('own', '-i', 'hello.json', '--live', '--usd', 'much')).code, 2)
})

test('tells the arm of an experiment that the user is in, and that it decided', async () => {
  write(home, {
    'routes/trial.lua': `local trial = wye.experiment("t", { unit = "user", { "a", 50, function() return wye.model "sim/fast", "by a" end }, { "b", 50, function() return wye.model "sim/smart", "by b" end } })
return function(req) return trial(req) end
`,
  })
  const seen = new Set()
  for (let i = 0; i < 8; i++) {
    write(home, { 'user.json': JSON.stringify({ model: 'auto', user: `user-${i}`, messages: [{ role: 'user', content: 'hi' }] }) })
    const { cause, reason, arms } = await json('routes/trial.lua', '-i', 'user.json')
    assert.deepEqual([cause, reason, arms], ['experiment', `by ${arms[0].arm}`, [{ experiment: 't', arm: arms[0].arm, p: 0.5 }]])
    seen.add(arms[0].arm)
  }
  assert.deepEqual([...seen].sort(), ['a', 'b'])
  assert.match((await decide('routes/trial.lua', '-i', 'user.json')).stdout, /because experiment: by [ab], at .*\nin arm [ab] of t, p 0\.5\n/)
})
