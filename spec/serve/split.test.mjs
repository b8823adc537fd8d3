// A provider's stream cut in two at every byte, and into its single bytes: every client reads the same, whichever wire it came in.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventstream } from '../support/eventstream.mjs'
import { chat, question } from '../support/client.mjs'
import { SLOW } from '../support/process.mjs'
import { upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const named = (list) => list.map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}  \n\n`).join('')
const plain = (list, end) => list.map((data) => `data: ${JSON.stringify(data)}${end}`).join('')
const chunk = (delta, finish_reason = null) => ({ id: 'c', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason }] })
const call = (more) => ({ tool_calls: [{ index: 0, ...more }] })
const part = (parts, more) => ({ candidates: [{ content: { role: 'model', parts }, index: 0, ...more }], responseId: 'c', modelVersion: 'm' })

// The same answer of each provider: some text beyond ASCII, and a call.
const STREAMS = {
  openai:
    ': hello\r\n\r\n' +
    plain([
      chunk({ role: 'assistant', content: 'Blå' }), chunk(call({ id: 't', type: 'function', function: { name: 'f', arguments: '{"a"' } })), chunk(call({ function: { arguments: ':1}' } })),
      chunk({}, 'tool_calls'), { id: 'c', choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } },
    ], '\r\n\r\n') + 'data: [DONE]\n\n',
  anthropic: named([
    { type: 'message_start', message: { id: 'c', type: 'message', role: 'assistant', model: 'm', content: [], usage: { input_tokens: 3, output_tokens: 1 } } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }, { type: 'ping' },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Blå' } }, { type: 'content_block_stop', index: 0 },
    { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id: 't', name: 'f', input: {} } },
    { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{"a":1}' } }, { type: 'content_block_stop', index: 1 },
    { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 2 } }, { type: 'message_stop' },
  ]),
  gemini: plain([
    part([{ text: 'Blå' }]), part([{ functionCall: { name: 'f', args: { a: 1 } } }]),
    { ...part([{ text: '' }], { finishReason: 'STOP' }), usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 } },
  ], '\r\n\r\n'),
  bedrock: eventstream([
    ['messageStart', { role: 'assistant' }], ['contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Blå' } }], ['contentBlockStop', { contentBlockIndex: 0 }],
    ['contentBlockStart', { contentBlockIndex: 1, start: { toolUse: { toolUseId: 't', name: 'f' } } }],
    ['contentBlockDelta', { contentBlockIndex: 1, delta: { toolUse: { input: '{"a":1}' } } }], ['contentBlockStop', { contentBlockIndex: 1 }],
    ['messageStop', { stopReason: 'tool_use' }], ['metadata', { usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 } }],
  ]),
}
const TYPES = { bedrock: 'application/vnd.amazon.eventstream' }
const tools = {
  chat: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }],
  messages: [{ name: 'f', input_schema: { type: 'object' } }],
  responses: [{ type: 'function', name: 'f', parameters: { type: 'object' } }],
}
const CLIENTS = {
  chat: { path: '/v1/chat/completions', body: { messages: question(), tools: tools.chat, stream: true, stream_options: { include_usage: true } } },
  messages: { path: '/v1/messages', body: { max_tokens: 9, messages: question(), tools: tools.messages, stream: true } },
  responses: { path: '/v1/responses', body: { input: 'x', tools: tools.responses, stream: true } },
}

let up, w, pieces
const send = (kind) => (request, out) => {
  out.writeHead(200, { 'content-type': TYPES[kind] ?? 'text/event-stream' })
  for (const piece of pieces) out.write(piece) // a chunk each
  out.end()
}
before(async () => {
  up = await upstream()
  const base = up.url.slice(0, -3)
  const more = { openai: `base_url = "${up.url}", responses = false`, bedrock: `base_url = "${base}", region = "us-east-1", key = { env = "ONE_KEY" }` }
  const kinds = Object.keys(STREAMS)
  w = await serve({
    'wye.lua': `return { providers = { ${kinds.map((kind) => `${kind} = { kind = "${kind}", ${more[kind] ?? `base_url = "${base}"`} }`).join(', ')} },
      models = { ${kinds.map((kind) => `["${kind}/m"] = {}`).join(', ')} }, default = "openai/m", direct = true }`,
    'route.lua': 'return function() return wye.model "openai/m" end',
  }, { env: { ONE_KEY: 'k' } })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

// What an answer has of its own, whatever it was made of.
const without_ids = (text, reply) => text.replaceAll(reply.headers['x-wye-id'], 'ID').replace(/"(id|item_id|call_id|created|created_at|completed_at)":("[^"]*"|[\d.]+)/g, '"$1":0')

async function read(kind, client, cut) {
  pieces = cut
  up.models.m = up.models[undefined] = send(kind)
  const reply = await chat(w, { ...CLIENTS[client].body, model: `${kind}/m` }, { path: CLIENTS[client].path })
  assert.equal(reply.status, 200, reply.text)
  return without_ids(reply.text, reply)
}

for (const kind of Object.keys(STREAMS))
  for (const client of Object.keys(CLIENTS))
    test(`${kind} for ${client}`, async () => {
      const bytes = Buffer.from(STREAMS[kind])
      const whole = await read(kind, client, [bytes])
      assert.match(whole, /Blå/)
      assert.equal(await read(kind, client, Array.from(bytes, (byte) => Buffer.of(byte))), whole, 'in single bytes')
      // What a client reads is made of events; how they were cut is told by one client's answer, and spot checks of the others.
      const stride = (client === 'chat' ? 1 : 7) * SLOW
      for (let at = 1; at < bytes.length; at += stride) assert.equal(await read(kind, client, [bytes.subarray(0, at), bytes.subarray(at)]), whole, `cut at ${at}`)
    })
