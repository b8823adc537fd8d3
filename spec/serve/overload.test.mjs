// More requests than the server or its provider can take: who is let in, what is refused and how fast, and that every place comes back.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { chat, chat_open, question, raw } from '../support/client.mjs'
import { SLOW, until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const PLACES = 10
const SERVICE = 50 * SLOW
const CAPACITY = (PLACES * 1000) / SERVICE // requests a second

// A provider with so many places; who finds none waits in line.
function with_places() {
  const line = []
  let free = PLACES
  return async (call, out) => {
    if (free > 0) free--
    else await new Promise((go) => line.push(go))
    await replies.chat('served', { gap: SERVICE })(call, out)
    if (line.length > 0) line.shift()()
    else free++
  }
}

const limited = (up, limits) => {
  const files = project(up, ['a/good', 'a/slow', 'a/places'])
  files['wye.lua'] = files['wye.lua'].replace('  direct = true,\n', `  direct = true,\n  limits = { ${limits} },\n`)
  return files
}

let up, w, adaptive
before(async () => {
  up = await upstream({ slow: replies.chat('slow and well', { gap: 100 }), places: with_places() })
  w = await serve(limited(up, 'concurrent = 4, body = "1MB", in_flight_mb = 2'), { workers: 2 })
  adaptive = await serve(limited(up, 'adaptive = true'))
})
after(async () => {
  await w?.stop()
  await adaptive?.stop()
  up?.stop()
})

const head = (...fields) => ['POST /v1/chat/completions HTTP/1.1', 'Host: x', 'Content-Type: application/json', ...fields, '', ''].join('\r\n')

// A client that begins to send and does not end.
async function begin(text) {
  const socket = connect(w.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.text = ''
  socket.on('data', (bytes) => (socket.text += bytes))
  socket.write(text)
  return socket
}

async function sum(name, from = w) {
  const { text } = await from.ask('/metrics')
  const found = [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, 'gm'))]
  assert.ok(found.length > 0, name)
  return found.reduce((all, [, n]) => all + Number(n), 0)
}
const in_flight = (n) => until(`${n} in flight`, async () => (await sum('wye_requests_in_flight')) === n)
const refused = () => sum('wye_limited_total{why="server"}'.replace(/[{}]/g, '\\$&'))
const ask = () => chat(w, { model: 'a/good', messages: question() })

test('slow uploads take their places with their heads, and clients that leave before their bodies are sent give them back', async () => {
  const before = await refused()
  const uploads = await Promise.all(Array.from({ length: 4 }, () => begin(head('Content-Length: 1000') + '{"model"')))
  await in_flight(4)
  assert.equal(await sum('wye_requests_in_flight_bytes'), 4000)
  const { text } = await raw(w.port, head('Content-Length: 1000'))
  assert.match(text, /^HTTP\/1\.1 503 /)
  assert.match(text, /\r\nRetry-After: \d+\r\n/)
  assert.equal(JSON.parse(text.split('\r\n\r\n')[1]).error.code, 'overloaded')
  assert.equal(await refused(), before + 1)
  for (const socket of uploads) socket.destroy()
  await in_flight(0)
  assert.equal(await sum('wye_requests_in_flight_bytes'), 0)
  assert.equal((await ask()).status, 200)
})

test('announced bodies over limits.in_flight_mb are refused before they are sent', async () => {
  const uploads = await Promise.all(Array.from({ length: 2 }, () => begin(head('Content-Length: 1000000'))))
  await in_flight(2)
  const { text } = await raw(w.port, head('Content-Length: 200000'))
  assert.match(text, /^HTTP\/1\.1 503 /)
  assert.match(text, /limits\.in_flight_mb/)
  for (const socket of uploads) socket.destroy()
  await in_flight(0)
})

