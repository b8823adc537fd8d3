// Between a decision and its attempts: who is left out, in which order, what is tried again, and what a request may use.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { SLOW } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve, sim } from '../support/wye.mjs'

const routes = {
  'pair.lua': 'return function() return { wye.model "a/ill", wye.model "b/good" } end\n',
  'both_ill.lua': 'return function() return { wye.model "a/ill", wye.model "b/ill_too" } end\n',
  'limited.lua': 'return function() return { wye.model "a/limited", wye.model "b/good" } end\n',
  'cheap.lua': 'return function() return { wye.model "a/dear", wye.model "b/cheap", order = "cost" } end\n',
  'fast.lua': 'return function() return { wye.model "a/slow", wye.model "b/quick", order = "latency" } end\n',
  'idle.lua': 'return function() return { wye.model "a/one", wye.model "b/two", order = "least_busy" } end\n',
  'weighed.lua': 'return function() return { wye.model "a/one", wye.model "b/two", wye.model "a/three", weights = { 8, 2, 0 } } end\n',
  'sticky.lua': 'return function() return { wye.model "a/one", wye.model "b/two", wye.model "a/three", sticky = "user" } end\n',
  'able.lua': 'return function() return { wye.model "a/small", wye.model "a/plain", wye.model "b/good" } end\n',
  'asks.lua': `local models = { small = wye.model "a/small", plain = wye.model "a/plain" }
models.brief = models.small:with { max_tokens = 1 }
models.wordy = models.small:with { system = ("word "):rep(200) }
models.bare = models.plain:with { tools = false }
return function(req)
  local how = req.metadata
  local opts = { prompt = how.prompt, schema = how.schema, max_tokens = how.max_tokens }
  local reply, err = models[how.model]:ask(req, opts)
  return reply or wye.refuse(400, err.kind .. ": " .. err.message)
end
`,
  'unable.lua': 'return function() return { wye.model "a/small", wye.model "a/plain" } end\n',
  'wrong_order.lua': 'return function() return { wye.model "a/one", order = "latenzy" } end\n',
  'wrong_weights.lua': 'return function() return { wye.model "a/one", wye.model "b/two", weights = { 1 } } end\n',
  'attempts.lua': 'return function(req) req:limit { attempts = 1 } return { wye.model "a/failing", wye.model "b/good" } end\n',
  'spends.lua': `local one = wye.model "a/one"
return function(req)
  req:limit { usd = 0.00002 }
  local asked = 0
  for _ = 1, 5 do
    local reply, err = one:ask(req)
    if not reply then return wye.refuse(402, err.kind .. " after " .. asked) end
    asked = asked + 1
  end
  return one
end
`,
  'penniless.lua': 'return function(req) req:limit { usd = 0 } return wye.model "a/one" end\n',
  'hurried.lua': 'return function(req) req:limit { seconds = 0.3 } return wye.model "a/silent" end\n',
  'hurried_ask.lua': `return function(req)
  req:limit { seconds = 0.3 }
  local reply, err = wye.model "a/silent":ask(req)
  return wye.refuse(402, err.kind)
end
`,
  'few_tokens.lua': 'return function(req) req:limit { tokens = 50 } return wye.model "a/one" end\n',
  'hedged.lua': `local tail, good = wye.model "a/tail", wye.model "b/good"
return function(req) return wye.first({ tail, good }, req, { hedge = "p95" }) end
`,
  'wrong_limit.lua': 'return function(req) req:limit { dollars = 1 } return wye.model "a/one" end\n',
}

