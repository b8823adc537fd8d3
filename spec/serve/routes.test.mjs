// The shipped routes, each model played by an upstream that says what the test needs.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const shipped = (path) => readFileSync(new URL(`../../routes/${path}`, import.meta.url), 'utf8')
const invoice = { number: 'A-1', date: '2026-01-02', currency: 'EUR', total: 3, lines: [{ text: 'tea', amount: 3 }] }

let up, w
before(async () => {
  up = await upstream()
  const files = project(up, ['local/8b', 'local/70b', 'openai/mini', 'openai/gpt', 'anthropic/opus', 'anthropic/sonnet'])
  for (const name of ['local', 'openai', 'anthropic'])
    files['wye.lua'] = files['wye.lua'].replace('providers = {', `providers = {\n    ["${name}"] = { kind = "openai", base_url = "${up.url}" },`)
  for (const path of ['cascade.lua', 'failover.lua', ...readdirSync(new URL('../../routes/prompts', import.meta.url)).map((name) => `prompts/${name}`), 'schemas/invoice.json', 'calibrations/invoice.json'])
    files[path] = shipped(path)
  w = await serve(files)
})
after(async () => {
  await w?.stop()
  up?.stop()
})

// A reply of which the model was as sure as that: the probability of each of its tokens.
const sure = (content, p) => replies.raw(JSON.stringify({ id: 'c1', object: 'chat.completion', created: 1, model: 'm', choices: [{
  index: 0, message: { role: 'assistant', content }, finish_reason: 'stop',
  logprobs: { content: [{ token: content, logprob: Math.log(p), bytes: null, top_logprobs: [] }] } }] }))

async function cascade(reply) {
  up.models['8b'] = reply
  const { headers } = await chat(w, { model: 'wye/cascade', messages: question() })
  return headers['x-wye-model']
}

test('cascade keeps a cheap answer that is valid and sure, and climbs from any other', async () => {
  up.models.mini = replies.chat('no JSON')
  assert.equal(await cascade(sure(JSON.stringify(invoice), 0.97)), 'local/8b')
  assert.equal(await cascade(sure(JSON.stringify(invoice), 0.4)), 'anthropic/opus')
  assert.equal(await cascade(sure(JSON.stringify({ ...invoice, total: '3' }), 0.97)), 'anthropic/opus')
  assert.equal(await cascade(replies.status(500)), 'anthropic/opus')
  up.models.mini = sure(JSON.stringify(invoice), 0.99)
  assert.equal(await cascade(sure('no JSON', 0.97)), 'openai/mini')
  const sent = up.calls.findLast((call) => call.model === 'mini').json
  assert.equal(sent.logprobs, true)
  assert.deepEqual(sent.messages[0], { role: 'system', content: shipped('prompts/invoice.md') })
  delete up.models.mini
})

test('failover sends each model the prompt that suits it', async () => {
  Object.assign(up.models, { sonnet: replies.status(503), gpt: replies.status(503) })
  const tools = [{ type: 'function', function: { name: 'f' } }]
  const reply = await chat(w, { model: 'wye/failover', messages: question(), tools })
  assert.equal(reply.headers['x-wye-model'], 'local/70b')
  const sent = Object.fromEntries(up.calls.slice(-3).map((call) => [call.model, call.json]))
  assert.deepEqual(sent.sonnet.messages, question())
  assert.deepEqual(sent.gpt.messages, [{ role: 'system', content: shipped('prompts/support.openai.md') }, ...question()])
  assert.deepEqual(sent.gpt.tools, tools)
  assert.deepEqual(sent['70b'].messages, [{ role: 'system', content: shipped('prompts/support.llama.md') }, ...question()])
  assert.equal(sent['70b'].tools, undefined)
})
