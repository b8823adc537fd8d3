// What goes up is what the client sent, byte for byte, but for the model's name; what comes down is what the provider sent.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat } from '../support/client.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const odd = String.raw`{
  "messages" : [ {"role":"user","content":[{"type":"text","text":"caf\u00e9 \ud83d\ude00 \u0000 \/"},
     {"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo=","detail":"low"}}], "x-unknown":[] } ],
  "model"	:"auto",   "big":123456789012345678901234567890, "float":1.10e-05, "empty":{}, "list":[],
  "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{},"required":[]}}}],
  "temperature":0.30, "logit_bias":{"50256":-100}, "metadata":{"k":"v"}, "future_field":{"a":[null,true,{}]}
}`

let up, w
before(async () => {
  up = await upstream({ exact: replies.raw(' {"id": "x",  "choices":[{"message":{"content":"h\\u00e9","new":[]}}], "n":1e2, "usage":{}} ') })
  const files = project(up, ['a/exact', 'a/keyed'])
  files['wye.lua'] = files['wye.lua'].replace('a = { kind', 'a = { key = { env = "TEST_KEY" }, kind')
  w = await serve(files, { env: { TEST_KEY: 'sk-canary-4711' } })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

test('the body goes up byte for byte but for the model', async () => {
  const reply = await chat(w, odd)
  assert.equal(reply.status, 200, reply.text)
  assert.equal(up.calls.at(-1).body.toString(), odd.replace('"auto"', '"exact"'))
})

test('the reply comes down byte for byte', async () => {
  const reply = await chat(w, odd)
  assert.equal(reply.text, ' {"id": "x",  "choices":[{"message":{"content":"h\\u00e9","new":[]}}], "n":1e2, "usage":{}} ')
})

test('a stream asks for usage and changes nothing else', async () => {
  await chat(w, '{"messages":[{"role":"user","content":"a"}],"stream":true,"zz":[ ],"model":"a/keyed"}')
  const sent = up.calls.at(-1)
  assert.deepEqual(sent.json, { messages: [{ role: 'user', content: 'a' }], stream: true, zz: [], model: 'keyed', stream_options: { include_usage: true } })
  assert.ok(sent.body.includes('"zz":[ ]'))
  await chat(w, '{"messages":[{"role":"user","content":"a"}],"stream_options":{"x":1},"stream":true,"model":"a/keyed"}')
  assert.deepEqual(up.calls.at(-1).json.stream_options, { x: 1, include_usage: true })
})

test("the provider's key goes up, the client's own headers and key do not", async () => {
  await chat(w, odd, { headers: { authorization: 'Bearer client-secret', cookie: 'a=b', 'x-forwarded-for': '1.2.3.4' } })
  const { headers, path } = up.calls.at(-1)
  assert.equal(headers.authorization, 'Bearer sk-canary-4711')
  assert.equal(headers.cookie, undefined)
  assert.equal(headers['x-forwarded-for'], undefined)
  assert.equal(path, '/v1/chat/completions')
})

test('a key is in no output', async () => {
  const reply = await chat(w, odd)
  const seen = [JSON.stringify(await w.trace()), (await w.ask('/status')).text, (await w.ask('/metrics')).text, w.child.said]
  seen.push((await w.cli('why', reply.headers['x-wye-id'])).stdout, (await w.cli('show', w.generation)).stdout)
  for (const text of seen) assert.ok(!text.includes('sk-canary-4711') && !text.includes('client-secret'))
})

test('a large body arrives whole', async () => {
  const content = 'x'.repeat(5_000_000)
  await chat(w, { model: 'auto', messages: [{ role: 'user', content }] })
  assert.equal(up.calls.at(-1).json.messages[0].content.length, content.length)
})

test('a body over the limit is 413', async () => {
  const reply = await chat(w, { model: 'auto', messages: [{ role: 'user', content: 'x'.repeat(34_000_000) }] }).catch((e) => e)
  if (reply.status) assert.equal(reply.status, 413)
  else assert.match(reply.code, /EPIPE|ECONNRESET/)
})
