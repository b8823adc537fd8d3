// Client and provider speak different protocols: what the one says reaches the other in its own words, and the answer comes back in the client's.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, chat_open, question } from '../support/client.mjs'
import { until } from '../support/process.mjs'
import { replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const json = { 'content-type': 'application/json' }
const sse = { 'content-type': 'text/event-stream' }
const frames = (list, named) => list.map((data) => `${named ? `event: ${data.type}\n` : ''}data: ${JSON.stringify(data)}\n\n`).join('')

// The same answer in each provider's words.
const SAY = {
  claude: {
    whole: (text) => ({ id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [{ type: 'text', text }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 8, output_tokens: 5 } }),
    stream: (text) => frames([
      { type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [], stop_reason: null, usage: { input_tokens: 8, output_tokens: 1 } } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'ping' },
      ...text.match(/\S+\s*/g).map((word) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: word } })),
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 5 } },
      { type: 'message_stop' },
    ], true),
    said: (call) => JSON.stringify(call.json.messages),
  },
  gem: {
    whole: (text) => ({ candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP', index: 0 }], usageMetadata: { promptTokenCount: 8, candidatesTokenCount: 5, totalTokenCount: 13 }, modelVersion: 'm', responseId: 'r1' }),
    stream: (text) => frames([
      ...text.match(/\S+\s*/g).map((word) => ({ candidates: [{ content: { role: 'model', parts: [{ text: word }] }, index: 0 }], usageMetadata: { promptTokenCount: 8 }, modelVersion: 'm', responseId: 'r1' })),
      { candidates: [{ content: { role: 'model', parts: [{ text: '' }] }, finishReason: 'STOP', index: 0 }], usageMetadata: { promptTokenCount: 8, candidatesTokenCount: 5, totalTokenCount: 13 }, modelVersion: 'm', responseId: 'r1' },
    ]),
    said: (call) => JSON.stringify(call.json.contents),
  },
  gpt: {
    whole: (text) => ({ id: 'c1', object: 'chat.completion', created: 1, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }], usage: { prompt_tokens: 8, completion_tokens: 5, total_tokens: 13 } }),
    stream: (text) => frames([
      ...text.match(/\S+\s*/g).map((word) => ({ id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { role: 'assistant', content: word }, finish_reason: null }] })),
      { id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
      { id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [], usage: { prompt_tokens: 8, completion_tokens: 5, total_tokens: 13 } },
    ]) + 'data: [DONE]\n\n',
    said: (call) => JSON.stringify(call.json.messages),
  },
}

// How each client asks, and what it reads in the answer.
const CLIENTS = {
  chat: {
    path: '/v1/chat/completions',
    body: (model, text, stream) => ({ model, messages: question(text), stream, ...(stream ? { stream_options: { include_usage: true } } : {}) }),
    text: (reply) => (reply.events ? reply.content : reply.json.choices[0].message.content),
    tokens: (reply) => [(reply.events?.at(-1) ?? reply.json).usage.prompt_tokens, (reply.events?.at(-1) ?? reply.json).usage.completion_tokens],
    ended: (reply) => (reply.events ? reply.done && reply.events.some((e) => e.choices[0]?.finish_reason === 'stop') : reply.json.choices[0].finish_reason === 'stop'),
  },
  messages: {
    path: '/v1/messages',
    body: (model, text, stream) => ({ model, messages: question(text), max_tokens: 100, stream }),
    text: (reply) => (reply.events ? reply.events.map((e) => e.delta?.text ?? '').join('') : reply.json.content[0].text),
    tokens: (reply) => (reply.events ? [8, reply.events.find((e) => e.type === 'message_delta').usage.output_tokens] : [reply.json.usage.input_tokens, reply.json.usage.output_tokens]),
    ended: (reply) => (reply.events ? reply.events.at(-1).type === 'message_stop' && reply.events.at(-2).delta.stop_reason === 'end_turn' : reply.json.stop_reason === 'end_turn'),
  },
  responses: {
    path: '/v1/responses',
    body: (model, text, stream) => ({ model, input: text, stream }),
    text: (reply) => (reply.events ? reply.events.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join('') : reply.json.output.find((item) => item.type === 'message').content[0].text),
    tokens: (reply) => {
      const { usage } = reply.events?.at(-1).response ?? reply.json
      return [usage.input_tokens, usage.output_tokens]
    },
    ended: (reply) => (reply.events?.at(-1).response ?? reply.json).status === 'completed',
  },
}

