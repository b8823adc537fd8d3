// Client and provider speak one protocol: what goes up and what comes down is the same, byte for byte, but for the model's name.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, chat_open, question } from '../support/client.mjs'
import { until } from '../support/process.mjs'
import { recordings, skip } from '../support/shared.mjs'
import { replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const PROTOCOLS = [
  { name: 'messages', provider: 'anthropic', path: '/v1/messages', model: 'claude/m', up: '/v1/messages' },
  { name: 'responses', provider: 'openai', path: '/v1/responses', model: 'gpt/m', up: '/v1/responses' },
  { name: 'chat', provider: 'openai', path: '/v1/chat/completions', model: 'gpt/m', up: '/v1/chat/completions' },
]
const message = (more) => ({ model: 'claude/m', max_tokens: 9, messages: question(), ...more })

let up, w
before(async () => {
  up = await upstream()
  const files = {
    'wye.lua': `return {
      providers = {
        claude = { kind = "anthropic", base_url = "${up.url.slice(0, -3)}", key = { env = "CLAUDE_KEY" } },
        gpt = { kind = "openai", base_url = "${up.url}" },
      },
      models = { ["claude/m"] = { price = { input = 1, cache_read = 0.1, cache_write = 2, output = 10 } }, ["gpt/m"] = {}, ["claude/n"] = {} },
      default = "claude/m", direct = true,
    }`,
    'route.lua': `local m, n = wye.model "claude/m", wye.model "claude/n"
      return function(req)
        wye.note("seen", { prompt = req.prompt, tokens = req.tokens, image = req.has_image, tools = req.has_tools, user = req.user, stream = req.stream })
        return { m, n }, "both"
      end`,
  }
  w = await serve(files, { env: { CLAUDE_KEY: 'sk-ant-canary' } })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

// Answers with these bytes, cut where no event ends.
const recorded = ({ status, type, body }) => async (call, out) => {
  out.writeHead(status, { 'content-type': type })
  for (let at = 0, size = 1; at < body.length; at += size, size = (size * 7 + 3) % 97 || 1) out.write(body.subarray(at, at + size))
  out.end()
}
const events = (list) => list.map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`).join('')
const start = { type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', content: [], usage: { input_tokens: 8, cache_read_input_tokens: 3, output_tokens: 1 } } }
const text = (words) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: words } })
const end = [{ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 5 } }, { type: 'message_stop' }]

for (const protocol of PROTOCOLS) {
  test(`recordings of ${protocol.name} cross unchanged`, { skip }, async () => {
    const found = recordings(protocol.provider, protocol.name).filter(({ status }) => status === 200)
    assert.ok(found.length > 5, 'there are recordings')
    for (const recording of found) {
      up.models.m = recorded(recording)
      const request = { ...recording.request, model: protocol.model }
      if (protocol.name === 'chat' && request.stream) request.stream_options = { include_usage: true }
      const body = JSON.stringify(request)
      const reply = await chat(w, body, { path: protocol.path })
      assert.equal(reply.status, 200, `${recording.name}: ${reply.text.slice(0, 300)}`)
      const failed = /"error":\s*\{/.test(recording.body) && protocol.name === 'chat' // then wye words the error
      if (!failed) assert.equal(reply.text, recording.body.toString(), recording.name)
      const call = up.calls.at(-1)
      assert.equal(call.path, protocol.up)
      assert.equal(call.body.toString(), body.replace(`"${protocol.model}"`, '"m"'), recording.name)
    }
  })
}

test('the key, the version and the beta of Anthropic', async () => {
  up.models.m = replies.raw(JSON.stringify({ id: 'msg_1', type: 'message', content: [], usage: { input_tokens: 1, output_tokens: 2 } }))
  await chat(w, message(), { path: '/v1/messages', headers: { 'x-api-key': 'the-clients', authorization: 'Bearer the-clients' } })
  assert.equal(up.calls.at(-1).headers['x-api-key'], 'sk-ant-canary')
  assert.equal(up.calls.at(-1).headers.authorization, undefined)
  assert.equal(up.calls.at(-1).headers['anthropic-version'], '2023-06-01')
  await chat(w, message(), { path: '/v1/messages', headers: { 'anthropic-version': '2024-01-01', 'anthropic-beta': 'a,b' } })
  assert.equal(up.calls.at(-1).headers['anthropic-version'], '2024-01-01')
  assert.equal(up.calls.at(-1).headers['anthropic-beta'], 'a,b')
})

test('a route sees the request, and the trace the usage in its buckets', async () => {
  up.models.m = (call, out) => out.writeHead(200, { 'content-type': 'text/event-stream' }).end(events([start, { type: 'ping' }, text('hi'), ...end]))
  const content = [{ type: 'text', text: 'what is this?' }, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }]
  const body = message({ model: 'auto', stream: true, messages: [{ role: 'user', content }], metadata: { user_id: 'u7' }, tools: [{ name: 'f', input_schema: { type: 'object' } }] })
  const reply = await chat(w, body, { path: '/v1/messages' })
  assert.equal(reply.text, events([start, { type: 'ping' }, text('hi'), ...end]))
  const [record] = await w.trace('-q', `id == "${reply.headers['x-wye-id']}"`)
  assert.equal(record.served, 'claude/m')
  assert.deepEqual(record.attempts[0].usage, { input: 8, cache_read: 3, cache_write: 0, output: 5, reasoning: 0 })
  assert.ok(Math.abs(record.attempts[0].usd - (8 + 0.3 + 50) / 1e6) < 1e-9)
  const seen = record.notes.find((note) => note.text === 'seen').data
  assert.equal(seen.prompt, 'what is this?')
  assert.equal(seen.user, 'u7')
  assert.deepEqual([seen.image, seen.tools, seen.stream], [true, true, true])
})

test('before content another model takes over; after it the error is the client’s', async () => {
  const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'busy' } }
  up.models.m = (call, out) => out.writeHead(200, { 'content-type': 'text/event-stream' }).end(events([start, { type: 'ping' }, overloaded]))
  up.models.n = (call, out) => out.writeHead(200, { 'content-type': 'text/event-stream' }).end(events([start, text('from n'), ...end]))
  const reply = await chat(w, message({ model: 'auto', stream: true }), { path: '/v1/messages' })
  assert.equal(reply.text, events([start, text('from n'), ...end]))
  assert.equal(reply.headers['x-wye-cause'], 'failover')
  up.models.m = (call, out) => out.writeHead(200, { 'content-type': 'text/event-stream' }).end(events([start, text('a'), overloaded]))
  const late = await chat(w, message({ stream: true }), { path: '/v1/messages' })
  assert.equal(late.text, events([start, text('a'), overloaded]))
  up.models.m = (call, out) => out.writeHead(200, { 'content-type': 'text/event-stream' }).write(events([start, text('a')]), () => out.socket.destroy())
  const cut = await chat(w, message({ stream: true }), { path: '/v1/messages' })
  assert.match(cut.text, /event: error\ndata: \{"type":"error","error":\{"type":"api_error","message":"[^"]+"\},"request_id":"\w+"\}\n\n$/)
})

test('a client that leaves ends the call', async () => {
  up.models.m = (call, out) => out.writeHead(200, { 'content-type': 'text/event-stream' }).write(events([start, text('a')]))
  const live = await chat_open(w, message(), { path: '/v1/messages' })
  await until('content', () => live.text.includes('text_delta'))
  const call = up.calls.at(-1)
  live.close()
  await until('the call to end', () => call.gone)
})

test('errors are in the shape of the protocol, and name the field', async () => {
  const call_count = up.calls.length
  const bad = [
    ['/v1/messages', message({ max_tokens: undefined }), /max_tokens/],
    ['/v1/messages', message({ max_tokens: 'many' }), /max_tokens/],
    ['/v1/messages', message({ messages: undefined }), /messages/],
    ['/v1/messages', message({ messages: [{ role: 'robot', content: 'x' }] }), /messages\.0\.role/],
    ['/v1/messages', message({ messages: [{ role: 'user', content: 7 }] }), /messages\.0\.content/],
    ['/v1/messages', message({ messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: 'x' }] }] }), /messages\.0\.content\.0\.tool_use_id/],
    ['/v1/messages', message({ tools: [{ name: 'f', input_schema: { type: 'thing' } }] }), /tools\.0\.input_schema/],
    ['/v1/messages', message({ messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(21 << 20) } }] }] }), /messages\.0\.content\.0.*20 MiB/],
    ['/v1/responses', { model: 'gpt/m' }, 'input'],
    ['/v1/responses', { model: 'gpt/m', input: 7 }, 'input'],
    ['/v1/responses', { model: 'gpt/m', input: [{ role: 'robot', content: 'x' }] }, 'input[0].role'],
    ['/v1/responses', { model: 'gpt/m', input: [{ type: 'function_call_output', call_id: 'c', output: 'x' }] }, 'input[0].call_id'],
    ['/v1/responses', { model: 'gpt/m', input: 'x', text: { format: { type: 'json_schema', name: 'n', schema: [] } } }, 'text.format.schema'],
    ['/v1/chat/completions', { model: 'gpt/m', messages: [{ role: 'robot', content: 'x' }] }, 'messages[0].role'],
    ['/v1/chat/completions', { model: 'gpt/m', messages: [{ role: 'tool', tool_call_id: 'x', content: 'x' }] }, 'messages[0].tool_call_id'],
    ['/v1/chat/completions', { model: 'gpt/m', messages: question(), response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'thing' } } } }, 'response_format.json_schema.schema'],
    ['/v1/chat/completions', { model: 'gpt/m', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(21 << 20)}` } }] }] }, 'messages[0].content[0]'],
    ['/v1/embeddings', { model: 'gpt/m' }, 'input'],
  ]
  for (const [path, body, field] of bad) {
    const reply = await chat(w, body, { path })
    assert.equal(reply.status, 400, `${path} ${field}: ${reply.text}`)
    if (path === '/v1/messages') {
      assert.equal(reply.json.type, 'error')
      assert.equal(reply.json.error.type, 'invalid_request_error')
      assert.equal(reply.json.request_id, reply.headers['x-wye-id'])
      assert.match(reply.json.error.message, field)
    } else {
      assert.equal(reply.json.error.type, 'invalid_request_error')
      assert.equal(reply.json.error.param, field)
    }
  }
  assert.equal(up.calls.length, call_count, 'nothing was forwarded')
})

