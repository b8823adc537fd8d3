// wye.shadow: what another rule would have decided, told by the trace, while the client notices nothing of it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const models = 'local good, mini = wye.model "a/good", wye.model "a/mini"\n'
const route = (rule, options = '') => `${models}local function rule(req)\n${rule}\nend
return function(req)
  wye.shadow(rule, req${options})
  return good, "primary"
end
`
const files = {
  'rules/v1.lua': `${models}return function() return good, "v1" end\n`,
  'rules/v2.lua': `${models}return function() return mini, "v2" end\n`,
  'rules/v3.lua': `${models}return function(req)\n  if #req.prompt > 10 then return { mini, good }, "long" end\n  return good, "short"\nend\n`,
  // As the reference has it, but for the rate.
  'trial.lua': `local trial = wye.experiment("short-prompts-to-mini", {
  unit = "user", metric = "task_ok", guard = { "cost", "latency" },
  { "v1", 90, require "rules.v1" },
  { "v2", 10, require "rules.v2" },
})
local v3 = require "rules.v3"

return function(req)
  wye.shadow(v3, req, { rate = 0.05 })
  return trial(req)
end
`,
  'always.lua': `${models}local v3 = require "rules.v3"
return function(req)
  wye.shadow(v3, req, { rate = 1 })
  return good, "primary"
end
`,
  'raises.lua': route('  error("not here")'),
  'loops.lua': route('  while true do end'),
  'grows.lua': route('  return good, ("x"):rep(40e6)'),
  'asks.lua': route('  local reply = mini:ask(req)\n  return reply'),
  'gathers.lua': route('  wye.gather({ good, mini }, req)\n  return mini'),
  'nothing.lua': route('  return'),
  'writes.lua': route('  wye.kv.set("seen", "yes")\n  wye.note("boo")\n  wye.metric("m", 1)\n  wye.shadow(function() return mini end, req)\n  return good'),
  'reads.lua': `${models}return function(req) return good, tostring(wye.kv.get("seen")) end\n`,
  'keeps.lua': `${models}local kept\nreturn function(req)
  wye.shadow(function(mine)
    local old, raised = kept, "first"
    if old then raised = select(2, pcall(function() return old.prompt end)) end
    kept = mine
    return good, raised
  end, req)
  return good, "primary"
end
`,
  'misuse.lua': `${models}return function(req)\n  wye.shadow(function() return good end, req, { rat = 1 })\n  return good\nend\n`,
  'broken.lua': route('  return good, "shadow"').replace('return good, "primary"', 'error("the route itself")'),
}