let up, w
before(async () => {
  up = await upstream()
  const files = {
    'wye.lua': `return {
      providers = {
        claude = { kind = "anthropic", base_url = "${up.url.slice(0, -3)}", key = { env = "ONE_KEY" } },
        gem = { kind = "gemini", base_url = "${up.url.slice(0, -3)}", key = { env = "ONE_KEY" } },
        gpt = { kind = "openai", base_url = "${up.url}", responses = false },
      },
      models = { ["claude/m"] = {}, ["gem/m"] = {}, ["gpt/m"] = {} },
      default = "claude/m", direct = true,
    }`,
    'ask.lua': `local claude = wye.model "claude/m"
      return function(req)
        local reply, err = claude:ask(req)
        if not reply then return wye.refuse(502, err.kind .. ": " .. err.message) end
        wye.note("asked", { text = reply.text, finish = reply.finish, usage = reply.usage, messages = req.messages })
        return reply, "held"
      end`,
    'list.lua': `local claude, gem, gpt = wye.model "claude/m", wye.model "gem/m", wye.model "gpt/m"
      return function() return { claude, gem, gpt }, "in turn" end`,
    'derived.lua': `local claude = wye.model "claude/m":with { system = "Be brief.", temperature = 0.5 }
      return function() return claude, "with" end`,
  }
  w = await serve(files, { env: { ONE_KEY: 'the-key' } })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

// Whatever the path, the upstream answers as that provider does.
function answer_as(provider, text) {
  const reply = (call, out) => {
    const streams = call.json.stream || call.path.includes('stream')
    out.writeHead(200, streams ? sse : json).end(streams ? SAY[provider].stream(text) : JSON.stringify(SAY[provider].whole(text)))
  }
  up.models.m = up.models[undefined] = reply
}
const ask = (client, model, text, stream) => chat(w, CLIENTS[client].body(model, text, stream), { path: CLIENTS[client].path })
const record_of = async (reply) => (await w.trace('-q', `id == "${reply.headers['x-wye-id']}"`))[0]

const native = { claude: 'messages', gpt: 'chat' }
for (const provider of Object.keys(SAY))
  for (const client of Object.keys(CLIENTS))
    for (const stream of [false, true])
      test(`${client} to ${provider}${stream ? ', streamed' : ''}`, async () => {
        answer_as(provider, 'Hello there, dear reader.')
        const reply = await ask(client, `${provider}/m`, 'how do you do?', stream)
        assert.equal(reply.status, 200, reply.text)
        assert.equal(reply.headers['x-wye-model'], `${provider}/m`)
        assert.equal(CLIENTS[client].text(reply), 'Hello there, dear reader.')
        assert.deepEqual(CLIENTS[client].tokens(reply), [8, 5])
        assert.ok(CLIENTS[client].ended(reply), reply.text)
        assert.match(SAY[provider].said(up.calls.at(-1)), /how do you do\?/)
        const { attempts } = await record_of(reply)
        assert.equal(attempts[0].usage.input, 8)
        assert.equal(attempts[0].usage.output, 5)
        assert.equal(attempts[0].completion, 'succeeded')
        if (provider === 'gem') assert.match(up.calls.at(-1).path, stream ? /^\/v1beta\/models\/m:streamGenerateContent\?alt=sse$/ : /^\/v1beta\/models\/m:generateContent$/)
        if (native[provider] === client) assert.equal(up.calls.at(-1).json.model, 'm')
      })

test('each kind is shown its key in its own way', async () => {
  answer_as('gem', 'x')
  await ask('chat', 'gem/m', 'x')
  assert.equal(up.calls.at(-1).headers['x-goog-api-key'], 'the-key')
  answer_as('claude', 'x')
  await ask('chat', 'claude/m', 'x')
  assert.equal(up.calls.at(-1).headers['x-api-key'], 'the-key')
  assert.equal(up.calls.at(-1).headers['anthropic-version'], '2023-06-01')
})

test('the provider’s id of the request comes under the client’s name for it', async () => {
  const reply = (call, out) => out.writeHead(200, { ...json, 'request-id': 'req_7' }).end(JSON.stringify(SAY.claude.whole('x')))
  up.models.m = reply
  assert.equal((await ask('chat', 'claude/m', 'x')).headers['x-request-id'], 'req_7')
  assert.equal((await ask('messages', 'claude/m', 'x')).headers['request-id'], 'req_7')
  up.models.m = (call, out) => out.writeHead(200, { ...sse, 'x-request-id': 'req_8' }).end(SAY.gpt.stream('x'))
  assert.equal((await ask('messages', 'gpt/m', 'x', true)).headers['request-id'], 'req_8')
})

test('embeddings of a provider of another kind', async () => {
  up.models[undefined] = (call, out) => out.writeHead(200, json).end(JSON.stringify({ embeddings: [{ values: [0.5, -1] }, { values: [1, 2] }] }))
  const reply = await chat(w, { model: 'gem/m', input: ['one', 'two'] }, { path: '/v1/embeddings' })
  assert.equal(reply.status, 200, reply.text)
  assert.deepEqual(reply.json.data.map((item) => item.embedding), [[0.5, -1], [1, 2]])
  assert.equal(up.calls.at(-1).path, '/v1beta/models/m:batchEmbedContents')
  const none = await chat(w, { model: 'claude/m', input: 'one' }, { path: '/v1/embeddings' })
  assert.equal(none.status, 400)
  assert.match(none.json.error.message, /make no embeddings/)
})

test('what a provider cannot express is a note in the trace', async () => {
  answer_as('claude', 'x')
  const reply = await chat(w, { model: 'claude/m', messages: question(), seed: 7 })
  const { notes } = await record_of(reply)
  assert.ok(notes.some(({ text }) => /^dropped: .*seed/.test(text)), JSON.stringify(notes))
})

for (const [path, tools, kinds] of [
  ['/v1/responses', [{ type: 'web_search' }, { type: 'file_search', vector_store_ids: ['v'] }, { type: 'function', name: 'f', parameters: { type: 'object' } }], 'web_search, file_search'],
  ['/v1/messages', [{ type: 'web_search_20250305', name: 'web_search' }], 'web_search_20250305'],
])
  test(`a tool that only the client's own provider runs is left out, and said by name: ${path}`, async () => {
    const body = path === '/v1/messages' ? { max_tokens: 9, messages: question() } : { input: 'x' }
    for (const name of ['claude', 'gem', 'gpt'].filter((name) => path !== '/v1/messages' || name !== 'claude')) {
      answer_as(name, 'x')
      const reply = await chat(w, { ...body, model: `${name}/m`, tools }, { path })
      assert.equal(reply.status, 200, reply.text)
      assert.doesNotMatch(JSON.stringify(up.calls.at(-1).json.tools ?? []), /search/)
      const { notes } = await record_of(reply)
      const said = `dropped: hosted tools ${kinds}: only the provider that has them runs them`
      assert.ok(notes.some(({ text }) => text === `${said} (${name}/m)`), JSON.stringify(notes))
      assert.match((await w.cli('why', reply.headers['x-wye-id'])).stdout, new RegExp(`Notes\\n +[0-9.]+ ms +${said}`))
    }
  })

test('what is wrong with a request is found before it is sent', async () => {
  const before = up.calls.length
  const reply = await chat(w, { model: 'gem/m', input: 'x', previous_response_id: 'resp_1' }, { path: '/v1/responses' })
  assert.equal(reply.status, 400, reply.text)
  assert.equal(reply.json.error.param, 'previous_response_id')
  assert.equal(up.calls.length, before)
})

test('what would keep a worker busy for long is refused, where it must be translated', async () => {
  const many = Array.from({ length: 80000 }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: 'x' }))
  for (const messages of [many, question('\n'.repeat(5_000_000))]) {
    const reply = await chat(w, { model: 'gpt/m', max_tokens: 5, messages }, { path: '/v1/messages' })
    assert.equal(reply.status, 400, reply.text)
    assert.match(reply.json.error.message, /more than 200000 values/)
    answer_as('claude', 'As it is.')
    assert.equal((await chat(w, { model: 'claude/m', max_tokens: 5, messages }, { path: '/v1/messages' })).status, 200)
  }
  assert.equal((await w.workers())[0].restarts, 0)
})