test("a provider's own error stays as it is", async () => {
  const error = { type: 'error', error: { type: 'rate_limit_error', message: 'slow down' }, request_id: 'req_1' }
  up.models.m = (call, out) => out.writeHead(429, { 'content-type': 'application/json', 'retry-after': '600' }).end(JSON.stringify(error))
  const reply = await chat(w, message(), { path: '/v1/messages' })
  assert.equal(reply.status, 429)
  assert.deepEqual(reply.json, error)
  assert.equal(reply.headers['retry-after'], '600')
})

test('counting tokens, models, and what is unknown, in Anthropic’s shapes', async () => {
  const count = await chat(w, { model: 'claude/m', messages: question('x'.repeat(398)) }, { path: '/v1/messages/count_tokens' })
  assert.deepEqual(count.json, { input_tokens: 103 })
  const headers = { 'anthropic-version': '2023-06-01' }
  const list = await (await fetch(`${w.url}/v1/models`, { headers })).json()
  assert.ok(list.data.some((model) => model.id === 'claude/m' && model.type === 'model'))
  assert.equal(list.has_more, false)
  const unknown = await chat(w, message({ model: 'claude/x' }), { path: '/v1/messages' })
  assert.equal(unknown.status, 404)
  assert.equal(unknown.json.error.type, 'not_found_error')
})

