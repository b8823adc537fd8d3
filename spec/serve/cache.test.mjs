// The exact response cache: what is the same request, what is kept, and that nobody sees what is not his.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const cut_short = '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"half"},"finish_reason":"length"}]}'
const routes = {
  'kept.lua': 'local m = wye.model "a/good"\nreturn function() return { m, cache = 60 } end\n',
  'brief.lua': 'local m = wye.model "a/good"\nreturn function() return { m, cache = 1 } end\n',
  'other.lua': 'local m = wye.model "a/good":with { system = "Be brief." }\nreturn function() return { m, cache = 60 } end\n',
  'tool.lua': 'local m = wye.model "a/tool"\nreturn function() return { m, cache = 60 } end\n',
  'short.lua': 'local m = wye.model "a/short"\nreturn function() return { m, cache = 60 } end\n',
  'bad.lua': 'local m = wye.model "a/bad"\nreturn function() return { m, cache = 60 } end\n',
  ...Object.fromEntries(['cut', 'logprobs', 'two', 'huge', 'strange'].map((name) => [`${name}.lua`, `local m = wye.model "a/${name}"\nreturn function() return { m, cache = 60 } end\n`])),
  'second.lua': 'local m, n = wye.model "a/bad", wye.model "b/good"\nreturn function() return { m, n, cache = 60 } end\n',
}

