// The official SDKs hold conversations with providers of another protocol: a tool is called, its result sent back, and what a provider signed returns to it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const sse = { 'content-type': 'text/event-stream' }
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
const frames = (list) => list.map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`).join('')

// A Claude that thinks, signs and answers.
const thinker = (call, out) =>
  out.writeHead(200, sse).end(
    frames([
      { type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [], stop_reason: null, usage: { input_tokens: 8, output_tokens: 1 } } },
      { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'let me see' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'SIGNED' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'Four.' } },
      { type: 'content_block_stop', index: 1 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 5 } },
      { type: 'message_stop' },
    ]),
  )

let up, w, anthropic, openai
before(async () => {
  // Calls the tool until it has been answered.
  const tool = replies.tool('weather', '{"city":"Oslo"}')
  const weather = (call, out) => (call.json.messages.at(-1).role === 'tool' ? replies.chat('Rain in Oslo.') : tool)(call, out)
  const chunk = (delta, finish_reason = null) => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason }] })}\n\n`
  const ponder = replies.raw(chunk({ reasoning_content: 'well' }) + chunk({ content: 'Yes.' }) + chunk({}, 'stop') + 'data: [DONE]\n\n', 'text/event-stream')
  up = await upstream({ weather, thinker, ponder })
  w = await serve({
    'wye.lua': `return {
      providers = {
        gpt = { kind = "openai", base_url = "${up.url}", responses = false },
        claude = { kind = "anthropic", base_url = "${up.url.slice(0, -3)}" },
      },
      models = { ["gpt/weather"] = {}, ["gpt/ponder"] = {}, ["claude/thinker"] = {} }, default = "gpt/weather", direct = true,
    }`,
  })
  anthropic = new Anthropic({ baseURL: w.url, apiKey: 'unused', maxRetries: 0 })
  openai = new OpenAI({ baseURL: `${w.url}/v1`, apiKey: 'unused', maxRetries: 0 })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

const sent = () => up.calls.at(-1).json

test('messages: a tool is called and its result goes back', async () => {
  const tools = [{ name: 'weather', description: 'The weather', input_schema: schema }]
  const messages = [{ role: 'user', content: 'Weather in Oslo?' }]
  const options = { model: 'gpt/weather', max_tokens: 100, system: 'Be brief.', tools }
  const first = await anthropic.messages.stream({ ...options, messages }).finalMessage()
  const call = first.content.find((block) => block.type === 'tool_use')
  assert.deepEqual([first.stop_reason, call.name, call.input], ['tool_use', 'weather', { city: 'Oslo' }])
  assert.equal(first.usage.output_tokens, 3)
  assert.deepEqual(sent().tools[0].function.parameters, schema)

  messages.push({ role: 'assistant', content: first.content })
  messages.push({ role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'rain' }] })
  const second = await anthropic.messages.stream({ ...options, messages }).finalMessage()
  assert.deepEqual([second.stop_reason, second.content[0].text], ['end_turn', 'Rain in Oslo.'])
  assert.deepEqual(sent().messages.map((m) => m.role), ['system', 'user', 'assistant', 'tool'])
  assert.equal(sent().messages[3].tool_call_id, sent().messages[2].tool_calls[0].id)
  assert.equal(sent().messages[3].content, 'rain')
})

test('responses: a tool is called and its result goes back', async () => {
  const tools = [{ type: 'function', name: 'weather', description: 'The weather', parameters: schema, strict: true }]
  const input = [{ role: 'user', content: 'Weather in Oslo?' }]
  const options = { model: 'gpt/weather', instructions: 'Be brief.', tools }
  const first = await openai.responses.stream({ ...options, input }).finalResponse()
  const call = first.output.find((item) => item.type === 'function_call')
  assert.deepEqual([first.status, call.name, call.arguments], ['completed', 'weather', '{"city":"Oslo"}'])
  assert.equal(first.usage.total_tokens, 10)
  assert.equal(first.instructions, 'Be brief.')

  const { call_id, name, arguments: args } = call
  input.push({ type: 'function_call', call_id, name, arguments: args }, { type: 'function_call_output', call_id, output: 'rain' })
  const second = await openai.responses.stream({ ...options, input }).finalResponse()
  assert.equal(second.output[0].content[0].text, 'Rain in Oslo.')
  assert.deepEqual(sent().messages.map((m) => m.role), ['system', 'user', 'assistant', 'tool'])
})

test('messages: thinking that another provider did not sign stays away from one that checks', async () => {
  const first = await anthropic.messages.stream({ model: 'gpt/ponder', max_tokens: 100, messages: [{ role: 'user', content: 'Hm?' }] }).finalMessage()
  assert.deepEqual(first.content.map((block) => block.type), ['thinking', 'text'])
  const messages = [{ role: 'user', content: 'Hm?' }, { role: 'assistant', content: first.content }, { role: 'user', content: 'Sure?' }]
  const second = await anthropic.messages.stream({ model: 'claude/thinker', max_tokens: 100, messages }).finalMessage()
  assert.equal(second.content[1].text, 'Four.')
  assert.deepEqual(sent().messages[1].content, [{ type: 'text', text: 'Yes.' }])

  messages[1].content = second.content
  await anthropic.messages.stream({ model: 'claude/thinker', max_tokens: 100, messages }).finalMessage()
  assert.deepEqual(sent().messages[1].content, second.content)
})

test('chat: signed thinking goes back to who signed it', async () => {
  const messages = [{ role: 'user', content: 'Two and two?' }]
  const stream = await openai.chat.completions.create({ model: 'claude/thinker', messages, stream: true })
  const answer = { role: 'assistant', content: '', reasoning_details: [] }
  let thoughts = ''
  for await (const { choices: [choice] } of stream) {
    answer.content += choice?.delta.content ?? ''
    thoughts += choice?.delta.reasoning_content ?? ''
    answer.reasoning_details.push(...(choice?.delta.reasoning_details ?? []))
  }
  assert.deepEqual([answer.content, thoughts], ['Four.', 'let me see'])
  const next = { model: 'claude/thinker', messages: [...messages, answer, { role: 'user', content: 'Sure?' }], stream: true }
  for await (const chunk of await openai.chat.completions.create(next)) assert.ok(chunk.id)
  assert.deepEqual(sent().messages[1].content, [
    { type: 'thinking', thinking: 'let me see', signature: 'SIGNED' },
    { type: 'text', text: 'Four.' },
  ])
})

test('responses: signed thinking goes back to who signed it', async () => {
  const input = [{ role: 'user', content: 'Two and two?' }]
  const first = await openai.responses.stream({ model: 'claude/thinker', input }).finalResponse()
  assert.equal(first.output[0].summary[0].text, 'let me see')
  await openai.responses.stream({ model: 'claude/thinker', input: [...input, ...first.output, { role: 'user', content: 'Sure?' }] }).finalResponse()
  assert.deepEqual(sent().messages[1].content, [
    { type: 'thinking', thinking: 'let me see', signature: 'SIGNED' },
    { type: 'text', text: 'Four.' },
  ])
})
