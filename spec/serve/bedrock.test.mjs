// Bedrock: signed requests, replies and event streams in AWS's framing, for a client of any protocol.
import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { event, message } from '../support/eventstream.mjs'
import { upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const MODEL = 'anthropic.claude-3-5-sonnet-20240620-v1:0'
const json = { 'content-type': 'application/json' }
const binary = { 'content-type': 'application/vnd.amazon.eventstream' }

let up, w
before(async () => {
  up = await upstream()
  const url = up.url.slice(0, -3)
  const files = {
    'wye.lua': `return {
      providers = {
        signed = { kind = "bedrock", base_url = "${url}", region = "eu-west-1", key = { env = "ID" }, secret = { env = "SECRET" }, session = { env = "SESSION" } },
        bearer = { kind = "bedrock", base_url = "${url}", region = "eu-west-1", key = { env = "TOKEN" } },
        poor = { kind = "bedrock", base_url = "${url}", region = "eu-west-1", key = { env = "ID" }, secret = { env = "MISSING" } },
      },
      models = { ["signed/m"] = { name = "${MODEL}" }, ["bearer/m"] = { name = "${MODEL}" }, ["poor/m"] = {} },
      default = "signed/m", direct = true,
    }`,
  }
  w = await serve(files, { env: { ID: 'AKIDEXAMPLE', SECRET: 'wJalrXUtnFEMI', SESSION: 'the-session', TOKEN: 'the-token' } })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

const begun = [event('messageStart', { role: 'assistant' }), event('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Hello ' } })]
const whole = [
  ...begun,
  event('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'there.' } }),
  event('contentBlockStop', { contentBlockIndex: 0 }),
  event('messageStop', { stopReason: 'end_turn' }),
  event('metadata', { usage: { inputTokens: 8, outputTokens: 5, totalTokens: 13 }, metrics: { latencyMs: 7 } }),
]
// In pieces that end where no message does.
const stream = (frames) => (call, out) => {
  const bytes = Buffer.concat(frames)
  out.writeHead(200, binary)
  for (let at = 0; at < bytes.length; at += 13) out.write(bytes.subarray(at, at + 13))
  out.end()
}
const answer = (reply) => (up.models[undefined] = reply)
const ask = (model, more) => chat(w, { model, messages: question('how do you do?'), ...more })

test('a whole reply, and the path of the model', async () => {
  answer((call, out) => out.writeHead(200, json).end(JSON.stringify({
    output: { message: { role: 'assistant', content: [{ text: 'Hello there.' }] } }, stopReason: 'end_turn', usage: { inputTokens: 8, outputTokens: 5, totalTokens: 13 },
  })))
  const reply = await ask('signed/m')
  assert.equal(reply.status, 200, reply.text)
  assert.equal(reply.json.choices[0].message.content, 'Hello there.')
  assert.equal(reply.json.usage.prompt_tokens, 8)
  assert.equal(up.calls.at(-1).path, `/model/${encodeURIComponent(MODEL)}/converse`)
})

test('a stream, to clients of two protocols', async () => {
  answer(stream(whole))
  const reply = await ask('signed/m', { stream: true })
  assert.equal(reply.content, 'Hello there.')
  assert.ok(reply.done)
  assert.equal(up.calls.at(-1).path, `/model/${encodeURIComponent(MODEL)}/converse-stream`)
  const other = await chat(w, { model: 'bearer/m', max_tokens: 9, messages: question(), stream: true }, { path: '/v1/messages' })
  assert.equal(other.events.map((e) => e.delta?.text ?? '').join(''), 'Hello there.')
  assert.equal(other.events.at(-1).type, 'message_stop')
  const [record] = await w.trace('-q', `id == "${other.headers['x-wye-id']}"`)
  assert.equal(record.attempts[0].usage.output, 5)
})

test('what breaks a stream', async () => {
  const cases = [
    [[message('exception', ':exception-type', 'throttlingException', { message: 'slow down' })], 429, /slow down/],
    [[Buffer.from('no event stream at all, whatever its type says')], 502, /broken/],
    [[event('messageStart', { role: 'assistant' })], 502, /ended before/],
    [[begun[0], begun[1].subarray(0, 20)], 502, /ended before/],
  ]
  for (const [frames, status, words] of cases) {
    answer(stream(frames))
    const reply = await ask('bearer/m', { stream: true })
    assert.equal(reply.status, status, reply.text)
    assert.match(reply.json.error.message, words)
  }
  answer(stream([...begun, message('exception', ':exception-type', 'modelStreamErrorException', { message: 'it burst' })]))
  const late = await ask('bearer/m', { stream: true })
  assert.equal(late.status, 200)
  assert.match(late.error.message, /it burst/)
})

test('an error with a message', async () => {
  answer((call, out) => out.writeHead(400, { ...json, 'x-amzn-errortype': 'ValidationException' }).end('{"message":"no such model"}'))
  const reply = await ask('bearer/m')
  assert.equal(reply.status, 400)
  assert.match(reply.json.error.message, /no such model/)
})

const sha = (text) => createHash('sha256').update(text).digest('hex')
const hmac = (key, text) => createHmac('sha256', key).update(text).digest()

test('the signature is that of the request as it came', async () => {
  answer(stream(whole))
  await ask('signed/m', { stream: true })
  const { headers, path, body } = up.calls.at(-1)
  const [, date, names, signature] = /Credential=AKIDEXAMPLE\/(\d{8})\/eu-west-1\/bedrock\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(headers.authorization)
  assert.equal(headers['x-amz-security-token'], 'the-session')
  assert.ok(names.split(';').includes('host'))
  const fields = names.split(';').map((name) => `${name}:${headers[name]}\n`).join('')
  const canonical = ['POST', path.split('/').map(encodeURIComponent).join('/'), '', fields, names, sha(body)].join('\n')
  const scope = `${date}/eu-west-1/bedrock/aws4_request`
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha(canonical)].join('\n')
  const key = ['eu-west-1', 'bedrock', 'aws4_request'].reduce(hmac, hmac('AWS4wJalrXUtnFEMI', date))
  assert.equal(signature, hmac(key, text).toString('hex'))
})

test('a bearer token goes as one, and a missing secret is named', async () => {
  answer(stream(whole))
  await ask('bearer/m', { stream: true })
  assert.equal(up.calls.at(-1).headers.authorization, 'Bearer the-token')
  const reply = await ask('poor/m')
  assert.equal(reply.status, 502)
  assert.match(reply.json.error.message, /MISSING is not set/)
})
