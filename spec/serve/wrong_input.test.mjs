// What is wrong with a request is a 400 in the shape of its protocol that names the member, whichever kind of provider it was for, and no provider hears of it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const KINDS = ['openai', 'azure', 'anthropic', 'gemini', 'bedrock', 'sim']
const LARGE = 'A'.repeat(28 << 20) // 21 MiB of an image in base64

const no_schema = { type: 'thing' }
const image = `data:image/png;base64,${LARGE}`
const user = (content) => [{ role: 'user', content }]

// What is wrong, and the member that the answer names.
const WRONG = {
  '/v1/chat/completions': {
    good: { messages: question() },
    'messages': [{ messages: undefined }, { messages: 'hello' }, { messages: [] }],
    'messages[0].role': [{ messages: [{ role: 'robot', content: 'x' }] }],
    'messages[0].content': [{ messages: user(7) }],
    'messages[0].tool_call_id': [{ messages: [{ role: 'tool', tool_call_id: 'nobody', content: 'x' }] }],
    'messages[0].content[0]': [{ messages: user([{ type: 'image_url', image_url: { url: image } }]) }],
    'temperature': [{ temperature: 'hot' }],
    'max_tokens': [{ max_tokens: 'many' }],
    'tools': [{ tools: 'all' }],
    'tools[0].function.parameters': [{ tools: [{ type: 'function', function: { name: 'f', parameters: no_schema } }] }],
    'response_format.json_schema.schema': [{ response_format: { type: 'json_schema', json_schema: { name: 'n', schema: no_schema } } }],
  },
  '/v1/messages': {
    good: { max_tokens: 9, messages: question() },
    'messages': [{ messages: undefined }, { messages: 'hello' }, { messages: [] }],
    'max_tokens': [{ max_tokens: undefined }, { max_tokens: 'many' }],
    'messages.0.role': [{ messages: [{ role: 'robot', content: 'x' }] }],
    'messages.0.content': [{ messages: user(7) }],
    'messages.0.content.0.tool_use_id': [{ messages: user([{ type: 'tool_result', tool_use_id: 'nobody', content: 'x' }]) }],
    'messages.0.content.0': [{ messages: user([{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: LARGE } }]) }],
    'temperature': [{ temperature: 'hot' }],
    'tools': [{ tools: 'all' }],
    'tools.0.input_schema': [{ tools: [{ name: 'f', input_schema: no_schema }] }],
  },
  '/v1/responses': {
    good: { input: 'x' },
    'input': [{ input: undefined }, { input: 7 }],
    'input[0].role': [{ input: [{ role: 'robot', content: 'x' }] }],
    'input[0].content': [{ input: user(7) }],
    'input[0].call_id': [{ input: [{ type: 'function_call_output', call_id: 'nobody', output: 'x' }] }],
    'input[0].content[0]': [{ input: user([{ type: 'input_image', image_url: image }]) }],
    'temperature': [{ temperature: 'hot' }],
    'tools': [{ tools: 'all' }],
    'tools[0].parameters': [{ tools: [{ type: 'function', name: 'f', parameters: no_schema }] }],
    'text.format.schema': [{ text: { format: { type: 'json_schema', name: 'n', schema: no_schema } } }],
  },
}

let up, w
before(async () => {
  up = await upstream()
  const base = up.url.slice(0, -3)
  const more = { azure: `base_url = "${base}/openai/v1"`, bedrock: `base_url = "${base}", region = "us-east-1", key = { env = "ONE_KEY" }`, openai: `base_url = "${up.url}"`, sim: '' }
  const files = {
    'wye.lua': `return {
      providers = { ${KINDS.map((kind) => `p_${kind} = { kind = "${kind}", ${more[kind] ?? `base_url = "${base}"`} }`).join(', ')} },
      models = { ${KINDS.map((kind) => `["p_${kind}/m"] = {}`).join(', ')} }, default = "p_openai/m", direct = true,
      limits = { body = "40MB" } }`,
    'route.lua': 'return function() return wye.model "p_openai/m" end',
  }
  w = await serve(files, { env: { ONE_KEY: 'k' } })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

// The member itself, or one inside it.
const names = (told, member) => told === member || told.startsWith(`${member}.`) || told.startsWith(`${member}[`)

function check(path, member, reply, what) {
  assert.equal(reply.status, 400, `${what}: ${reply.status} ${reply.text.slice(0, 200)}`)
  const { error } = reply.json
  assert.equal(error.type, 'invalid_request_error', what)
  if (path === '/v1/messages') {
    assert.equal(reply.json.type, 'error', what)
    assert.ok(error.message.includes(member), `${what}: ${error.message}`)
  } else assert.ok(names(String(error.param), member), `${what}: param ${error.param}: ${error.message}`)
}

for (const [path, { good, ...wrong }] of Object.entries(WRONG))
  test(`POST ${path}`, async () => {
    for (const kind of KINDS)
      for (const [member, list] of Object.entries(wrong))
        for (const members of list) {
          const reply = await chat(w, { ...good, ...members, model: `p_${kind}/m` }, { path })
          check(path, member, reply, `${member} for ${kind}`)
        }
    assert.equal(up.calls.length, 0, 'nothing was forwarded')
  })
