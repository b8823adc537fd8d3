// POST /v1/feedback and wye.metric: what is taken, what is refused, and that what was acknowledged survives everything.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { join } from 'node:path'
import { chat, question } from '../support/client.mjs'
import { WYE, run, until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const routes = {
  'route.lua': `local m = wye.model "a/good"
return {
  route = function(req) wye.metric("words", #req.prompt) return m, "plain" end,
  after = function(outcome) wye.metric("fast", outcome.ms < 60000) end,
}
`,
  'wrong.lua': 'local m = wye.model "a/good"\nreturn function() wye.metric("a b", 1) return m end\n',
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

async function decide(at = w) {
  const reply = await chat(at, { model: 'auto', messages: question('hello') }, { headers: { connection: 'close' } })
  return reply.headers['x-wye-id']
}

const score = (body, at = w, options = {}) => chat(at, body, { path: '/v1/feedback', ...options, headers: { connection: 'close', ...options.headers } })

async function scores(at = w) {
  const { stdout } = await run(WYE, ['trace', '-g', 'raw', '--json', '--trace', join(at.home, 'trace')])
  return stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line)).filter((e) => e.event === 'score').map((e) => e.fields)
}

const counted = async (result) => Number(new RegExp(`^wye_feedback_total\\{result="${result}"\\} (\\d+)$`, 'm').exec((await w.ask('/metrics')).text)[1])

test('a score is in the trace when it is acknowledged, from any worker, once', async () => {
  const id = await decide()
  for (let i = 0; i < 4; i++) {
    const reply = await score({ id, metric: `m${i}`, value: i / 2 })
    assert.deepEqual([reply.status, reply.json], [200, { ok: true }])
  }
  assert.equal((await score({ id, metric: 'ok', value: true })).status, 200)
  const mine = (await scores()).filter((s) => s.id === id && !['words', 'fast'].includes(s.metric))
  assert.deepEqual(mine.map((s) => [s.metric, s.value]).sort(), [['m0', 0], ['m1', 0.5], ['m2', 1], ['m3', 1.5], ['ok', 1]])
  const again = await score({ id, metric: 'm1', value: 9 })
  assert.equal(again.status, 409)
  assert.match(again.json.error.message, new RegExp(`The decision ${id} has a value of m1 already`))
  assert.equal((await scores()).filter((s) => s.id === id && s.metric === 'm1').length, 1)
  assert.equal(await counted('repeated'), 1)
})

test('wye.metric writes the same from the route and from its after', async () => {
  const id = await decide()
  const mine = (await scores()).filter((s) => s.id === id)
  assert.deepEqual(mine.map((s) => [s.metric, s.value]), [['words', 5], ['fast', 1]])
  const wrong = await chat(w, { model: 'wye/wrong', messages: question() })
  assert.match((await w.decision(wrong.headers['x-wye-id'])).error, /wrong\.lua:2: wye\.metric: a name has 1 to 63 letters/)
})

test('why and the trace show the scores of a decision, from whichever worker took them', async () => {
  const id = await decide()
  for (let i = 0; i < 4; i++) assert.equal((await score({ id, metric: `m${i}`, value: i / 2 })).status, 200)
  const record = await w.decision(id)
  assert.equal(Object.keys(record).at(-1), 'feedback', 'after the others')
  assert.deepEqual(record.feedback.map((f) => [f.metric, f.value]).sort(), [['fast', 1], ['m0', 0], ['m1', 0.5], ['m2', 1], ['m3', 1.5], ['words', 5]])
  assert.ok(record.feedback.every((f) => f.ts >= record.ts))
  const [newest] = await w.trace('-n', '1')
  assert.deepEqual(newest, record)
  assert.deepEqual((await w.trace('-q', `feedback.metric == m3 and feedback.value > 1 and id == "${id}"`)).map((d) => d.id), [id])
  assert.match((await w.cli('why', id)).stdout, /Feedback\n(.*\n)*  m3: 1\.5, at 20/)
  assert.deepEqual(JSON.parse((await w.cli('why', id, '--json')).stdout), record)
  const lines = (await w.cli('export')).stdout.split('\n').filter(Boolean).map((text) => JSON.parse(text))
  assert.deepEqual(lines.find((d) => d.id === id), record)
})

