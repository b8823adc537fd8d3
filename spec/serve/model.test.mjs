// model list, drain, ready: what a server's models are, how they do, and the operator's word over them.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { place, serve } from '../support/wye.mjs'

const ROUTES = {
  'two.lua': 'return function() return { wye.model "b/two", wye.model "a/one" } end\n',
  'only.lua': 'return function() return wye.model "b/two" end\n',
  'ask.lua': `local two, one = wye.model "b/two", wye.model "a/one"
return function(req)
  local reply, err = two:ask(req)
  if reply then return reply, "asked" end
  return one, err.kind .. ": " .. err.message
end
`,
}
const send = (w, model) => chat(w, { model, messages: question() })
const served = async (w, model) => (await send(w, model)).headers['x-wye-model']

let up, at, w
before(async () => {
  up = await upstream({ one: replies.chat('one'), two: replies.chat('two'), bad: replies.status(500) })
  at = place(project(up, ['a/one', 'b/two', 'b/bad'], ROUTES))
  w = await serve(at, { workers: 2 })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

const list = async () => JSON.parse((await w.cli('model', 'list', '--json')).stdout).models
const find = async (id) => (await list()).find((m) => m.id === id)

test('list says what each model is and how it does', async () => {
  await send(w, 'wye/only')
  const model = await find('b/two')
  assert.deepEqual([model.provider, model.kind, model.health, model.drained, model.in_flight, model.duration.calls], ['b', 'openai', 'closed', null, 0, 1])
  assert.ok(model.duration.p95_ms > 0)
  assert.deepEqual((await list()).map((m) => m.id), ['a/one', 'b/bad', 'b/two'])
  const { stdout } = await w.cli('model', 'list')
  assert.match(stdout, /^model .*in flight.*state/)
  assert.match(stdout, /^b\/two +openai .* closed/m)
})

test('a model that fails is shown open, with since when', async () => {
  w.write({ 'bad.lua': 'return function() return wye.model "b/bad" end\n' })
  assert.equal((await w.cli('reload')).code, 0)
  for (let i = 0; i < 5; i++) await send(w, 'wye/bad')
  const model = await find('b/bad')
  assert.ok(['open', 'half-open'].includes(model.health))
  assert.ok(Date.now() - Date.parse(model.since) < 60000)
})

test('a drained model gets no new attempts, over a reload, a killed worker and a restart', async () => {
  const { code, stdout } = await w.cli('model', 'drain', 'b/two')
  assert.deepEqual([code, stdout], [0, 'b/two takes no new attempts; 0 in flight\n'])
  const reply = await send(w, 'wye/two')
  assert.equal(reply.headers['x-wye-model'], 'a/one')
  const { candidates } = await w.decision(reply.headers['x-wye-id'])
  assert.deepEqual(candidates.find((c) => c.model === 'b/two'), { model: 'b/two', state: 'passed_over', why: 'drained', p: null })

  const alone = await send(w, 'wye/only')
  assert.equal(alone.status, 503)
  assert.equal(alone.json.error.code, 'model_drained')
  assert.match(alone.json.error.message, /b\/two: drained/)
  const asked = await send(w, 'wye/ask')
  assert.equal(asked.headers['x-wye-model'], 'a/one')
  assert.match((await w.decision(asked.headers['x-wye-id'])).reason, /^overloaded: b\/two is drained/)

  assert.match((await w.cli('status')).stdout, /drained: b\/two since 20/)
  assert.match((await w.ask('/metrics')).text, /^wye_model_drained\{model="b\/two"\} 1$/m)
  assert.match((await w.cli('model', 'list')).stdout, /^b\/two .* drained +20/m)

  w.write({ 'more.lua': 'return function() return wye.model "a/one" end\n' })
  assert.equal((await w.cli('reload')).code, 0)
  assert.equal(await served(w, 'wye/two'), 'a/one')
  const pids = (await w.workers()).map((worker) => worker.pid)
  pids.forEach((pid) => w.kill(pid))
  await until('new workers', async () => (await w.workers()).every((worker) => worker.state === 'serving' && !pids.includes(worker.pid)))
  assert.equal(await served(w, 'wye/two'), 'a/one')
  await w.stop()
  w = await serve(at, { workers: 2 })
  assert.equal(await served(w, 'wye/two'), 'a/one')
  assert.ok((await find('b/two')).drained)

  assert.equal((await w.cli('model', 'ready', 'b/two')).stdout, 'b/two takes attempts again\n')
  assert.equal(await served(w, 'wye/two'), 'b/two')
  assert.deepEqual((await w.status()).drained, [])
})

test('all of a provider, with what a reload adds', async () => {
  assert.equal((await w.cli('model', 'drain', 'b/*')).code, 0)
  assert.equal((await send(w, 'wye/only')).status, 503)
  const one = await w.cli('model', 'ready', 'b/two')
  assert.equal(one.code, 1)
  assert.match(one.stderr, /b\/two is drained by b\/\*: `wye model ready 'b\/\*'`/)
  const files = project(up, ['a/one', 'b/two', 'b/bad', 'b/three'], { 'three.lua': 'return function() return { wye.model "b/three", wye.model "a/one" } end\n' })
  w.write({ 'wye.lua': files['wye.lua'], 'three.lua': files['three.lua'] })
  assert.equal((await w.cli('reload')).code, 0)
  assert.equal(await served(w, 'wye/three'), 'a/one')
  assert.match((await w.cli('model', 'drain', 'a/one')).stdout, /Every model is drained now/)
  for (const name of ['b/*', 'a/one']) assert.equal((await w.cli('model', 'ready', name)).code, 0)
  assert.equal(await served(w, 'wye/only'), 'b/two')
})

test('what is in flight finishes', async () => {
  let release
  const held = new Promise((done) => (release = done))
  const calls = up.calls.length
  up.models.two = async (call, out) => (await held, replies.chat('two')(call, out))
  const reply = send(w, 'wye/only')
  await until('the call', () => up.calls.length > calls)
  assert.match((await w.cli('model', 'drain', 'b/two')).stdout, /1 in flight/)
  release()
  assert.equal((await reply).status, 200)
  assert.equal((await find('b/two')).in_flight, 0)
  await w.cli('model', 'ready', 'b/two')
})

test('names that are none', async () => {
  const wrong = await w.cli('model', 'drain', 'b/tow')
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /wye\.lua has no model 'b\/tow' \(did you mean 'b\/two'\?\)/)
  assert.match((await w.cli('model', 'drain', 'bb/*')).stderr, /wye\.lua has no provider 'bb'/)
  assert.equal((await w.cli('model', 'drian', 'b/two')).code, 2)
  assert.equal((await w.cli('model', 'drain')).code, 2)
  assert.equal((await w.ask('/models/drain', { method: 'POST' })).status, 400)
  assert.equal((await w.cli('model', 'ready', 'a/one')).stdout, 'a/one was not drained\n')
})