for (const client of Object.keys(CLIENTS))
  for (const stream of [false, true])
    test(`a reply that the route holds, to ${client}${stream ? ', streamed' : ''}`, async () => {
      answer_as('claude', 'Held and judged.')
      const reply = await ask(client, 'wye/ask', 'judge this', stream)
      assert.equal(reply.status, 200, reply.text)
      assert.equal(CLIENTS[client].text(reply), 'Held and judged.')
      assert.ok(CLIENTS[client].ended(reply), reply.text)
      const { notes } = await record_of(reply)
      const { data } = notes.find((note) => note.text === 'asked')
      assert.equal(data.text, 'Held and judged.')
      assert.equal(data.finish, 'stop')
      assert.equal(data.usage.output, 5)
      assert.equal(data.messages.at(-1).role, 'user')
    })

for (const client of Object.keys(CLIENTS))
  test(`model:with for a client of ${client}`, async () => {
    answer_as('claude', 'Short.')
    const reply = await ask(client, 'wye/derived', 'go on', true)
    assert.equal(CLIENTS[client].text(reply), 'Short.')
    const sent = up.calls.at(-1).json
    assert.match(JSON.stringify(sent.system), /Be brief\./)
    assert.equal(sent.temperature, 0.5)
    assert.equal(sent.stream, true)
  })