test('an unknown decision is told so and counted', async () => {
  for (const id of ['0000000000000', 'zzz', '', '1k0x1fcbtbc0!', 'zzzzzzzzzzz00']) {
    const reply = await score({ id, metric: 'ok', value: 1 })
    assert.equal(reply.status, 404, id)
    assert.match(reply.json.error.message, /There is no decision/)
  }
  assert.equal(await counted('unknown'), 5)
})

const wrong = {
  'no JSON': ['{"id":', /JSON object/],
  'no id': [{ metric: 'ok', value: 1 }, /id is missing/, 'id'],
  'a number as id': [{ id: 5, metric: 'ok', value: 1 }, /id is a string/, 'id'],
  'no metric': [{ id: 'x', value: 1 }, /metric is missing/, 'metric'],
  'a bad name': [{ id: 'x', metric: 'a b', value: 1 }, /metric is a name/, 'metric'],
  'a number as metric': [{ id: 'x', metric: 7, value: 1 }, /metric is a name/, 'metric'],
  'a metric of wye itself': [{ id: 'x', metric: 'cost', value: 1 }, /metric: error, refused, .* give the score another name/, 'metric'],
  'no value': [{ id: 'x', metric: 'ok' }, /value is missing/, 'value'],
  'a text as value': [{ id: 'x', metric: 'ok', value: '1' }, /value is a finite number/, 'value'],
  'a list as value': [{ id: 'x', metric: 'ok', value: [1] }, /value is a finite number/, 'value'],
  'null as value': [{ id: 'x', metric: 'ok', value: null }, /value is a finite number/, 'value'],
  'an endless value': ['{"id":"x","metric":"ok","value":1e999}', /value is a finite number/, 'value'],
  'no number as value': ['{"id":"x","metric":"ok","value":NaN}', /JSON object/],
}
for (const [what, [body, words, field]] of Object.entries(wrong))
  test(`feedback with ${what} is refused`, async () => {
    const before = await counted('invalid')
    const reply = await score(body)
    assert.equal(reply.status, 400)
    assert.match(reply.json.error.message, words)
    assert.equal(reply.json.error.param, field ?? null)
    assert.equal(await counted('invalid'), before + 1)
  })

test('other methods and long bodies are refused by their heads', async () => {
  assert.equal((await score(undefined, w, { method: 'GET' })).status, 405)
  assert.equal((await score({ id: 'x'.repeat(5000), metric: 'ok', value: 1 })).status, 413)
})

test('clients show their key', async () => {
  const mine = await serve(project(up, ['a/good'], routes))
  const id = await decide(mine)
  const { stdout } = await mine.cli('key', 'add', 'shop', '--state', join(mine.home, 'state'))
  const secret = /wye_\w+/.exec(stdout)[0]
  assert.equal((await score({ id, metric: 'ok', value: 1 }, mine)).status, 401)
  assert.equal((await score({ id, metric: 'ok', value: 1 }, mine, { headers: { authorization: `Bearer ${secret}` } })).status, 200)
  await mine.stop()
})

test('kill -9 loses no acknowledged score, and decisions of an earlier server may be scored', async () => {
  const mine = await serve(project(up, ['a/good'], routes))
  const ids = []
  for (let i = 0; i < 5; i++) ids.push(await decide(mine))
  for (const id of ids) assert.equal((await score({ id, metric: 'ok', value: 1 }, mine)).status, 200)
  const [{ pid }] = await mine.workers()
  mine.kill(pid)
  await until('a successor', async () => (await mine.workers())[0].pid !== pid && (await mine.workers())[0].state === 'serving')
  assert.equal((await score({ id: ids[0], metric: 'ok', value: 0 }, mine)).status, 409, 'scored before the worker died')
  mine.child.kill('SIGKILL')
  await mine.child.ended
  const again = await serve({ home: mine.home, dir: mine.dir })
  assert.equal((await score({ id: ids[0], metric: 'later', value: 1 }, again)).status, 200)
  const all = await scores(again)
  for (const id of ids) assert.equal(all.filter((s) => s.id === id && s.metric === 'ok').length, 1)
  assert.equal(all.filter((s) => s.metric === 'later').length, 1)
  await again.stop()
})
