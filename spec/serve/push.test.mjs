// export --to: spans to a strict collector, through its outages and our own.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { collector } from '../support/otlp.mjs'
import { WYE, start, stop, until } from '../support/process.mjs'
import { serve } from '../support/wye.mjs'

const PROJECT = { 'wye.lua': 'return { models = { ["sim/fast"] = {} }, default = "sim/fast" }\n', 'route.lua': 'return function() return wye.model "sim/fast" end\n' }
const send = async (w) => (await chat(w, { model: 'auto', messages: question() })).headers['x-wye-id']
const push = (w, to, env = {}) => start(WYE, ['export', '--as', 'otlp', '--to', to, '-f', '--admin', w.admin], { env })

test('every decision arrives once: over a busy collector, an outage, a kill and a last flush', async () => {
  const w = await serve(PROJECT, { demo: true })
  const ids = [await send(w), await send(w)]
  const up = await collector({ answer: (n) => (n === 1 ? { status: 503, headers: { 'retry-after': '1' } } : undefined) })
  const first = push(w, up.url, { OTEL_EXPORTER_OTLP_HEADERS: 'x-team=green,authorization=Bearer t0k' })
  await until('the first spans', () => up.ids().length === 2)
  const { method, path, headers } = up.requests[1]
  assert.deepEqual([method, path, headers['content-type'], headers['x-team'], headers.authorization], ['POST', '/v1/traces', 'application/json', 'green', 'Bearer t0k'])

  await up.stop()
  ids.push(await send(w))
  await until('a word about the outage', () => /no server at .*trying again/.test(first.said))
  const back = await collector({ port: up.port })
  await until('what waited', () => back.ids().length === 1)
  await stop(first, 'SIGKILL')

  ids.push(await send(w))
  const second = push(w, `${back.url}/v1/traces`)
  await until('what came meanwhile', () => back.ids().includes(ids[3]))
  ids.push(await send(w))
  assert.deepEqual(await stop(second), { code: 0, signal: null }, second.said)
  const got = [...up.ids(), ...back.ids()]
  assert.deepEqual([...new Set(got)].sort(), [...ids].sort())
  assert.ok(got.length - ids.length <= 1, 'only a batch whose reply the killed one did not see may come again')
  assert.deepEqual([...up.problems, ...back.problems], [])
  assert.match(second.said, /\d+ spans sent, 0 dropped, 0 not sent/)
  await back.stop()
  await w.stop()
})

test('what a collector refuses for good is counted, not repeated', async () => {
  const w = await serve(PROJECT, { demo: true })
  await send(w)
  const up = await collector({ answer: (n) => (n === 1 ? { status: 400, body: 'no such tenant' } : { status: 200, body: '{"partialSuccess":{"rejectedSpans":"1"}}' }) })
  const refused = await w.cli('export', '--as', 'otlp', '--to', up.url)
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /refused 2 spans with 400: no such tenant/)
  assert.match(refused.stderr, / 0 spans sent, 2 dropped/)
  const partly = await w.cli('export', '--as', 'otlp', '--to', up.url)
  assert.match(partly.stderr, / 1 spans sent, 1 dropped/)
  assert.equal(up.requests.length, 2)
  assert.equal((await w.cli('export', '--as', 'otlp', '--to', 'collector:4318')).code, 2)
  assert.equal((await w.cli('export', '-f')).code, 2)
  await up.stop()
  await w.stop()
})
