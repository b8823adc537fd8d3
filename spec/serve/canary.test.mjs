// A canary: another generation for a share of units. Sticky, ramped, called off, taken back by itself, and still there after a crash and a restart.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { cli, place, serve } from '../support/wye.mjs'

const route = (model, reason) => `local m = wye.model "a/${model}"\nreturn function() return m, "${reason}" end\n`
const raising = 'local m = wye.model "a/good"\nreturn function(req)\n  if (req.user or ""):find("^u%d") then error("not today") end\n  return m\nend\n'
const models = ['a/good', 'a/slow', 'a/broken', 'a/dear']

let up, w
before(async () => {
  up = await upstream({ good: replies.chat('well'), slow: replies.chat('well', { gap: 120 }), broken: replies.status(500) })
})
after(() => up?.stop())
beforeEach(async () => (w = await start()))
afterEach(() => w?.stop())

function files(text) {
  const made = project(up, models, { 'route.lua': text })
  made['wye.lua'] = made['wye.lua'].replace('["a/dear"] = { price = { input = 1, output = 2 } }', '["a/dear"] = { price = { input = 10, output = 20 } }')
  return made
}

function start(options = {}) {
  return serve(place(files(route('good', 'first'))), { workers: 2, ...options })
}

// The next generation, loaded beside the live one.
async function load(text, at = w) {
  at.write({ 'route.lua': text })
  const { code, stdout, stderr } = await at.cli('load', '--json')
  assert.equal(code, 0, stdout + stderr)
  return JSON.parse(stdout)
}

async function percent(id, share, at = w) {
  const { code, stdout, stderr } = await at.cli('use', String(id), '--percent', String(share))
  assert.equal(code, 0, stdout + stderr)
}

async function generation_of(user, at = w) {
  const reply = await chat(at, { model: 'auto', user, messages: question() }, { headers: { connection: 'close' } })
  assert.equal(reply.status, 200, reply.text)
  return Number(reply.headers['x-wye-generation'])
}

const takes = (hash, user, share) =>
  Number.parseInt(createHash('sha1').update(`${hash.slice(0, 16)}.arm.${user}`).digest('hex').slice(0, 13), 16) / 2 ** 52 >= 1 - share

async function all_of(users, at = w) {
  const served = {}
  await Promise.all(users.map(async (user) => (served[user] = await generation_of(user, at))))
  return served
}

const users = [...Array(60)].map((_, i) => `user-${i}`)

async function canary(at = w) {
  return (await at.status()).canary
}

// Requests of many users until the canary is over.
async function until_over(at = w) {
  let i = 0
  await until('the canary is over', async () => {
    await Promise.all([...Array(20)].map(() => chat(at, { model: 'auto', user: `u${i++}`, messages: question() })))
    return (await canary(at)).state !== 'running'
  }, 60000)
  return canary(at)
}

test('users get the generation that the hash says, ramps move them only forward, and use ends it', async () => {
  const { generation, hash } = await load(route('good', 'second'))
  assert.deepEqual(new Set(Object.values(await all_of(users))), new Set([1]), 'loading changes nothing')
  let before = {}
  for (const share of [10, 50, 75]) {
    await percent(generation, share)
    const served = await all_of(users)
    for (const user of users) {
      assert.equal(served[user], takes(hash, user, share / 100) ? generation : 1, `${user} at ${share} %`)
      assert.ok(!(before[user] === generation && served[user] === 1), `${user} moved back`)
    }
    before = served
  }
  const now = await canary()
  assert.equal(now.state, 'running')
  assert.equal(now.percent, 75)
  assert.equal(now.sides[0].requests + now.sides[1].requests, 3 * users.length)
  assert.ok(now.sides[1].requests > users.length && now.sides[1].p95_ms > 0 && now.sides[1].usd_per_request > 0, JSON.stringify(now))
  const { stdout } = await w.cli('status')
  assert.match(stdout, /canary: generation 2 \([0-9a-f]{12}\) at 75 % of units, running/)
  const smaller = await w.cli('use', '2', '--percent', '20')
  assert.equal(smaller.code, 1)
  assert.match(smaller.stderr, /75 %.*only moves units forward.*wye rollback/)
  assert.equal((await w.cli('drop', '2')).code, 1, 'a canary cannot be dropped')
  assert.equal((await w.cli('use', '2')).code, 0)
  assert.deepEqual(new Set(Object.values(await all_of(users))), new Set([2]))
  assert.equal((await canary()).state, 'ended')
})

test('without a user the conversation is the unit, and without anything each request', async () => {
  const { generation } = await load(route('good', 'second'))
  await percent(generation, 50)
  const ask = async (headers = {}) => Number((await chat(w, { model: 'auto', messages: question() }, { headers })).headers['x-wye-generation'])
  for (const talk of ['a', 'b', 'c', 'd', 'e', 'f']) {
    const first = await ask({ 'x-wye-conversation': talk })
    for (let i = 0; i < 5; i++) assert.equal(await ask({ 'x-wye-conversation': talk }), first)
  }
  const seen = new Set()
  for (let i = 0; i < 60; i++) seen.add(await ask())
  assert.equal(seen.size, 2)
})

