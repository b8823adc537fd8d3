// wye.kv: one store for all workers, which a reload and the death of a worker leave alone.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { until } from '../support/process.mjs'
import { cli, place, serve } from '../support/wye.mjs'

// Each route says what it found as its reason.
const routes = {
  'count.lua': 'local m = wye.model "a/good"\nreturn function() return m, tostring(wye.kv.add("n")) end\n',
  'set.lua': `local m = wye.model "a/good"
return function(req)
  wye.kv.set("text", "a\\0b") wye.kv.set("number", 1.5) wye.kv.set("no", false) wye.kv.set("brief", "x", { ttl = 0.2 })
  return m, "set"
end
`,
  'get.lua': `local m = wye.model "a/good"
return function()
  return m, table.concat({ #(wye.kv.get("text") or ""), tostring(wye.kv:get("number")), tostring(wye.kv.get("no")), tostring(wye.kv.get("brief")) }, " ")
end
`,
}

const misuses = {
  'wrong.lua': 'local m = wye.model "a/good"\nreturn function(req) wye.kv.set(req.prompt, {}) return m end\n',
  'long.lua': 'local m = wye.model "a/good"\nreturn function(req) wye.kv.get(("k"):rep(257)) return m end\n',
  'near.lua': 'local m = wye.model "a/good"\nreturn function(req) wye.kv.gte("x") return m end\n',
}

let up, w
before(async () => {
  up = await upstream({ good: replies.chat('well') })
  w = await serve(project(up, ['a/good'], routes), { workers: 2 })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

async function reason(model, at = w) {
  const reply = await chat(at, { model: `wye/${model}`, messages: question() }, { headers: { connection: 'close' } })
  const record = await at.decision(reply.headers['x-wye-id'])
  return record.error ?? record.reason
}

test('adding from many requests at once loses nothing, whichever worker serves', async () => {
  const workers = new Set()
  await Promise.all(Array.from({ length: 100 }, async () => {
    const reply = await chat(w, { model: 'wye/count', messages: question() }, { headers: { connection: 'close' } })
    workers.add(reply.headers['x-wye-id'].slice(-2))
  }))
  assert.equal(workers.size, 2, 'both workers served')
  assert.equal(await reason('count'), '101')
})

test('strings, numbers and booleans come back as they were, until their life ends', async () => {
  assert.equal(await reason('set'), 'set')
  assert.match(await reason('get'), /^3 1\.5 false /)
  await until('the end of a life', async () => (await reason('get')) === '3 1.5 false nil')
})

test('it outlives a reload and every worker', async () => {
  const n = Number(await reason('count'))
  w.write({ 'route.lua': 'return function() return wye.model "a/good", "anew" end\n' })
  assert.equal((await w.cli('reload')).code, 0)
  assert.equal(await reason('count'), String(n + 1))
  const old = (await w.workers()).map((worker) => worker.pid)
  for (const pid of old) w.kill(pid)
  await until('other workers', async () => (await w.workers()).every((worker) => !old.includes(worker.pid) && worker.state === 'serving'))
  assert.equal(await reason('count'), String(n + 2))
})

test('misuse raises in words', async () => {
  const careless = await serve(project(up, ['a/good'], misuses))
  assert.match(await reason('wrong', careless), /wrong\.lua:2: wye\.kv\.set: a value is a string, a number or a boolean, not a table/)
  assert.match(await reason('long', careless), /long\.lua:2: wye\.kv: a key has 1 to 256 bytes/)
  assert.match(await reason('near', careless), /unknown field 'gte' of wye\.kv \(did you mean 'get'\?\)/)
  await careless.stop()
})

test('wye check knows it', async () => {
  const { dir } = place(project(up, ['a/good'], { 'count.lua': routes['count.lua'] }))
  const good = await cli(['check', dir])
  assert.equal(good.code, 0, good.stdout + good.stderr)
})

test('/metrics counts the entries', async () => {
  const { text } = await w.ask('/metrics')
  assert.ok(Number(/^wye_kv_entries (\d+)$/m.exec(text)[1]) >= 4)
  assert.match(text, /^wye_kv_evictions_total 0$/m)
})
