// Client keys and what they allow: who is let in, exactly how much, and in what words the rest is refused.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, chat_open, question, raw } from '../support/client.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { until } from '../support/process.mjs'
import { cli, folder, serve } from '../support/wye.mjs'

let up, w
before(async () => {
  up = await upstream({ good: replies.chat('all is well'), slow: replies.chat('slow and well', { gap: 50 }), dear: replies.chat('gold') })
  w = await serve(project(up, ['a/good', 'a/slow', 'b/dear']), { workers: 2 })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

let serial = 0
async function key(...limits) {
  const { code, stdout, stderr } = await w.cli('key', 'add', `key-${++serial}`, '--json', ...limits)
  assert.equal(code, 0, stderr)
  const made = JSON.parse(stdout)
  assert.match(made.secret, /^wye_[0-9A-Za-z]{32}$/)
  return { ...made, headers: { authorization: `Bearer ${made.secret}` } }
}

const ask = (k, body = {}) => chat(w, { model: 'a/good', messages: question(), ...body }, { headers: k.headers })
const many = (n, act) => Promise.all(Array.from({ length: n }, act))
const by_status = (all) => all.reduce((sums, r) => ({ ...sums, [r.status]: (sums[r.status] ?? 0) + 1 }), {})

test('without keys nobody is asked for one; with the first, everybody is, at once and until it is revoked', async () => {
  const lone = await serve(project(up, ['a/good']), { workers: 2 })
  const open = (headers) => chat(lone, { model: 'a/good', messages: question() }, { headers })
  assert.equal((await open({})).status, 200)
  const made = await lone.cli('key', 'add', 'first')
  assert.equal(made.code, 0, made.stderr)
  const secret = made.stdout.trim()
  assert.equal((await open({})).status, 401)
  assert.equal((await open({ authorization: `Bearer ${secret}` })).status, 200)
  assert.equal((await open({ 'x-api-key': secret })).status, 200)
  assert.equal((await open({ authorization: `Basic ${secret}` })).status, 401)
  const listed = JSON.parse((await lone.cli('key', 'list', '--json')).stdout).keys
  assert.deepEqual(listed.map((k) => k.name), ['first'])
  assert.ok(!JSON.stringify(listed).includes(secret))
  assert.equal((await lone.cli('key', 'add', 'second')).code, 0)
  assert.equal((await lone.cli('key', 'revoke', 'first')).code, 0)
  assert.equal((await open({ authorization: `Bearer ${secret}` })).status, 401)
  const last = await lone.cli('key', 'revoke', 'second')
  assert.equal(last.code, 0)
  assert.match(last.stderr, /the last key: from now on everybody is served without one/)
  assert.equal((await open({})).status, 200)
  await lone.stop()
})

test('keys are made, listed and revoked without a server; their file is private', async () => {
  const at = ['--state', folder(), '--admin', '127.0.0.1:1']
  const made = await cli(['key', 'add', 'carol', '--rpm', '7', '--usd-per-day', '1.5', ...at])
  assert.equal(made.code, 0, made.stderr)
  const again = await cli(['key', 'add', 'carol', ...at])
  assert.equal(again.code, 1)
  assert.match(again.stderr, /there is a key 'carol' already/)
  const [listed] = JSON.parse((await cli(['key', 'list', '--json', ...at])).stdout).keys
  assert.equal(listed.rpm, 7)
  assert.equal(listed.usd_per_day, 1.5)
  const wrong = await cli(['key', 'revoke', 'carl', ...at])
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /there is no key 'carl' \(did you mean 'carol'\?\)/)
  assert.equal((await cli(['key', 'add', 'bad name', ...at])).code, 2)
  assert.equal((await cli(['key', 'add', 'x', '--usd-per-day', '-1', ...at])).code, 2)
  assert.equal((await cli(['key', 'burn', 'x', ...at])).code, 2)
})

test('what is refused by its head has an id and a story; a flood of it leaves no more than 16 records a second and worker', async () => {
  const mine = await key('--rpm', '1')
  assert.equal((await ask(mine)).status, 200)
  const over = await ask(mine), stranger = await chat(w, { model: 'a/good' }, { headers: { authorization: 'Bearer wye_no' } })
  const [limited] = await w.trace('-q', `id == ${over.headers['x-wye-id']}`)
  assert.deepEqual([limited.status, limited.cause, limited.limit.hit, limited.key], [429, 'limit', 'requests', mine.name])
  assert.match(limited.why, /may make 1 requests per minute/)
  const { stdout } = await w.cli('why', stranger.headers['x-wye-id'])
  assert.match(stdout, /status 401/)
  assert.match(stdout, /refused before a route ran: The API key is not known here/)
  const began = Date.now()
  await many(400, () => chat(w, { model: 'a/good' }, { headers: { authorization: 'Bearer wye_flood' } }))
  const seconds = Math.ceil((Date.now() - began) / 1000) + 1
  const left = await w.trace('-q', 'status == 401')
  assert.ok(left.length >= 17 && left.length <= 1 + 2 * 16 * seconds, `${left.length} records in ${seconds} s`)
})

test('a stranger gets 401 in the shape of the protocol before the body is sent', async () => {
  await key()
  const head = 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n'
  const { text } = await raw(w.port, `${head}Authorization: Bearer wye_no\r\n\r\n`)
  assert.match(text, /^HTTP\/1\.1 401 /)
  const error = JSON.parse(text.split('\r\n\r\n')[1]).error
  assert.equal(error.code, 'invalid_api_key')
  assert.equal(error.type, 'authentication_error')
  const models = await chat(w, undefined, { path: '/v1/models', method: 'GET' })
  assert.equal(models.status, 401)
})

test('the name of the key is in the trace, its secret nowhere', async () => {
  const k = await key()
  const reply = await ask(k)
  assert.equal(reply.status, 200, reply.text)
  const record = await w.decision(reply.headers['x-wye-id'])
  assert.equal(record.key, k.name)
  assert.ok(!JSON.stringify(await w.trace('-g', 'raw')).includes(k.secret))
})

test('100 requests at once: exactly as many are let in as the minute allows', async () => {
  const k = await key('--rpm', '13')
  const all = await many(100, () => ask(k))
  assert.deepEqual(by_status(all), { 200: 13, 429: 87 })
  const refused = all.find((r) => r.status === 429)
  const wait = Number(refused.headers['retry-after'])
  assert.ok(wait >= 50 && wait <= 61, `Retry-After: ${wait}`)
  assert.equal(refused.headers['x-ratelimit-limit-requests'], '13')
  assert.equal(refused.headers['x-ratelimit-remaining-requests'], '0')
  assert.equal(refused.json.error.type, 'rate_limit_error')
  assert.equal(refused.json.error.code, 'rate_limit_exceeded')
})

test('100 requests at once: no more run than may be in flight, and the places come back', async () => {
  const k = await key('--concurrent', '5')
  let running = 0, most = 0
  const all = await many(100, async () => {
    const live = await chat_open(w, { model: 'a/slow', messages: question() }, { headers: k.headers })
    if (live.status === 200) most = Math.max(most, ++running)
    await until('its end', () => live.ended)
    if (live.status === 200) running--
    return live
  })
  assert.ok(by_status(all)[200] >= 5, JSON.stringify(by_status(all)))
  assert.ok(most <= 5, `${most} in flight`)
  assert.equal((await ask(k)).status, 200)
})

test('a client that leaves gives its place back', async () => {
  const k = await key('--concurrent', '1')
  const live = await chat_open(w, { model: 'a/slow', messages: question() }, { headers: k.headers })
  assert.equal(live.status, 200)
  assert.equal((await ask(k)).status, 429)
  live.close()
  await until('the place', async () => (await ask(k)).status === 200)
})

test('tokens are reserved by what the client allows and settled by what was used', async () => {
  const k = await key('--tpm', '500')
  const all = await many(100, () => ask(k, { max_tokens: 200 }))
  assert.ok(by_status(all)[200] <= 40, JSON.stringify(by_status(all))) // 10 tokens each, were nothing reserved 50
  assert.ok(by_status(all)[200] >= 2)
  assert.equal((await ask(k, { max_tokens: 200 })).status, 200, 'what was not used came back')
  const large = await ask(k, { max_tokens: 5000 })
  assert.equal(large.status, 429)
  assert.equal(large.headers['x-ratelimit-limit-tokens'], '500')
  const record = await w.decision(large.headers['x-wye-id'])
  assert.equal(record.limit.hit, 'tokens')
  assert.equal(record.cause, 'limit')
})

test('100 requests at once: the budget of a day is never overrun', async () => {
  // Each costs (7 × 1 + 3 × 2) / 1e6 = 13 millionths and reserves 5 + 100 × 2 at least.
  const k = await key('--usd-per-day', '0.0006')
  let spent = 0
  for (let round = 0; round < 40; round++)
    for (const reply of await many(round ? 20 : 100, () => ask(k, { model: 'b/dear', max_tokens: 100 })))
      if (reply.status === 200) spent += 13e-6
      else assert.equal(reply.status, 429, reply.text)
  assert.ok(spent > 0.0003 && spent <= 0.0006, `spent ${spent}`)
  const refused = await ask(k, { model: 'b/dear', max_tokens: 1000 })
  assert.equal(refused.status, 429)
  assert.equal(refused.json.error.code, 'insufficient_quota')
  assert.ok(Number(refused.headers['retry-after']) >= 1)
})

test('limits hold over a reload and over the death of a worker', async () => {
  const k = await key('--rpm', '4')
  assert.equal((await ask(k)).status, 200)
  w.write({ 'route.lua': 'return function() return wye.model "a/good", "anew" end\n' })
  assert.equal((await w.cli('reload')).code, 0)
  assert.equal((await ask(k)).status, 200)
  const before = await w.workers()
  w.kill(before[0].pid)
  await until('another worker', async () => {
    const now = (await w.workers())[0]
    return now.pid !== before[0].pid && now.state === 'serving'
  })
  const all = await many(20, () => ask(k).catch(() => ({ status: 0 })))
  assert.equal(by_status(all)[200], 2, JSON.stringify(by_status(all)))
})

test('a worker that dies gives back the places that its requests held', async () => {
  const k = await key('--concurrent', '2')
  const held = await many(2, () => chat_open(w, { model: 'a/slow', messages: question('one two three') }, { headers: k.headers }))
  assert.ok(held.every((live) => live.status === 200))
  assert.equal((await ask(k)).status, 429)
  for (const worker of await w.workers()) w.kill(worker.pid)
  await until('the places', async () => (await ask(k).catch(() => ({}))).status === 200)
})

test('/metrics counts what was refused, and why', async () => {
  const { text } = await w.ask('/metrics')
  for (const why of ['key', 'requests', 'tokens', 'concurrent', 'usd'])
    assert.ok(Number(new RegExp(`wye_limited_total\\{why="${why}"\\} (\\d+)`).exec(text)[1]) > 0, why)
  assert.match(text, new RegExp(`^wye_client_keys ${serial}$`, 'm'))
})
