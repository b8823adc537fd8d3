// POST /v1/feedback over workers, keys and restarts: whose decision it is, that a metric scores it once, and that old ones are found by the thousand.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { closeSync, mkdirSync, openSync, readdirSync, rmdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { chat, question } from '../support/client.mjs'
import { until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { place, serve } from '../support/wye.mjs'

const route = `local m = wye.model "a/good"
return {
  route = function(req) wye.metric("words", #req.prompt) return m, "plain" end,
  after = function(outcome) wye.metric("fast", outcome.ms < 60000) end,
}
`

let up
before(async () => { up = await upstream({ good: replies.chat('well') }) })
after(() => up?.stop())

const begin = (options) => serve(project(up, ['a/good'], { 'route.lua': route }), options)
const bearer = (secret) => (secret ? { authorization: `Bearer ${secret}` } : {})

async function decide(w, secret, body = { model: 'auto', messages: question('hello') }) {
  const reply = await chat(w, body, { headers: { connection: 'close', ...bearer(secret) } })
  return reply.headers['x-wye-id']
}

const score = (w, id, metric, secret) =>
  chat(w, { id, metric, value: 1 }, { path: '/v1/feedback', headers: { connection: 'close', ...bearer(secret) } })
const status = async (...args) => (await score(...args)).status

async function restart(w, options) {
  await w.stop()
  return serve({ home: w.home, dir: w.dir }, options)
}

async function add_key(w, name) {
  const { stdout } = await w.cli('key', 'add', name, '--state', join(w.home, 'state'))
  return /wye_\w+/.exec(stdout)[0]
}

// `work` of each of them, so many at once.
async function each(items, at_once, work) {
  const left = [...items]
  const results = []
  await Promise.all(Array.from({ length: at_once }, async () => {
    while (left.length) results.push(await work(left.pop()))
  }))
  return results
}

const kinds = (statuses) => Object.fromEntries([...new Set(statuses)].sort().map((s) => [s, statuses.filter((t) => t === s).length]))

test('only the key that made a decision scores it; to others it is none', async () => {
  let w = await begin({ workers: 2 })
  const nobodys = await decide(w)
  const [alice, bob] = [await add_key(w, 'alice'), await add_key(w, 'bob')]
  const mine = await decide(w, alice)
  const unknown = await score(w, `00000000000${mine.slice(-2)}`, 'ok', bob)
  for (let i = 0; i < 4; i++) {
    const reply = await score(w, mine, 'ok', bob)
    assert.equal(reply.status, 404)
    assert.equal(reply.text.replaceAll(mine, 'ID'), unknown.text.replaceAll(`00000000000${mine.slice(-2)}`, 'ID'), 'as an id that never was')
  }
  const refused = await decide(w, alice, { model: 'auto', messages: 'none' })
  assert.deepEqual([await status(w, refused, 'ok', bob), await status(w, refused, 'ok', alice)], [404, 200], 'a refused request, too')
  assert.deepEqual([await status(w, mine, 'ok', alice), await status(w, mine, 'ok', alice)], [200, 409])
  assert.equal(await status(w, nobodys, 'ok', bob), 200)
  assert.equal((await w.decision(mine)).key, 'alice')
  w = await restart(w)
  assert.equal(await status(w, mine, 'later', bob), 404)
  assert.equal(await status(w, mine, 'later', alice), 200)
  assert.deepEqual([await status(w, mine, 'ok', bob), await status(w, mine, 'ok', alice)], [404, 409])
  assert.equal(await status(w, nobodys, 'later', bob), 200)
  await w.stop()
})

test('of many that come at once to four workers one is taken', async () => {
  const w = await begin({ workers: 4 })
  const ids = await each(Array(60).keys(), 4, () => decide(w))
  for (const id of ids) {
    const statuses = await Promise.all(Array.from({ length: 6 }, () => status(w, id, 'ok')))
    assert.deepEqual(kinds(statuses), { 200: 1, 409: 5 })
  }
  await w.stop()
})

test('what was scored stays scored: by wye.metric, by another worker, before a restart', async () => {
  let w = await begin({ workers: 2 })
  const id = await decide(w)
  assert.deepEqual([await status(w, id, 'words'), await status(w, id, 'fast')], [409, 409], 'wye.metric said it')
  assert.equal(await status(w, id, 'ok'), 200)
  w = await restart(w, { workers: 3 })
  for (const metric of ['ok', 'words', 'fast']) assert.equal(await status(w, id, metric), 409, metric)
  const { feedback } = await w.decision(id)
  assert.deepEqual(feedback.map((f) => f.metric).sort(), ['fast', 'ok', 'words'])
  assert.equal(feedback.find((f) => f.metric === 'words').value, 5)
  await w.stop()
})

test('a nightly upload of old decisions is taken whole, in any order', async () => {
  let w = await begin({ workers: 2 })
  const ids = await each(Array(1500).keys(), 8, () => decide(w))
  w = await restart(w, { workers: 2 })
  const backwards = (id) => [...id].reverse().join('')
  ids.sort((a, b) => (backwards(a) < backwards(b) ? -1 : 1))
  assert.deepEqual(kinds(await each(ids, 8, (id) => status(w, id, 'ok'))), { 200: 1500 })
  assert.deepEqual(kinds(await each(ids.slice(0, 100), 8, (id) => status(w, id, 'ok'))), { 409: 100 })
  await w.stop()
})

test('a decision in a file of a newer wye is not said to be deleted', async () => {
  let w = await begin()
  const id = await decide(w)
  await w.stop()
  const [name] = readdirSync(join(w.home, 'trace')).filter((file) => file.endsWith('.seg'))
  const file = openSync(join(w.home, 'trace', name), 'r+')
  writeSync(file, Buffer.from([2, 0, 0, 0]), 0, 4, 8) // the version, behind the magic
  closeSync(file)
  w = await serve({ home: w.home, dir: w.dir })
  const reply = await score(w, id, 'ok')
  assert.equal(reply.status, 404)
  assert.match(reply.json.error.message, new RegExp(`There is no decision '${id}' in what can be read of the trace\\. It may lie in ${name}: written by a newer wye: version 2`))
  assert.doesNotMatch(reply.json.error.message, /no longer|\/trace/)
  const fresh = await decide(w)
  assert.equal(await status(w, fresh, 'ok'), 200)
  await w.stop()
})

test('a score that cannot be kept is not acknowledged', async () => {
  const where = place(project(up, ['a/good'], { 'route.lua': route }))
  const blocked = join(where.home, 'trace', 'scored')
  mkdirSync(blocked, { recursive: true })
  const w = await serve(where)
  const id = await decide(w)
  const reply = await score(w, id, 'ok')
  assert.equal(reply.status, 503)
  assert.match(reply.json.error.message, /no room for the score/)
  assert.deepEqual((await w.decision(id)).feedback.map((f) => f.metric), ['words', 'fast'], 'a route is not bothered with it')
  assert.match((await w.ask('/metrics')).text, /^wye_feedback_total\{result="failed"\} 1$/m)
  rmdirSync(blocked)
  await until('room', async () => (await status(w, id, 'ok')) === 200)
  await w.stop()
})
