// A model derived by model:with sends what its options say; every other byte is the client's.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { project, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

let up, w
before(async () => {
  up = await upstream()
  const route = (code) => `local m = wye.model "a/m"\n${code}\n`
  w = await serve(
    project(up, ['a/m', 'a/other'], {
      'system.lua': route('local d = m:with { system = \'Be "brief".\\n\' }\nreturn function() return d end'),
      'scalars.lua': route(`local d = m:with { temperature = 0.25, max_tokens = 7, seed = 3, stop = { "a", "b" }, reasoning_effort = "low" }
return function() return d end`),
      'bare.lua': route('local d = m:with { tools = false, temperature = false }\nreturn function() return d end'),
      'twice.lua': route(`local one = m:with { temperature = 1, seed = 1 }
local two = one:with { temperature = 2, system = "two" }
return function(req) return { req.user == "one" and one or req.user == "two" and two or m } end`),
      'late.lua': route('return function(req) return m:with { system = "for " .. req.user } end'),
      'asks.lua': route(`local d = m:with { system = "judge" }
return function(req) return d:ask(req, { logprobs = true }) end`),
      'wins.lua': route(`local d = m:with { system = "derived", temperature = 0 }
return function(req)
  d:ask(req)
  d:ask(req, { system = "asked", temperature = 1 })
  return d:ask { prompt = "alone" }
end`),
      'kept.lua': route(`local box = {}
return function(req)
  box.m = box.m or m:with { seed = 1 }
  return box.m, box.m.id
end`),
    }),
  )
})
after(async () => {
  await w?.stop()
  up?.stop()
})

// What arrives upstream when this body is sent.
async function sent(body) {
  const reply = await chat(w, body)
  assert.equal(reply.status, 200, reply.text)
  return up.calls.at(-1).body.toString()
}

const brief = String.raw`"Be \"brief\".\n"`
const spelt = ' { "messages" : [ {"role":"system","content":"old","name":"x"} , {"role":"user","content":"caf\\u00e9"} ],  "model":"wye/NAME", "zz":1.0 } '

test('a system message takes the place of the leading one', async () => {
  const expected = spelt.replace('wye/NAME', 'm').replace('{"role":"system","content":"old","name":"x"}', `{"role":"system","content":${brief}}`)
  assert.equal(await sent(spelt.replace('NAME', 'system')), expected)
})

test('a developer message stays one', async () => {
  const body = '{"model":"wye/system","messages":[{"content":[{"type":"text","text":"old"}],"role":"developer"},{"role":"user","content":"x"}]}'
  assert.equal(await sent(body), `{"model":"m","messages":[{"role":"developer","content":${brief}},{"role":"user","content":"x"}]}`)
})

test('where there is none it comes first', async () => {
  const body = '{"messages":[{"role":"user","content":"x"},{"role":"system","content":"later"}],"model":"wye/system"}'
  assert.equal(await sent(body), `{"messages":[{"role":"system","content":${brief}},{"role":"user","content":"x"},{"role":"system","content":"later"}],"model":"m"}`)
})

test('a body that names messages twice gets it in both', async () => {
  const body = '{"messages":[{"role":"user","content":"first"}],"messages":[{"role":"user","content":"x"}],"model":"wye/system"}'
  const messages = `"messages":[{"role":"system","content":${brief}},{"role":"user","content":"x"}]`
  assert.equal(await sent(body), `{${messages},${messages},"model":"m"}`)
})

test('scalars are set in place or appended, and one limit on tokens leaves', async () => {
  const body = '{"model":"wye/scalars", "temperature":1.50, "max_completion_tokens":99, "messages":[{"role":"user","content":"x"}], "n":1}'
  const text = await sent(body)
  assert.ok(text.startsWith('{"model":"m", "temperature":0.25, "messages":[{"role":"user","content":"x"}], "n":1'), text)
  assert.deepEqual(JSON.parse(text), {
    model: 'm', temperature: 0.25, messages: question('x'), n: 1, max_tokens: 7, seed: 3, stop: ['a', 'b'], reasoning_effort: 'low',
  })
})

test('tools = false removes what belongs to tools', async () => {
  const body = '{"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto", "parallel_tool_calls":true,"model":"wye/bare","temperature":1,"messages":[{"role":"user","content":"x"}]}'
  assert.equal(await sent(body), '{"model":"m","messages":[{"role":"user","content":"x"}]}')
})

test('deriving changes neither what it derives from nor what was derived before', async () => {
  const of = async (user) => JSON.parse(await sent({ model: 'wye/twice', user, messages: question('x') }))
  assert.deepEqual(await of('one'), { model: 'm', user: 'one', messages: question('x'), temperature: 1, seed: 1 })
  assert.deepEqual(await of('two'), { model: 'm', user: 'two', messages: [{ role: 'system', content: 'two' }, ...question('x')], temperature: 2, seed: 1 })
  assert.deepEqual(await of('none'), { model: 'm', user: 'none', messages: question('x') })
})

test('a stream of a derived model asks for usage too', async () => {
  const reply = await chat(w, { model: 'wye/system', stream: true, messages: question('x') })
  assert.equal(reply.content, 'm')
  assert.deepEqual(up.calls.at(-1).json.stream_options, { include_usage: true })
  assert.equal(up.calls.at(-1).json.messages[0].role, 'system')
})

test('ask sends it too, unstreamed', async () => {
  const reply = await chat(w, { model: 'wye/asks', stream: true, messages: question('x') })
  assert.equal(reply.content, 'm')
  assert.deepEqual(up.calls.at(-1).json, { model: 'm', messages: [{ role: 'system', content: 'judge' }, ...question('x')], logprobs: true })
})

test('a running route may derive too, for its own request', async () => {
  assert.deepEqual(JSON.parse(await sent({ model: 'wye/late', user: 'ann', messages: question('x') })).messages[0], { role: 'system', content: 'for ann' })
  assert.equal((await chat(w, { model: 'wye/kept', messages: question('x') })).headers['x-wye-cause'], 'script')
  const second = await chat(w, { model: 'wye/kept', messages: question('x') })
  assert.equal(second.headers['x-wye-cause'], 'script_error')
  assert.match((await w.decision(second.headers['x-wye-id'])).error, /derived by a request that has ended/)
})

test('what an ask gives wins over what the model was derived with', async () => {
  await sent({ model: 'wye/wins', temperature: 2, messages: question('client') })
  const [own, system, prompt] = up.calls.slice(-3).map((call) => call.json)
  assert.deepEqual(own, { model: 'm', temperature: 0, messages: [{ role: 'system', content: 'derived' }, ...question('client')] })
  assert.deepEqual(system, { model: 'm', temperature: 1, messages: [{ role: 'system', content: 'asked' }, ...question('client')] })
  assert.deepEqual(prompt, { model: 'm', temperature: 0, messages: [{ role: 'system', content: 'derived' }, ...question('alone')] })
})
