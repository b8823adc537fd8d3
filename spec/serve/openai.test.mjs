// The `openai` package as client: what its users do, through wye.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import OpenAI from 'openai'
import { until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { question } from '../support/client.mjs'
import { serve } from '../support/wye.mjs'

let up, w, openai
before(async () => {
  up = await upstream({
    greet: replies.chat('Hello there, dear reader.'),
    tools: replies.tool('weather', '{"city":"Oslo","days":3}'),
    slow: replies.chat('one two three four five six seven eight nine ten', { gap: 100 }),
    forbidden: replies.status(403, { type: 'permission_error', message: 'not you' }),
    limited: replies.status(429, { headers: { 'retry-after': '7' }, type: 'rate_limit_error' }),
  })
  w = await serve(project(up, ['a/greet', 'a/tools', 'a/slow', 'a/forbidden', 'a/limited']))
  openai = new OpenAI({ baseURL: `${w.url}/v1`, apiKey: 'unused', maxRetries: 0 })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

test('chat', async () => {
  const { data, response } = await openai.chat.completions.create({ model: 'auto', messages: question() }).withResponse()
  assert.equal(data.choices[0].message.content, 'Hello there, dear reader.')
  assert.equal(data.usage.total_tokens, 10)
  assert.equal(response.headers.get('x-wye-model'), 'a/greet')
  assert.equal(response.headers.get('x-wye-cause'), 'script')
  assert.equal(response.headers.get('x-wye-route'), 'route')
  assert.equal(response.headers.get('x-wye-attempts'), '1')
  assert.ok(response.headers.get('x-wye-id'))
  assert.ok(response.headers.get('x-wye-generation'))
})

test('stream', async () => {
  const stream = await openai.chat.completions.create({ model: 'auto', messages: question(), stream: true })
  let text = ''
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? ''
    assert.equal(chunk.usage ?? null, null, 'usage was not asked for')
    assert.equal(chunk.choices.length, 1, 'the chunk that only carries usage was not asked for')
  }
  assert.equal(text, 'Hello there, dear reader.')
})

test('stream with usage', async () => {
  const options = { model: 'auto', messages: question(), stream: true, stream_options: { include_usage: true } }
  const chunks = []
  for await (const chunk of await openai.chat.completions.create(options)) chunks.push(chunk)
  assert.equal(chunks.at(-1).usage.total_tokens, 10)
  assert.deepEqual(chunks.at(-1).choices, [])
})

test('tool call, whole and streamed', async () => {
  const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } }]
  const options = { model: 'a/tools', messages: question(), tools }
  const reply = await openai.chat.completions.create(options)
  assert.equal(reply.choices[0].finish_reason, 'tool_calls')
  assert.equal(reply.choices[0].message.tool_calls[0].function.arguments, '{"city":"Oslo","days":3}')
  const final = await openai.chat.completions.stream(options).finalChatCompletion()
  assert.equal(final.choices[0].message.tool_calls[0].function.name, 'weather')
  assert.equal(final.choices[0].message.tool_calls[0].function.arguments, '{"city":"Oslo","days":3}')
})

test('abort in mid-stream cancels upstream', async () => {
  const stream = await openai.chat.completions.create({ model: 'a/slow', messages: question(), stream: true })
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content?.startsWith('two')) break
  }
  const call = up.calls.findLast((c) => c.model === 'slow')
  await until('the upstream call to be cancelled', () => call.gone, 2000)
  const [record] = await until('its record', async () => {
    const found = await w.trace('-q', 'requested == "a/slow"')
    return found.length > 0 && found
  })
  assert.equal(record.attempts.at(-1).completion, 'cancelled')
})

test("a provider's error keeps its status, shape and advice", async () => {
  const ask = (model) => openai.chat.completions.create({ model, messages: question() })
  await assert.rejects(ask('a/forbidden'), (e) => e.status === 403 && /not you/.test(e.message) && e.type === 'permission_error')
  await assert.rejects(ask('a/limited'), (e) => e instanceof OpenAI.RateLimitError && e.headers.get('retry-after') === '7')
  await assert.rejects(
    openai.chat.completions.create({ model: 'a/forbidden', messages: question(), stream: true }),
    (e) => e.status === 403,
  )
})

test('an unknown model is 404 and names what is near', async () => {
  const ask = openai.chat.completions.create({ model: 'a/gret', messages: question() })
  await assert.rejects(ask, (e) => e instanceof OpenAI.NotFoundError && e.code === 'model_not_found' && /a\/greet/.test(e.message))
})

test('what is no chat request is 400 in shape', async () => {
  const ask = (body) => openai.post('/chat/completions', { body })
  await assert.rejects(ask({ model: 'auto' }), (e) => e.status === 400 && /messages/.test(e.message))
  await assert.rejects(ask({ model: 7, messages: question() }), (e) => e.status === 400)
  const broken = await fetch(`${w.url}/v1/chat/completions`, { method: 'POST', body: '{"model":' })
  assert.equal(broken.status, 400)
  assert.equal((await broken.json()).error.type, 'invalid_request_error')
  const nowhere = await fetch(`${w.url}/v1/nowhere`)
  assert.equal(nowhere.status, 404)
  assert.ok((await nowhere.json()).error.message)
})

test('models', async () => {
  const ids = []
  for await (const model of openai.models.list()) ids.push(model.id)
  for (const id of ['auto', 'a/greet', 'a/tools']) assert.ok(ids.includes(id), `${id} is listed`)
})
