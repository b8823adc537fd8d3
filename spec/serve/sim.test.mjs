// The simulator in the wires of Anthropic and Gemini: what Anthropic's SDK makes of it, and every fault, which is the same to wye in each wire.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { chat, question } from '../support/client.mjs'
import { ROOT, SLOW } from '../support/process.mjs'
import { serve, sim } from '../support/wye.mjs'

const script = 'return { models = { m = { latency_ms = 0, tokens_per_second = 0, quality = 1 } } }'
const weather = { name: 'get_weather', input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } }
const now = { name: 'clock_now', input_schema: { type: 'object', properties: {} } }
const ask = (text, more) => ({ model: 'm', max_tokens: 500, messages: question(text), ...more })

let played, w, claude
before(async () => {
  played = await sim({ script })
  claude = new Anthropic({ apiKey: 'x', baseURL: played.url, maxRetries: 0 })
})
after(async () => {
  await w?.stop()
  await played?.stop()
})

test('text, whole and streamed, in the order of events that Anthropic has', async () => {
  const whole = await claude.messages.create(ask('hello'))
  assert.equal(whole.stop_reason, 'end_turn')
  const names = []
  const stream = claude.messages.stream(ask('hello')).on('streamEvent', ({ type }) => names.push(type))
  const built = await stream.finalMessage()
  assert.deepEqual(built.content, whole.content)
  assert.deepEqual(built.usage.output_tokens, whole.usage.output_tokens)
  assert.match(names.join(' '), /^message_start content_block_start (content_block_delta )+content_block_stop message_delta message_stop$/)
})

test('tools, with arguments and without, and their results', async () => {
  const { content, stop_reason } = await claude.messages.stream(ask('the weather in Oslo', { tools: [weather, now] })).finalMessage()
  assert.equal(stop_reason, 'tool_use')
  assert.equal(content[0].name, 'get_weather')
  assert.equal(typeof content[0].input.city, 'string')
  const bare = await claude.messages.stream(ask('what does the clock say?', { tools: [weather, now] })).finalMessage()
  assert.deepEqual([bare.content[0].name, bare.content[0].input], ['clock_now', {}])
  const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: content[0].id, content: 'rain' }] }
  const messages = [...question('the weather in Oslo'), { role: 'assistant', content }, result]
  assert.match((await claude.messages.create(ask('', { messages, tools: [weather] }))).content[0].text, /^The tool has answered/)
})

test('thinking, an answer by schema, a limit, a count', async () => {
  const thought = await claude.messages.stream(ask('hello', { thinking: { type: 'enabled', budget_tokens: 1024 } })).finalMessage()
  assert.deepEqual(thought.content.map(({ type }) => type), ['thinking', 'text'])
  assert.ok(thought.content[0].thinking && thought.content[0].signature)
  const schema = { type: 'object', properties: { sure: { type: 'boolean' } }, required: ['sure'], additionalProperties: false }
  const shaped = await claude.messages.create(ask('hello', { output_config: { format: { type: 'json_schema', schema } } }))
  assert.equal(typeof JSON.parse(shaped.content[0].text).sure, 'boolean')
  const short = await claude.messages.create(ask('hello', { max_tokens: 2 }))
  assert.deepEqual([short.stop_reason, short.usage.output_tokens], ['max_tokens', 2])
  const counted = await claude.messages.countTokens({ model: 'm', messages: question('hello') })
  assert.equal(counted.input_tokens, (await claude.messages.create(ask('hello'))).usage.input_tokens)
})

test('errors in the shape of either', async () => {
  await assert.rejects(claude.messages.create({ model: 'm', messages: question('x') }), { status: 400, type: 'invalid_request_error' })
  await played.faults({ faults: [{ model: 'e529', kind: '529' }, { model: 'e429', kind: '429', retry_after: 1.5 }, { model: 'late', kind: 'overloaded_event' }] })
  await assert.rejects(claude.messages.create(ask('x', { model: 'e529' })), { status: 529, type: 'overloaded_error' })
  await assert.rejects(claude.messages.stream(ask('x', { model: 'late' })).finalMessage(), /overloaded_error/)
  const limited = await fetch(`${played.url}/v1beta/models/e429:generateContent`, { method: 'POST', body: '{"contents":[{"parts":[{"text":"x"}]}]}' })
  const { error } = await limited.json()
  assert.deepEqual([error.status, error.details[0].retryDelay], ['RESOURCE_EXHAUSTED', '1.5s'])
})

const WIRES = ['openai', 'anthropic', 'gemini']
const kinds = [...readFileSync(join(ROOT, 'runtime/sim/sim_fault.def'), 'utf8').matchAll(/^FAULT\(\w+, "(\w+)"/gm)].map(([, kind]) => kind)
const statuses = ['400', '401', '404', '429', '500', '503', '529']
// A stream of Gemini's has no last event, so that one byte short is a cut.
const differs = (wire, kind) => wire === 'gemini' && kind === 'cl_short'

function project() {
  const all = [...kinds, ...statuses]
  const base = { openai: `${played.url}/v1`, anthropic: played.url, gemini: played.url }
  return {
    'wye.lua': `return { providers = { ${WIRES.map((kind) => `${kind} = { kind = "${kind}", base_url = "${base[kind]}" }`).join(', ')} },
      models = { ${WIRES.flatMap((wire) => all.map((kind) => `["${wire}/${kind}"] = {}`)).join(', ')} },
      default = "openai/hang" }`,
    'route.lua': `local by_name = {}
      for _, wire in ipairs { ${WIRES.map((wire) => `"${wire}"`).join(', ')} } do
        for _, kind in ipairs { ${all.map((kind) => `"${kind}"`).join(', ')} } do by_name[wire .. "/" .. kind] = wye.model(wire .. "/" .. kind) end
      end
      return function(req) return { by_name[req.prompt], first_token = ${0.3 * SLOW}, idle = ${0.3 * SLOW}, attempt = ${0.6 * SLOW}, total = ${0.9 * SLOW} }, "it" end`,
  }
}

test('every fault is the same failure in each wire', async () => {
  await played.faults({ faults: [...kinds, ...statuses].map((kind) => ({ model: kind, kind })) })
  w = await serve(project())
  const cells = [...kinds, ...statuses].flatMap((kind) => [false, true].flatMap((stream) => WIRES.map((wire) => ({ wire, kind, stream }))))
  const left = [...cells]
  const lane = async () => {
    for (let cell; (cell = left.shift()); ) cell.reply = await chat(w, { model: 'auto', stream: cell.stream, messages: question(`${cell.wire}/${cell.kind}`) })
  }
  await Promise.all(Array.from({ length: 12 }, lane))
  const records = new Map((await w.trace('-n', '1000')).map((record) => [record.id, record]))
  const story = (wire, kind, stream) => {
    const { reply } = cells.find((cell) => cell.wire === wire && cell.kind === kind && cell.stream === stream)
    const { attempts } = records.get(reply.headers['x-wye-id'])
    const status = reply.status === 529 ? 503 : reply.status // which only its own protocol passes on
    return { status, error: attempts[0].error, served: attempts[0].served ?? false, cut: reply.cut }
  }
  for (const { wire, kind, stream } of cells)
    if (wire !== 'openai' && !differs(wire, kind)) assert.deepEqual(story(wire, kind, stream), story('openai', kind, stream), `${wire} ${kind} ${stream ? 'streamed' : 'plain'}`)
})
