// What a reload asks of a new generation: check, specs, and recent decisions replayed; each left out only by its name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { until } from '../support/process.mjs'
import { serve } from '../support/wye.mjs'

const CONFIG = 'return { models = { ["sim/fast"] = {}, ["sim/smart"] = {} }, default = "sim/fast" }\n'
const route = (limit, reason = 'short') => `local fast, smart = wye.model "sim/fast", wye.model "sim/smart"
return function(req)
  if #req.prompt > ${limit} then return smart, "long" end
  return fast, "${reason}"
end
`
const SPEC = `local kit = require "wye.testkit"
describe("route", function()
  it("is short", function()
    assert.are.equal("short", kit.project():decide("route", "hi").reason)
  end)
end)
`

async function started(files, args = []) {
  const w = await serve({ 'wye.lua': CONFIG, 'route.lua': route(3), ...files }, { demo: true, args })
  for (const content of ['hi', 'hello there', 'hey']) assert.equal((await chat(w, { model: 'auto', messages: question(content) })).status, 200)
  return w
}

test('the specs refuse, with the place of the one that fails', async () => {
  const w = await started({ 'specs/route_spec.lua': SPEC })
  w.write({ 'route.lua': route(3, 'brief') })
  const refused = await w.cli('reload')
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /^routes\/specs\/route_spec\.lua:\d+: spec 'route is short' fails: /m)
  assert.match(refused.stderr, /refused; generation 1 goes on/)
  assert.equal((await w.status()).generation, 1)
  assert.match((await w.cli('reload', '--skip', 'specks')).stderr, /no gate 'specks' \(did you mean 'specs'\?\)/)
  const skipped = await w.cli('reload', '--skip', 'specs', '--json')
  const json = JSON.parse(skipped.stdout)
  assert.deepEqual([json.ok, json.generation], [true, 2])
  assert.deepEqual(json.gates, ['replay: 0 of 3 recorded decisions change (0.00 %)'])
  w.write({ 'route.lua': route(4, 'short') })
  const passed = await w.ask('/reload', { method: 'POST' })
  assert.deepEqual(passed.json.gates, ['specs: 1 passed', 'replay: 0 of 3 recorded decisions change (0.00 %)'])
  await w.stop()
})

test('a folder of specs that holds none refuses nothing, and is told', async () => {
  const w = await started({ 'specs/README.md': 'none yet\n' })
  w.write({ 'route.lua': route(3, 'brief') })
  const { status, json } = await w.ask('/reload', { method: 'POST' })
  assert.deepEqual([status, json.generation], [200, 2])
  assert.match(json.gates[0], /^specs: not run: there is no NAME_spec\.lua in .*specs$/)
  await w.stop()
})

test('the replay reports, and refuses above --max-change with an example', async () => {
  const w = await started({})
  w.write({ 'route.lua': route(20) })
  const refused = await w.cli('reload', '--max-change', '33')
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /replay: 1 of 3 recorded decisions change \(33\.33 %\), --max-change allows 33 %; most often sim\/smart -> sim\/fast, as in \S+: routes\/route\.lua:3 \(long\) -> routes\/route\.lua:4 \(short\)/)
  assert.equal((await w.status()).generation, 1)
  assert.equal((await w.ask('/reload?max_change=33', { method: 'POST' })).status, 422)
  assert.equal((await w.ask('/reload?max_change=no', { method: 'POST' })).status, 400)
  assert.equal((await w.ask('/reload?skip=replay,nothing', { method: 'POST' })).status, 400)
  const reported = await w.cli('reload')
  assert.equal(reported.code, 0)
  assert.equal(reported.stdout, 'generation 2 is live\n')
  assert.match(reported.stderr, /^replay: 1 of 3 recorded decisions change/)
  w.write({ 'route.lua': route(3) })
  const skipped = await w.ask('/reload?skip=replay&max_change=0', { method: 'POST' })
  assert.deepEqual([skipped.status, skipped.json.gates], [200, []])
  await w.stop()
})

test('--skip and --max-change of serve hold for SIGHUP; the check can be skipped too', async () => {
  const w = await started({}, ['--max-change', '10'])
  w.write({ 'route.lua': route(20) })
  w.kill(w.child.pid, 'SIGHUP')
  await until('the refusal', () => /reload refused, generation 1 goes on: replay: 1 of 3/.test(w.child.said))
  assert.equal((await w.ask('/reload?max_change=100', { method: 'POST' })).json.generation, 2)
  w.write({ 'route.lua': 'return function(req)\n  if req.user == "nobody" then return wye.modle "sim/fast" end\n  return wye.model "sim/fast"\nend\n' })
  assert.equal((await w.cli('reload', '--max-change', '100')).code, 1)
  assert.equal((await w.cli('reload', '--max-change', '100', '--skip', 'check')).code, 0)
  await w.stop()
})