test('embeddings', async () => {
  const answer = { object: 'list', data: [{ object: 'embedding', index: 0, embedding: [0.25] }], model: 'm', usage: { prompt_tokens: 4, total_tokens: 4 } }
  up.models.m = replies.raw(JSON.stringify(answer))
  const reply = await chat(w, { input: ['one', 'two'], model: 'gpt/m' }, { path: '/v1/embeddings' })
  assert.deepEqual(reply.json, answer)
  assert.equal(up.calls.at(-1).path, '/v1/embeddings')
  assert.deepEqual(up.calls.at(-1).json, { input: ['one', 'two'], model: 'm' })
  assert.equal((await w.decision(reply.headers['x-wye-id'])).attempts[0].usage.input, 4)
})

test('a key of wye comes as Anthropic’s clients send theirs, and is refused in their shape', async () => {
  const keyed = await serve({ 'wye.lua': `return { providers = { claude = { kind = "anthropic", base_url = "${up.url.slice(0, -3)}" } }, models = { ["claude/m"] = {} }, default = "claude/m", direct = true }` })
  const made = JSON.parse((await keyed.cli('key', 'add', 'anna', '--json', '--rpm', '1')).stdout)
  up.models.m = replies.raw(JSON.stringify({ type: 'message', content: [] }))
  const ask = (key) => chat(keyed, message(), { path: '/v1/messages', headers: key ? { 'x-api-key': key } : {} })
  await until('the key to be known', async () => (await ask()).status === 401)
  assert.equal((await ask()).json.error.type, 'authentication_error')
  assert.equal((await ask(made.secret)).status, 200)
  const limited = await ask(made.secret)
  assert.equal(limited.status, 429)
  assert.equal(limited.json.error.type, 'rate_limit_error')
  await keyed.stop()
  const get = await fetch(`${w.url}/v1/messages`)
  assert.equal(get.status, 405)
  assert.equal((await get.json()).type, 'error')
})