test('rollback, use of the live one and a reload each end a canary; the trace says who served', async () => {
  const { generation } = await load(route('good', 'second'))
  for (const [args, reason] of [[['rollback'], /called off/], [['use', '1'], /called off/]]) {
    await percent(generation, 100)
    assert.equal(await generation_of('somebody'), generation)
    assert.equal((await w.trace('-n', '1'))[0].generation, generation)
    assert.equal((await w.cli(...args)).code, 0)
    assert.equal(await generation_of('somebody'), 1)
    assert.match((await canary()).reason, reason)
  }
  await percent(generation, 100)
  w.write({ 'route.lua': 'return function(' })
  assert.equal((await w.cli('reload')).code, 1)
  assert.equal((await canary()).state, 'running', 'a refused reload changes nothing')
  w.write({ 'route.lua': route('good', 'third') })
  assert.equal((await w.cli('reload')).code, 0)
  assert.match((await canary()).reason, /ended by the change to generation 3/)
  assert.equal(await generation_of('somebody'), 3)
})

test('what cannot be a canary is refused in words', async () => {
  for (const [args, code, words] of [
    [['use', '1', '--percent', '10'], 1, /generation 1 is live/],
    [['use', '9', '--percent', '10'], 1, /generation 9 is not loaded/],
    [['use', '1', '--percent', '0'], 2, /over 0/],
    [['use', '1', '--percent', '101'], 2, /from 0 to 100/],
    [['use', '1', '--percent', 'ten'], 2, /from 0 to 100/],
  ]) {
    const run = await w.cli(...args)
    assert.equal(run.code, code, args.join(' '))
    assert.match(run.stderr, words)
  }
  for (const bad of ['', '0', '-1', '101', 'x', '1e999'])
    assert.equal((await w.ask(`/use/1?percent=${bad}`, { method: 'POST' })).status, 400, bad)
  await load(route('good', 'second'))
  await load(route('good', 'third'))
  await percent(2, 10)
  const other = await w.cli('use', '3', '--percent', '10')
  assert.equal(other.code, 1)
  assert.match(other.stderr, /generation 2 is the canary/)
  const guard = await cli(['serve', w.dir, '--guard', 'latncy=3'])
  assert.equal(guard.code, 2)
  assert.match(guard.stderr, /did you mean 'latency'/)
})

for (const [what, text, reason] of [
  ['script errors', raising, /^script errors in 100\.0 % of \d+ requests, 0\.0 %/],
  ['errors', route('broken', 'broken'), /^errors in 100\.0 % of \d+ requests, 0\.0 %/],
  ['latency', route('slow', 'slow'), /^p95 of 1\d\d\.\d ms/],
  ['cost', route('dear', 'dear'), /US dollars a request/],
])
  test(`${what} beyond the guard bring all units back, and the reason is told`, async () => {
    const { generation, hash } = await load(text)
    await percent(generation, 50)
    const over = await until_over()
    assert.equal(over.state, 'stepped back')
    assert.match(over.reason, reason)
    assert.ok(over.sides[1].requests >= 50)
    for (const user of users.slice(0, 10)) assert.equal(await generation_of(user), 1)
    const kept = JSON.parse(readFileSync(join(w.home, 'state', 'canary'), 'utf8'))
    assert.equal(kept.hash, hash)
    assert.equal(kept.reason, over.reason)
    assert.match((await w.cli('status')).stdout, /stepped back: /)
  })

test('a guard that is off, or wide, lets it go on', async () => {
  const wide = await start({ args: ['--guard', 'latency=5000,cost=off,errors=off,script_errors=off'] })
  await load(route('dear', 'dear'), wide)
  await percent(2, 50, wide)
  await until('enough requests', async () => {
    await all_of(users, wide)
    const { sides } = await canary(wide)
    return sides[0].served > 60 && sides[1].served > 60
  })
  assert.equal((await canary(wide)).state, 'running')
  await wide.stop()
})

test('workers that die keep their units: the same users, the same generation', async () => {
  const { generation } = await load(route('good', 'second'))
  await percent(generation, 50)
  const before = await all_of(users)
  for (const worker of await w.workers()) w.kill(worker.pid)
  await until('new workers', async () => (await w.workers()).every((worker) => worker.restarts === 1 && worker.state === 'serving'))
  assert.deepEqual(await all_of(users), before)
  assert.equal((await canary()).state, 'running')
})

test('a server that begins again goes on with its canary, and never gives all units to it', async () => {
  const { generation, hash } = await load(route('good', 'second'))
  await percent(generation, 30)
  const before = await all_of(users)
  await w.stop()
  w = await serve(w)
  const now = await canary()
  assert.equal(now.state, 'running')
  assert.equal(now.hash, hash)
  const served = await all_of(users)
  for (const user of users) assert.equal(served[user] === now.generation, before[user] === generation, user)
  w.write({ 'route.lua': route('good', 'first') })
  await w.stop()
  w = await serve(w)
  assert.equal((await canary()).hash, hash, 'the folder may hold either of the two')
  await w.stop()
  w.write({ 'route.lua': route('good', 'third') })
  w = await serve(w)
  assert.match((await canary()).reason, /other files/)
  assert.match((await w.cli('status')).stdout, new RegExp(`canary: ${hash.slice(0, 12)} at 30 % of units, .*other files`), 'without a number: it is not loaded')
  assert.equal((await w.decision((await chat(w, { model: 'auto', messages: question() })).headers['x-wye-id'])).reason, 'third')
})

test('files that were stepped back from are not what a new server begins with', async () => {
  await load(raising)
  await percent(2, 50)
  assert.equal((await until_over()).state, 'stepped back')
  await w.stop()
  w = await serve(w)
  const reply = await chat(w, { model: 'auto', messages: question() })
  assert.equal((await w.decision(reply.headers['x-wye-id'])).reason, 'first')
})