const chunk = (choice) => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, finish_reason: null, ...choice }] })}\n\n`
const stream = (...choices) => replies.raw([...choices, { delta: {}, finish_reason: 'stop' }].map(chunk).join('') + 'data: [DONE]\n\n', 'text/event-stream')
const odd = {
  logprobs: stream({ delta: { content: 'a' }, logprobs: { content: [] } }),
  two: stream({ delta: { content: 'a' } }, { index: 1, delta: { content: 'b' } }),
  huge: stream(...Array.from({ length: 9 }, () => ({ delta: { content: 'x'.repeat(64 * 1024) } }))),
  strange: stream({ delta: { content: 'a', audio: { id: 'x' } } }),
}

const names = ['a/good', 'b/good', 'a/tool', 'a/short', 'a/bad', 'a/cut', ...Object.keys(odd).map((name) => `a/${name}`)]

let up, w
before(async () => {
  up = await upstream({ good: replies.chat('all is well'), tool: replies.tool('f', '{"a":1}'), short: replies.raw(cut_short), bad: replies.status(500), cut: replies.cut('half'), ...odd })
  w = await serve(project(up, names, routes), { workers: 2 })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

let serial = 0
const fresh = () => question(`question ${++serial}`)
const ask = (model, messages, more = {}) => chat(w, { model: `wye/${model}`, messages, ...more })
const cached = (reply) => reply.headers['x-wye-cache']

test('the same request is answered once by the provider, streamed or not', async () => {
  const messages = fresh()
  const first = await ask('kept', messages)
  const calls = up.calls.length
  assert.equal(cached(first), 'miss')
  const second = await ask('kept', messages, { user: 'somebody else', metadata: { a: 'b' } })
  assert.equal(cached(second), 'hit')
  assert.equal(second.text, first.text)
  assert.equal(second.headers['x-wye-model'], 'a/good')
  assert.equal(second.headers['x-wye-attempts'], '0')
  const streamed = await ask('kept', messages, { stream: true })
  assert.equal(cached(streamed), 'hit')
  assert.equal(streamed.content, 'all is well')
  assert.ok(streamed.done)
  assert.equal(up.calls.length, calls)
  const record = await w.decision(second.headers['x-wye-id'])
  assert.deepEqual(record.candidates.map((c) => [c.model, c.state]), [['a/good', 'cache']])
  assert.equal(record.attempts.length, 0)
  assert.equal(record.cause, 'script')
  assert.equal(record.usd, 0)
})

test('a stream is kept too, and serves both streams and whole answers', async () => {
  for (const usage of [false, true]) {
    const messages = fresh()
    const more = usage ? { stream_options: { include_usage: true } } : {}
    const first = await ask('kept', messages, { stream: true, ...more })
    assert.equal(cached(first), 'miss')
    const whole = await ask('kept', messages)
    assert.equal(cached(whole), 'hit')
    const { id, created, model } = first.events[0]
    const usage_of = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10, prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 0 } }
    assert.deepEqual(whole.json, { id, object: 'chat.completion', created, model, usage: usage_of,
      choices: [{ index: 0, message: { role: 'assistant', content: 'all is well' }, finish_reason: 'stop' }] })
    const again = await ask('kept', messages, { stream: true, ...more })
    assert.equal(cached(again), 'hit')
    assert.equal(again.content, 'all is well')
    assert.equal(again.events.filter((e) => e.usage).length, usage ? 1 : 0)
  }
})

test('tool calls of a stream are kept, streams that were cut or say what cannot be kept are not', async () => {
  const messages = fresh()
  assert.equal(cached(await ask('tool', messages, { stream: true })), 'miss')
  const kept = await ask('tool', messages)
  assert.equal(cached(kept), 'hit')
  assert.deepEqual(kept.json.choices[0], { index: 0, finish_reason: 'tool_calls',
    message: { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }] } })
  for (const model of ['cut', 'logprobs', 'two', 'huge', 'strange']) {
    const other = fresh()
    for (let i = 0; i < 2; i++) assert.equal(cached(await ask(model, other, { stream: true })), 'miss', model)
  }
})

test('blanks and the order of members do not matter; everything else does', async () => {
  const send = (text) => chat(w, text)
  const one = (q, more = '') => `{"model":"wye/kept","messages":[{"role":"user","content":"${q}"}],"temperature":0${more}}`
  assert.equal(cached(await send(one('a b'))), 'miss')
  assert.equal(cached(await send('{ "temperature" : 0,\n"messages":[ {"role":"user", "content":"a b"} ], "model":"wye/kept" }')), 'hit')
  assert.equal(cached(await send(one('a  b'))), 'miss')
  assert.equal(cached(await send(one('a b', ',"seed":1'))), 'miss')
  assert.equal(cached(await ask('other', question('a b'), { temperature: 0 })), 'miss')
})

test('tool calls are kept, what was cut short or failed is not', async () => {
  for (const [model, second] of [['tool', 'hit'], ['short', 'miss'], ['bad', 'miss']]) {
    const messages = fresh()
    assert.equal(cached(await ask(model, messages)), 'miss')
    assert.equal(cached(await ask(model, messages)), second, model)
  }
})

test('a hit names the model that answered, wherever it stood in the list', async () => {
  const messages = fresh()
  assert.equal((await ask('second', messages)).headers['x-wye-cause'], 'failover')
  const again = await ask('second', messages)
  assert.equal(cached(again), 'hit')
  assert.equal(again.headers['x-wye-model'], 'b/good')
})

test('routes that do not ask have no such header; a life ends; a reload keeps, another size empties', async () => {
  const plain = await ask('route', fresh())
  assert.equal(cached(plain), undefined)
  const messages = fresh()
  await ask('brief', messages)
  for (const deadline = Date.now() + 10000; cached(await ask('brief', messages)) === 'hit'; ) assert.ok(Date.now() < deadline, 'never ends')
  await ask('kept', messages)
  w.write({ 'route.lua': 'return function() return wye.model "a/good", "anew" end\n' })
  assert.equal((await w.cli('reload')).code, 0)
  assert.equal(cached(await ask('kept', messages)), 'hit')
  const lua = project(up, names)['wye.lua']
  w.write({ 'wye.lua': lua.replace('direct = true', 'direct = true, limits = { cache_mb = 0 }') })
  assert.equal((await w.cli('reload')).code, 0)
  assert.equal(cached(await ask('kept', messages)), 'off')
})

test('/metrics counts hits, misses and stores', async () => {
  const { text } = await w.ask('/metrics')
  for (const what of ['hits', 'misses', 'stores']) assert.ok(Number(new RegExp(`^wye_cache_${what}_total (\\d+)$`, 'm').exec(text)[1]) > 3, what)
  assert.match(text, /^wye_cache_evictions_total 0$/m)
})