test('a body without a length counts as it comes, and is refused where it no longer fits', async () => {
  const held = await Promise.all(Array.from({ length: 2 }, () => begin(head('Content-Length: 1000000'))))
  await in_flight(2)
  const growing = await begin(head('Transfer-Encoding: chunked'))
  await in_flight(3)
  growing.write(`10000\r\n${'x'.repeat(0x10000)}\r\n`)
  await until('what was read', async () => (await sum('wye_requests_in_flight_bytes')) === 2000000 + 0x10000)
  growing.write(`10000\r\n${'x'.repeat(0x10000)}\r\n`)
  await until('the refusal', () => growing.text.startsWith('HTTP/1.1 503 '))
  await in_flight(2)
  for (const socket of [...held, growing]) socket.destroy()
  await in_flight(0)
})

test('workers that die give back their places', async () => {
  const held = await Promise.all(Array.from({ length: 4 }, () => chat_open(w, { model: 'a/slow', messages: question() })))
  assert.deepEqual(held.map((live) => live.status), [200, 200, 200, 200])
  for (const worker of await w.workers()) w.kill(worker.pid)
  await until('the places', async () => (await Promise.all(Array.from({ length: 4 }, () => ask().catch(() => ({}))))).every((r) => r.status === 200))
  await in_flight(0)
})

const quantile = (sorted, q) => sorted[Math.ceil(q * sorted.length) - 1]

// Requests due evenly, whether or not those before have ended. Good: a whole answer within a second of when the request was due.
async function offer(per_second, seconds) {
  const begun = performance.now()
  const good = [], refusals = [], all = []
  const one = async (due) => {
    const sent = performance.now()
    const reply = await chat(adaptive, { model: 'a/places', messages: question() }).catch(() => ({}))
    const now = performance.now()
    if (reply.status === 200 && now - due <= 1000 * SLOW) good.push(now - begun)
    else if (reply.status === 503 && reply.headers['retry-after']) refusals.push(now - sent)
  }
  for (let n = 0; n < per_second * seconds; ) {
    const owed = Math.min((performance.now() - begun) * per_second / 1000, per_second * seconds)
    for (; n < owed; n++) all.push(one(begun + (n * 1000) / per_second))
    await new Promise((next) => setTimeout(next, 2))
  }
  await Promise.all(all)
  refusals.sort((a, b) => a - b)
  const rate = (from) => good.filter((at) => at >= from * 1000 && at < seconds * 1000).length / (seconds - from)
  return { rate, refusals, sent: all.length }
}

// The goals are 0.9 and 10 ms; the margins are for a machine that others use, too. Under sanitizers wye itself is the bottleneck.
const LEAST_GOODPUT = SLOW > 1 ? 0.3 : 0.7
const REFUSAL_MS = { p50: 10 * SLOW, p99: 200 * SLOW }
const is_prompt = (round) => round.p50 <= REFUSAL_MS.p50 && round.p99 <= REFUSAL_MS.p99

async function overload(t) {
  const one = await offer(CAPACITY * 0.95, 3)
  const five = await offer(CAPACITY * 5, 9)
  const goodput = five.rate(4) / one.rate(0.5)
  const p50 = quantile(five.refusals, 0.5), p99 = quantile(five.refusals, 0.99)
  const limit = await sum('wye_admission_limit', adaptive)
  t.diagnostic(`goodput ${five.rate(4).toFixed(0)}/s of ${one.rate(0.5).toFixed(0)}/s (${(goodput * 100).toFixed(0)} %); ` +
    `${five.refusals.length} of ${five.sent} refused, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms; limit ${limit}`)
  return { goodput, p50, p99, limit, refused: five.refusals.length / five.sent }
}

test('five times as much as the provider can take: it stays as busy, and the rest hears at once', async (t) => {
  // A machine that gives this test no time can make a round worse, never better.
  let round = await overload(t)
  for (let more = 2; more > 0 && (round.goodput < LEAST_GOODPUT || !is_prompt(round)); more--) round = await overload(t)
  assert.ok(round.goodput >= LEAST_GOODPUT, `goodput ${round.goodput}`)
  assert.ok(is_prompt(round), `refusals took ${round.p50} ms (p50), ${round.p99} ms (p99)`)
  assert.ok(round.refused > 0.5)
  assert.ok(round.limit >= 8 && round.limit <= PLACES * 6, `limit ${round.limit}`)
})