test('model:with changes nothing else of a request in its provider’s own protocol', async () => {
  answer_as('claude', 'Short.')
  const body = '{"metadata":{"user_id":"u"},"system":[{"type":"text","text":"Be long.","cache_control":{"type":"ephemeral"}}], "messages":[{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}],"model":"wye/derived","max_tokens":9,"odd" : [ ]}'
  await chat(w, body, { path: '/v1/messages' })
  const sent = up.calls.at(-1).body.toString()
  assert.equal(sent, body.replace(/"system":\[.*?\}\}?\]/, '"system":"Be brief."').replace('"wye/derived"', '"m"').replace('[ ]}', '[ ],"temperature":0.5}'))
})

test('errors of a provider in the shape of the client', async () => {
  up.models.m = up.models[undefined] = (call, out) =>
    out.writeHead(429, json).end(JSON.stringify({ error: { code: 429, message: 'Quota is used up', status: 'RESOURCE_EXHAUSTED', details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '3600s' }] } }))
  const claude = await ask('messages', 'gem/m', 'x')
  assert.equal(claude.status, 429)
  assert.equal(claude.json.error.type, 'rate_limit_error')
  assert.match(claude.json.error.message, /Quota is used up/)
  assert.equal(claude.headers['retry-after'], '3600')
  const gpt = await ask('chat', 'gem/m', 'x')
  assert.equal(gpt.json.error.code, 'rate_limit')
  up.models.m = up.models[undefined] = (call, out) => out.writeHead(401, json).end(JSON.stringify({ type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' } }))
  const auth = await ask('responses', 'claude/m', 'x')
  assert.equal(auth.status, 401)
  assert.equal(auth.json.error.type, 'authentication_error')
})

test('a list goes over to a provider of another kind', async () => {
  answer_as('gpt', 'From the third.')
  const third = up.models.m
  up.models[undefined] = (call, out) => out.writeHead(503, json).end('{"error":{"code":503,"message":"no","status":"UNAVAILABLE"}}')
  up.models.m = (call, out) => (call.path === '/v1/messages' ? out.writeHead(529, json).end('{"type":"error","error":{"type":"overloaded_error","message":"busy"}}') : third(call, out))
  for (const client of Object.keys(CLIENTS)) {
    const reply = await ask(client, 'wye/list', 'x', true)
    assert.equal(reply.status, 200, reply.text)
    assert.equal(CLIENTS[client].text(reply), 'From the third.')
    assert.equal(reply.headers['x-wye-cause'], 'failover')
    assert.equal(reply.headers['x-wye-model'], 'gpt/m')
  }
})

test('a translated stream that breaks ends in an error of the client’s protocol, and one that is left ends upstream', async () => {
  const begun = SAY.claude.stream('one two').split('event: content_block_stop')[0]
  up.models.m = (call, out) => out.writeHead(200, sse).write(begun, () => out.socket.destroy())
  const cut = await ask('chat', 'claude/m', 'x', true)
  assert.match(cut.error.message, /closed inside the reply/)
  const responses = await ask('responses', 'claude/m', 'x', true)
  assert.equal(responses.events.at(-1).type, 'error')
  up.models.m = (call, out) => out.writeHead(200, sse).write(begun)
  const live = await chat_open(w, CLIENTS.responses.body('claude/m', 'x'), { path: '/v1/responses' })
  await until('content', () => live.text.includes('output_text.delta'))
  const call = up.calls.at(-1)
  live.close()
  await until('the call to end', () => call.gone)
})

test('a tool is called and answered over two protocols', async () => {
  const tool = { id: 'toolu_1', type: 'tool_use', name: 'weather', input: { city: 'Oslo' } }
  up.models.m = (call, out) => out.writeHead(200, json).end(JSON.stringify({ ...SAY.claude.whole('x'), content: [tool], stop_reason: 'tool_use' }))
  const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }]
  const first = await chat(w, { model: 'claude/m', messages: question('how is it in Oslo?'), tools })
  const { message, finish_reason } = first.json.choices[0]
  assert.equal(finish_reason, 'tool_calls')
  assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { city: 'Oslo' })
  answer_as('claude', 'Rain.')
  const messages = [...question('how is it in Oslo?'), message, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'rain' }]
  const second = await chat(w, { model: 'claude/m', messages, tools })
  assert.equal(second.json.choices[0].message.content, 'Rain.')
  const sent = up.calls.at(-1).json
  assert.equal(sent.messages.at(-1).content[0].type, 'tool_result')
  assert.equal(sent.messages.at(-1).content[0].tool_use_id, sent.messages.at(-2).content.find((block) => block.type === 'tool_use').id)
})
