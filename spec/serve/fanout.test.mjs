// What asks several models, or asks in a special way: the overrides of model:ask.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const MODELS = ['good', 'one', 'two', 'three']

const routes = {
  'asks.lua': `local one = wye.model "a/one"
return function(req)
  local how = req.metadata and req.metadata.how
  local opts = {
    prompt = { prompt = 'say "hi"', temperature = 0, max_tokens = 5 },
    system = { system = "be brief" },
    messages = { messages = { { role = "user", content = "other" } }, logprobs = true },
    schema = { schema = { type = "object", properties = { a = { type = "string" } } } },
    text = { schema = '{"type":"object"}' },
  }
  if how == "alone" then return assert(one:ask { prompt = "alone", system = "you" }) end
  return assert(one:ask(req, opts[how]))
end
`,
  'misuse.lua': `local one = wye.model "a/one"
return function(req)
  local opts = {
    both = { prompt = "x", messages = {} },
    empty = { messages = {} },
    unknown = { promt = "x" },
    schema = { schema = "{" },
    hot = { temperature = 3 },
  }
  local ok, why = pcall(one.ask, one, req, opts[req.metadata.how])
  assert(not ok)
  return wye.refuse(418, why)
end
`,
}

let up, w
before(async () => {
  up = await upstream({})
  w = await serve(project(up, MODELS.map((name) => `a/${name}`), routes))
})
after(async () => {
  await w?.stop()
  up?.stop()
})

const run = (route, how, more = {}) => chat(w, { model: `wye/${route}`, messages: question(), metadata: { how }, ...more })
const sent = async (how, more) => {
  const reply = await run('asks', how, more)
  assert.equal(reply.status, 200, reply.text)
  return up.calls.at(-1)
}

test('ask: prompt, system, messages and schema replace what is sent, and nothing else', async () => {
  const prompt = await sent('prompt', { max_completion_tokens: 999, seed: 7 })
  assert.equal(
    prompt.body.toString(),
    '{"model":"one","messages":[{"role":"user","content":"say \\"hi\\""}],"metadata":{"how":"prompt"},"seed":7,"temperature":0,"max_tokens":5}',
  )
  const messages = [{ role: 'system', content: 'theirs' }, ...question(), { role: 'assistant', content: 'x' }]
  const system = await sent('system', { messages, stream: true })
  assert.deepEqual(system.json.messages, [{ role: 'system', content: 'be brief' }, ...messages.slice(1)])
  assert.equal(system.json.stream, undefined)
  const other = await sent('messages')
  assert.deepEqual(other.json.messages, [{ role: 'user', content: 'other' }])
  assert.equal(other.json.logprobs, true)
  const schema = { type: 'object', properties: { a: { type: 'string' } } }
  assert.deepEqual((await sent('schema')).json.response_format, { type: 'json_schema', json_schema: { name: 'answer', schema } })
  assert.deepEqual((await sent('text')).json.response_format.json_schema.schema, { type: 'object' })
})

test('ask without req sends nothing of the client', async () => {
  const call = await sent('alone', { seed: 7 })
  assert.deepEqual(call.json, { model: 'one', messages: [{ role: 'system', content: 'you' }, { role: 'user', content: 'alone' }] })
})

test('ask: misuse raises in words', async () => {
  const words = { both: /not both/, empty: /list of tables/, unknown: /did you mean 'prompt'/, schema: /no JSON/, hot: /temperature/ }
  for (const [how, expected] of Object.entries(words)) assert.match((await run('misuse', how)).json.error.message, expected)
})