const models = `{
    ["a/ill"] = {}, ["b/ill_too"] = {}, ["b/good"] = {}, ["a/limited"] = {}, ["a/failing"] = {}, ["a/silent"] = {},
    ["a/dear"] = { price = { input = 10, output = 10 } }, ["b/cheap"] = { price = { input = 1, output = 1 } },
    ["a/slow"] = {}, ["b/quick"] = {},
    ["a/one"] = { price = { input = 1, output = 1 } }, ["b/two"] = {}, ["a/three"] = {},
    ["a/small"] = { context = 100 }, ["a/plain"] = { tools = false, vision = false, structured = false },
    ["a/flaky"] = {}, ["a/waits"] = {}, ["a/quota"] = {}, ["a/never"] = {}, ["a/tail"] = {},
  }`

let up, w, down
const failed = replies.status(503)
const ask = (route, more = {}) => chat(w, { model: route.includes('/') ? route : `wye/${route}`, messages: question(), ...more })
const record_of = (reply) => w.decision(reply.headers['x-wye-id'])
const candidate = (record, model) => record.candidates.find((c) => c.model === model)

before(async () => {
  up = await upstream({
    good: replies.chat('all is well'),
    ill: (call, out) => (down ? failed : replies.chat('recovered'))(call, out),
    ill_too: (call, out) => (down ? failed : replies.chat('recovered'))(call, out),
    failing: replies.status(500),
    silent: replies.hang(),
    slow: replies.chat('slow', { gap: 60 }),
    quick: replies.chat('quick'),
    limited: replies.status(429, { headers: { 'retry-after': '2' } }),
    quota: replies.status(429, { message: 'You exceeded your current quota' }),
    never: replies.status(503, { headers: { 'x-should-retry': 'false' } }),
  })
  const files = project(up, ['b/good'], routes)
  files['wye.lua'] = files['wye.lua'].replace(/models = \{[^]*?\n  \}/, `models = ${models}`)
  w = await serve(files, { workers: 2 })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

const calls_of = (model) => up.calls.filter((call) => call.model === model).length

test('five failures open the breaker for all workers; it closes within 5 s of recovery', async () => {
  down = true
  for (let i = 0; i < 40; i++) assert.equal((await ask('pair')).status, 200)
  const at_outage = calls_of('ill')
  assert.ok(at_outage >= 5 && at_outage <= 7, `${at_outage} calls`)
  const reply = await ask('pair')
  assert.equal(reply.headers['x-wye-cause'], 'failover')
  assert.equal(reply.headers['x-wye-attempts'], '1')
  assert.match(candidate(await record_of(reply), 'a/ill').why, /^cooling/)
  assert.match((await w.ask('/metrics')).text, /wye_model_cooling\{model="a\/ill"\} 1/)

  down = false
  const recovered = Date.now()
  let served
  while (served !== 'a/ill' && Date.now() - recovered < 10000 * SLOW) served = (await ask('pair')).headers['x-wye-model']
  assert.ok(Date.now() - recovered < 5000 * SLOW, `${Date.now() - recovered} ms`)
  assert.match((await w.ask('/metrics')).text, /wye_model_cooling\{model="a\/ill"\} 0/)
})

test('a list is never left without a model: one is called however ill all are', async () => {
  down = true
  for (let i = 0; i < 12; i++) assert.equal((await ask('both_ill')).status, 503)
  const reply = await ask('both_ill')
  assert.equal(reply.headers['x-wye-attempts'], '1')
  assert.match(reply.json.error.message, /upstream says 503/)
  down = false
  assert.equal((await ask('both_ill')).status, 200)
})

test('Retry-After is a floor: a limited model is not called before', async () => {
  const start = Date.now()
  let last = start
  while (last - start < 1900) {
    assert.equal((await ask('limited')).status, 200)
    last = Date.now()
  }
  assert.equal(calls_of('limited'), 1)
  const until = candidate(await record_of(await ask('limited')), 'a/limited').why
  if (Date.now() - start < 2000) assert.match(until, /^cooling until \d{4}-\d\d-\d\dT/)
  while (calls_of('limited') === 1 && Date.now() - start < 10000 * SLOW) await ask('limited')
  assert.equal(calls_of('limited'), 2)
})

test('a model without another behind it is tried again, after what its provider says', async () => {
  let first
  up.models.waits = (call, out) => {
    const again = first
    first ??= Date.now()
    return (again ? replies.chat('at last') : replies.status(429, { headers: { 'retry-after-ms': '300' } }))(call, out)
  }
  const reply = await ask('a/waits')
  assert.equal(reply.status, 200, reply.text)
  assert.ok(Date.now() - first >= 300)
  const record = await record_of(reply)
  assert.deepEqual(record.attempts.map((a) => a.next), ['retry_same', 'stop'])
  assert.deepEqual(record.attempts.map((a) => a.served ?? false), [false, true])
})

test('a stream is tried again too, until its first content', async () => {
  let n = 0
  up.models.flaky = (call, out) => (n++ ? replies.chat('better now') : failed)(call, out)
  const reply = await ask('a/flaky', { stream: true })
  assert.equal(reply.content, 'better now')
  assert.ok(reply.done)
  assert.equal(reply.headers['x-wye-attempts'], '2')
})

for (const [name, model] of [['a used-up quota', 'quota'], ['x-should-retry: false', 'never']])
  test(`${name} is not tried again`, async () => {
    const reply = await ask(`a/${model}`)
    assert.equal(reply.headers['x-wye-attempts'], '1')
    assert.equal((await record_of(reply)).attempts[0].next, 'exhausted')
  })

test('order = "cost" begins with the cheapest', async () => {
  const reply = await ask('cheap')
  assert.equal(reply.headers['x-wye-model'], 'b/cheap')
  assert.equal(reply.headers['x-wye-cause'], 'script')
  assert.equal(candidate(await record_of(reply), 'b/cheap').why, 'by cost')
})

test('order = "latency" begins with the fastest', async () => {
  for (const model of ['a/slow', 'b/quick']) for (let i = 0; i < 3; i++) await ask(model)
  for (let i = 0; i < 10; i++) assert.equal((await ask('fast')).headers['x-wye-model'], 'b/quick')
})

test('order = "least_busy" goes round what is busy, over workers', async () => {
  let free
  up.models.one = async (call, out) => {
    await new Promise((done) => (free = done))
    return replies.chat('one')(call, out)
  }
  const first = ask('idle')
  while (!free) await new Promise((done) => setImmediate(done))
  for (let i = 0; i < 6; i++) assert.equal((await ask('idle')).headers['x-wye-model'], 'b/two')
  free()
  assert.equal((await first).headers['x-wye-model'], 'a/one')
  delete up.models.one
})

test('weights share the traffic; a weight of 0 serves nobody', async () => {
  const counts = { 'a/one': 0, 'b/two': 0 }
  const all = await Promise.all(Array.from({ length: 400 }, () => ask('weighed')))
  for (const reply of all) counts[reply.headers['x-wye-model']]++
  assert.ok(counts['a/one'] > 270 && counts['a/one'] < 370, JSON.stringify(counts)) // 320 ± 6 standard deviations
  assert.equal(counts['a/one'] + counts['b/two'], 400)
  assert.equal(candidate(await record_of(all[0]), 'a/three').why, 'weight 0')
})

test('sticky = "user" keeps each user with a model and spreads the users', async () => {
  const counts = {}
  for (let i = 0; i < 60; i++) {
    const user = `user-${i}`
    const first = (await ask('sticky', { user })).headers['x-wye-model']
    assert.equal((await ask('sticky', { user })).headers['x-wye-model'], first)
    counts[first] = (counts[first] ?? 0) + 1
  }
  assert.equal(Object.keys(counts).length, 3)
  for (const n of Object.values(counts)) assert.ok(n >= 5, JSON.stringify(counts))
})

const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }]
const image = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] }]
const structure = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } }
for (const [what, more, why] of [
  ['tools', { tools }, 'no tools'],
  ['an image', { messages: image }, 'no vision'],
  ['a schema', { response_format: structure }, 'no structured output'],
])
  test(`a model that cannot take ${what} is passed over, without a cooldown`, async () => {
    const reply = await ask('able', { max_tokens: 200, ...more })
    assert.equal(reply.headers['x-wye-model'], 'b/good')
    assert.equal(reply.headers['x-wye-attempts'], '1')
    assert.equal(reply.headers['x-wye-cause'], 'script')
    const record = await record_of(reply)
    assert.equal(candidate(record, 'a/plain').why, why)
    assert.equal(candidate(record, 'a/plain').state, 'passed_over')
    assert.match(candidate(record, 'a/small').why, /^context too small: needs \d+ of 100 tokens$/)
    assert.match((await w.ask('/metrics')).text, /wye_model_cooling\{model="a\/plain"\} 0/)
  })

