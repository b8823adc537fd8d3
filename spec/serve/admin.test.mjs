// The control API: what it tells, and whom it refuses.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

let up, w
before(async () => {
  up = await upstream({ good: replies.chat('fine'), bad: replies.status(500) })
  w = await serve(project(up, ['a/good', 'b/bad'], { 'two.lua': 'return function() return { wye.model "b/bad", wye.model "a/good" } end\n' }), { workers: 2 })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

// fetch sets Host and Origin itself, so these go by node:http.
function ask(path, headers, method = 'GET') {
  const { hostname, port } = new URL(`http://${w.admin}`)
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, headers }, (reply) => {
      reply.resume()
      reply.on('end', () => resolve(reply.statusCode))
    })
    sent.on('error', reject)
    sent.end()
  })
}

test('health, ready, status', async () => {
  assert.equal((await w.ask('/health')).status, 200)
  assert.equal((await w.ask('/ready')).status, 200)
  const status = await w.status()
  assert.equal(status.ready, true)
  assert.equal(status.pid, w.child.pid)
  assert.equal(status.workers.length, 2)
  assert.deepEqual(status.workers.map((worker) => worker.state), ['serving', 'serving'])
  assert.match((await w.cli('status')).stdout, /generation/)
})

test('a decision by its id, as the trace has it', async () => {
  const reply = await chat(w, { model: 'wye/two', messages: question() })
  const { json } = await w.ask(`/decisions/${reply.headers['x-wye-id']}`)
  assert.deepEqual(json, await w.decision(reply.headers['x-wye-id']))
  assert.equal(json.cause, 'failover')
  assert.equal((await w.ask('/decisions/no-such-id')).status, 404)
})

test('why tells the story under the source lines', async () => {
  const reply = await chat(w, { model: 'wye/two', messages: question() })
  const { code, stdout } = await w.cli('why', reply.headers['x-wye-id'])
  assert.equal(code, 0)
  for (const words of ['two.lua', '1 | return function', 'return { wye.model "b/bad"', 'b/bad', 'server_error', 'a/good', 'failover']) assert.ok(stdout.includes(words), `${words} in:\n${stdout}`)
})

test('metrics are Prometheus text and count', async () => {
  const total = async () => {
    const { text, status } = await w.ask('/metrics')
    assert.equal(status, 200)
    for (const line of text.split('\n').filter(Boolean))
      assert.match(line, /^(# (HELP|TYPE|UNIT) \S+ .*|# EOF|[a-z_:][a-z0-9_:]*(\{[^}]*\})? [-+0-9.eE]+|.*(NaN|Inf))$/)
    const lines = text.match(/^wye_requests_total(\{[^}]*\})? (\d+)/gm) ?? []
    return lines.reduce((sum, line) => sum + Number(line.split(' ').pop()), 0)
  }
  const before = await total()
  for (let i = 0; i < 5; i++) await chat(w, { model: 'auto', messages: question() })
  assert.equal(await total(), before + 5)
})

test('Host and Origin are checked', async () => {
  assert.equal(await ask('/status', { host: w.admin }), 200)
  assert.equal(await ask('/status', { host: 'localhost' }), 200)
  assert.equal(await ask('/status', { host: 'evil.example' }), 403)
  assert.equal(await ask('/status', { host: w.admin, origin: 'http://evil.example' }), 403)
  assert.equal(await ask('/reload', { host: 'evil.example' }, 'POST'), 403)
  assert.equal(await ask('/reload', { host: w.admin, origin: `http://${w.admin}` }, 'POST'), 200)
})

test('wrong methods and paths', async () => {
  assert.equal(await ask('/reload', {}), 405)
  assert.equal(await ask('/nowhere', {}), 404)
})

test('the control API is not on the data port', async () => {
  for (const path of ['/status', '/metrics', '/reload', '/generations/1']) {
    assert.equal((await fetch(`${w.url}${path}`)).status, 404)
    assert.notEqual((await fetch(`${w.url}${path}`, { method: 'POST' })).status, 200)
  }
})