let up, w
before(async () => {
  up = await upstream({ good: replies.chat('well'), mini: replies.chat('quick') })
  const made = project(up, ['a/good', 'a/mini'], files)
  made['wye.lua'] = made['wye.lua'].replace('direct = true', 'direct = true, limits = { script_mb = 16 }')
  w = await serve(made, { args: ['--skip', 'check'] })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

async function decide(name, content = 'hello', more = {}) {
  const reply = await chat(w, { model: `wye/${name}`, messages: question(content), ...more })
  assert.equal(reply.status, 200, reply.text)
  const id = reply.headers['x-wye-id']
  return { reply, id, record: await w.decision(id) }
}

async function shadow_of(id) {
  return until(`the shadow of ${id}`, async () => (await w.decision(id)).shadows[0])
}

async function metric(name) {
  const { text } = await w.ask('/metrics')
  return Number(text.match(new RegExp(`^${name} (\\d+)`, 'm'))[1])
}

test('a shadow tells model, reason and line of what it would have done, and whether that differs', async () => {
  const same = await decide('always', 'short')
  const one = await shadow_of(same.id)
  assert.equal(one.differs, false)
  assert.equal(one.reason, 'short')
  assert.equal(one.returned, 'routes/rules/v3.lua:4')
  assert.equal(one.line, 'routes/always.lua:4')
  assert.equal(one.decision, 'a/good')
  const other = await decide('always', 'a long question', { stream: true })
  const two = await shadow_of(other.id)
  assert.equal(two.differs, true)
  assert.equal(two.primary, 'a/good')
  assert.equal(two.decision, 'a/mini, a/good')
  assert.equal(two.returned, 'routes/rules/v3.lua:3')
  assert.ok(two.script_us >= 0)
  assert.match(two.rule, /^[0-9a-f]{16}$/)
  assert.equal(two.rule, one.rule)
  assert.equal(other.record.served, 'a/good')
  assert.equal(other.record.attempts.length, 1, 'the shadow calls nobody')
})

test('a shadow is part of its decision: it is found by it, and counts for nothing beside', async () => {
  const before = (await w.trace()).length
  const { id } = await decide('always', 'a question that is long')
  await shadow_of(id)
  assert.equal((await w.trace()).length, before + 1)
  assert.deepEqual((await w.trace('-q', `id == "${id}" and shadow.differs == true`)).map((d) => d.id), [id])
  assert.equal((await w.trace('-q', `id == "${id}" and shadow.differs == false`)).length, 0)
  const top = JSON.parse((await w.cli('top', '--by', 'shadow.differs', '-q', `id == "${id}"`, '--json')).stdout)
  assert.deepEqual(top.rows.map((row) => [row.value, row.count]), [['true', 1]])
  const { stdout } = await w.cli('why', id)
  assert.match(stdout, /Shadows\n  routes\/always\.lua:4: otherwise: a\/mini, a\/good, long, at routes\/rules\/v3\.lua:3/)
})

test('every protocol has its shadow', async () => {
  const body = { model: 'wye/always', max_tokens: 10, messages: question('a long question') }
  const reply = await chat(w, body, { path: '/v1/messages' })
  assert.equal(reply.status, 200, reply.text)
  assert.equal((await shadow_of(reply.headers['x-wye-id'])).reason, 'long')
})

test('the reference example runs, a twentieth of it in the shadow', async () => {
  const ran = await metric('wye_shadows_total')
  const asked = 1500
  for (let i = 0; i < asked; i += 50)
    await Promise.all([...Array(50)].map((_, k) => chat(w, { model: 'wye/trial', user: `u${i + k}`, messages: question() })))
  const noted = await metric('wye_shadows_total') + (await metric('wye_shadows_dropped_total')) - ran
  assert.ok(noted > asked * 0.02 && noted < asked * 0.09, `${noted} of ${asked}`)
})

for (const [name, error] of [['raises', /raises\.lua:3: not here/], ['loops', /ran longer than 5 ms/], ['grows', /memory/], ['nothing', /returned nothing|no decision|returned/]])
  test(`a shadow that ${name} fails alone`, async () => {
    const failed = await metric('wye_shadows_failed_total')
    const { reply, id, record } = await decide(name)
    assert.equal(reply.json.choices[0].message.content, 'well')
    assert.equal(record.cause, 'script')
    assert.equal(record.error, null)
    const shadow = await shadow_of(id)
    assert.match(shadow.error, error)
    assert.equal(shadow.differs, true)
    assert.equal(await metric('wye_shadows_failed_total'), failed + 1)
  })

for (const [name, asks] of [['asks', 1], ['gathers', 2]])
  test(`what a shadow that ${name} would ask is counted, and nobody is called`, async () => {
    const calls = up.calls.length
    const { id } = await decide(name)
    const shadow = await shadow_of(id)
    assert.equal(shadow.asks, asks)
    assert.equal(shadow.differs, null)
    assert.equal(shadow.decision, null)
    assert.equal((await w.decision(id)).attempts.length, 1)
    assert.equal(up.calls.length, calls + 1, 'only the answer')
  })

test('a shadow has no hands', async () => {
  const { id, record } = await decide('writes')
  assert.equal((await shadow_of(id)).error, null)
  assert.deepEqual(record.notes, [])
  assert.equal((await decide('reads')).record.reason, 'nil')
  assert.equal((await w.decision(id)).shadows.length, 1, 'none of its own')
})

test('a request that a shadow kept is dead in the next', async () => {
  await shadow_of((await decide('keeps')).id)
  assert.match((await shadow_of((await decide('keeps')).id)).reason, /request that has ended/)
})

test('a misspelt option is a script error by name, a failing route has its shadow too', async () => {
  const { record } = await decide('misuse')
  assert.equal(record.cause, 'script_error')
  assert.match(record.error, /misuse\.lua:3.*rat.*rate/)
  const { id } = await decide('broken')
  const shadow = await shadow_of(id)
  assert.match(shadow.primary, /script_error: .*the route itself/)
  assert.equal(shadow.decision, 'a/good')
})

test('a flood of shadows that loop takes a tenth of the worker, drops the rest, and no request fails', async () => {
  const dropped = await metric('wye_shadows_dropped_total')
  const began = Date.now()
  const times = []
  for (let i = 0; i < 10; i++)
    await Promise.all([...Array(30)].map(async () => {
      const from = performance.now()
      assert.equal((await chat(w, { model: 'wye/loops', messages: question() })).status, 200)
      times.push(performance.now() - from)
    }))
  assert.ok(Date.now() - began < 8000, `${Date.now() - began} ms for 300 requests, each with a shadow of 50 ms`)
  assert.ok((await metric('wye_shadows_dropped_total')) > dropped)
  times.sort((a, b) => a - b)
  assert.ok(times[150] < 500, `median ${times[150]} ms`)
  assert.equal((await w.workers())[0].restarts, 0)
})

test('a server that stops drops the shadows that wait', async () => {
  await w.stop()
  assert.equal(w.child.exitCode, 0)
})