test('a list with no usable model says what each lacks', async () => {
  const reply = await ask('unable', { max_tokens: 200, tools })
  assert.equal(reply.status, 400)
  assert.equal(reply.json.error.code, 'no_usable_model')
  assert.match(reply.json.error.message, /a\/small: context too small: needs 2\d\d of 100 tokens; a\/plain: no tools/)
  const small = await ask('a/small', { max_tokens: 200 })
  assert.equal(small.json.error.code, 'context_length_exceeded')
  assert.equal(small.headers['x-wye-attempts'], '0')
})

for (const [route, words] of [
  ['wrong_order', /order cannot be 'latenzy' \(did you mean 'latency'\?\)/],
  ['wrong_weights', /weights has 1 numbers for 2 models/],
  ['wrong_limit', /unknown field 'dollars' of req:limit's options/],
])
  test(`${route} is a script error in words`, async () => {
    const reply = await ask(route)
    assert.equal(reply.headers['x-wye-cause'], 'script_error')
    assert.match((await record_of(reply)).error, words)
  })

for (const [what, metadata, more, why] of [
  ['a short prompt', { model: 'small' }, {}, null],
  ['a long prompt', { model: 'small', prompt: 'x '.repeat(400) }, {}, 'context too small: needs 2\\d\\d of 100 tokens'],
  ['a long answer', { model: 'small', max_tokens: 500 }, {}, 'context too small: needs 5\\d\\d of 100 tokens'],
  ['a long answer asked by the client', { model: 'small' }, { max_tokens: 500 }, 'context too small: needs 5\\d\\d of 100 tokens'],
  ['a long answer cut by model:with', { model: 'brief' }, { max_tokens: 500 }, null],
  ['a long prompt of model:with', { model: 'wordy' }, {}, 'context too small: needs 2\\d\\d of 100 tokens'],
  ['tools', { model: 'plain' }, { tools }, 'no tools'],
  ['tools taken out by model:with', { model: 'bare' }, { tools }, null],
  ['an image', { model: 'plain' }, { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://x/y.png' } }] }] }, 'no vision'],
  ['an image that the ask leaves out', { model: 'plain', prompt: 'hi' }, { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://x/y.png' } }] }] }, null],
  ['a schema of the ask', { model: 'plain', schema: '{"type":"object"}' }, {}, 'no structured output'],
])
  test(`an ask is not made of a model that cannot: ${what}`, async () => {
    const calls = up.calls.length
    const reply = await ask('asks', { messages: question('hi'), metadata, ...more })
    const record = await w.decision(reply.headers['x-wye-id'])
    const id = metadata.model === 'plain' || metadata.model === 'bare' ? 'a/plain' : 'a/small'
    if (!why) return assert.deepEqual([reply.status, up.calls.length], [200, calls + 1], reply.text)
    assert.match(reply.json.error.message, new RegExp(`^bad_request: ${id} cannot answer this: ${why}$`))
    assert.equal(up.calls.length, calls)
    assert.equal(record.attempts.length, 0)
    assert.match(candidate(record, id).why, new RegExp(`^${why}$`))
    assert.equal(candidate(record, id).state, 'passed_over')
  })

test('req:limit of attempts ends the list with 402', async () => {
  const reply = await ask('attempts')
  assert.equal(reply.status, 402)
  assert.equal(reply.json.error.code, 'limit')
  const record = await record_of(reply)
  assert.equal(record.attempts.length, 1)
  assert.equal(record.attempts[0].next, 'exhausted')
  assert.equal(record.cause, 'limit')
  assert.equal(record.limit.hit, 'attempts')
})

test('req:limit of usd: asks over it return nil and kind limit', async () => {
  const reply = await ask('spends')
  assert.equal(reply.status, 402)
  assert.match(reply.json.error.message, /^limit after 2$/)
  const record = await record_of(reply)
  assert.equal(record.attempts.length, 2)
  assert.equal(record.limit.usd, 0.00002)
  assert.equal(record.limit.hit, 'usd')
})

test('req:limit of usd holds before anything is called', async () => {
  const before = up.calls.length
  const reply = await ask('penniless')
  assert.equal(reply.status, 402)
  assert.equal(up.calls.length, before)
})

test('req:limit of tokens counts what the reply may take', async () => {
  assert.equal((await ask('few_tokens', { max_tokens: 10 })).status, 200)
  const reply = await ask('few_tokens', { max_tokens: 100 })
  assert.equal(reply.status, 402)
  assert.equal((await record_of(reply)).limit.hit, 'tokens')
})

for (const route of ['hurried', 'hurried_ask'])
  test(`req:limit of seconds ends the call: ${route}`, async () => {
    const start = Date.now()
    const reply = await ask(route)
    assert.ok(Date.now() - start < 2000 * SLOW)
    assert.equal(reply.status, 402)
    const record = await record_of(reply)
    assert.equal(record.attempts[0].error, 'limit')
    assert.equal(record.limit.hit, 'seconds')
    assert.equal(record.limit.seconds, 0.3)
  })

test('wye.first hedges at the observed p95', async () => {
  let n = 0
  up.models.tail = (call, out) => (n++ < 30 ? replies.chat('usual') : replies.hang())(call, out)
  for (let i = 0; i < 30; i++) assert.match((await ask('hedged')).headers['x-wye-model'], /tail|good/)
  while (n < 30) await ask('a/tail')
  const reply = await ask('hedged')
  assert.equal(reply.headers['x-wye-model'], 'b/good')
  const record = await record_of(reply)
  assert.deepEqual(record.attempts.map((a) => a.purpose), ['ask', 'hedge'])
  assert.equal(record.attempts[0].completion, 'cancelled')
})

test('an outage under load: retries add less than a fifth', async () => {
  const s = await sim()
  const files = {
    'wye.lua': `return {
  providers = { a = { kind = "openai", base_url = "${s.url}/v1" } },
  models = { ["a/x"] = {} }, default = "a/x", direct = true }
`,
    'route.lua': 'return function() return wye.model "a/x" end\n',
  }
  const w2 = await serve(files, { workers: 2 })
  try {
    await s.faults({ faults: [{ model: '*', kind: '503' }] })
    const each = async () => {
      for (let i = 0; i < 25; i++) assert.equal((await chat(w2, { model: 'auto', messages: question() })).status, 503)
    }
    await Promise.all(Array.from({ length: 8 }, each))
    const stats = await s.stats()
    const requests = Object.values(stats.models ?? stats).reduce((sum, m) => sum + (m.requests ?? 0), 0)
    assert.ok(requests >= 200 && requests <= 240, `${requests} calls for 200 requests`)
    await fetch(`${s.url}/sim/faults`, { method: 'DELETE' })
    assert.equal((await chat(w2, { model: 'auto', messages: question() })).status, 200)
  } finally {
    await w2.stop()
    await s.stop()
  }
})
