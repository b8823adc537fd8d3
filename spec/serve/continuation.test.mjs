// `continue = true`: a stream that breaks off goes on from another model as the same message.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const sse = { 'content-type': 'text/event-stream' }
const chunk = (delta, more = {}) =>
  `data: ${JSON.stringify({ id: 'first', object: 'chat.completion.chunk', created: 5, model: 'one', choices: [{ index: 0, delta, finish_reason: null, ...more }] })}\n\n`
const broken = (...deltas) => (call, out) =>
  out.writeHead(200, sse).write(deltas.map((d) => chunk(d)).join(''), () => out.socket.destroy())
const tool = { tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: '{"a"' } }] }

const lists = {
  on: '{ wye.model "a/cut", wye.model "b/rest", continue = true }',
  off: '{ wye.model "a/cut", wye.model "b/rest" }',
  chain: '{ wye.model "a/cut", wye.model "b/busy", wye.model "b/more", wye.model "b/rest", continue = true }',
  lost: '{ wye.model "a/cut", wye.model "b/busy", continue = true }',
  tools: '{ wye.model "a/tool", wye.model "b/rest", continue = true }',
  whole: '{ wye.model "a/cut", wye.model "b/plain", continue = true }',
  erring: '{ wye.model "a/late", wye.model "b/rest", continue = true }',
  idle: '{ wye.model "a/stuck", wye.model "b/rest", idle = 0.2, continue = true }',
  late: '{ wye.model "a/stuck", wye.model "b/rest", total = 0.3, continue = true }',
  kept: '{ wye.model "a/cut", wye.model "b/rest", cache = 60, continue = true }',
  own: '{ wye.model "a/cut", wye.model "b/rest":with { system = "Be b." }, continue = true }',
}
// Each its own first model: one that breaks off often would cool for the others.
const own = (name, list) => list.replace('a/cut', `a/cut_${name}`)
const routes = Object.fromEntries(Object.entries(lists).map(([name, list]) => [`${name}.lua`, `local list = ${own(name, list)}\nreturn function() return list end\n`]))
routes['spent.lua'] = `return function(req)\n  req:limit { attempts = 1 }\n  return ${own('spent', lists.on)}\nend\n`
const cuts = [...Object.keys(lists), 'spent'].map((name) => `cut_${name}`)
const names = [...cuts.map((name) => `a/${name}`), 'a/tool', 'a/late', 'a/stuck', 'b/rest', 'b/busy', 'b/more', 'b/plain']

let up, w
before(async () => {
  up = await upstream({
    ...Object.fromEntries(cuts.map((name) => [name, broken({ role: 'assistant', content: '' }, { content: 'It was a "dark' }, { content: ' and\n' })])),
    late: replies.fail_late('It was a "dark and\n'),
    stuck: (call, out) => out.writeHead(200, sse).write(chunk({ role: 'assistant', content: 'It was a "dark and\n' })),
    tool: broken({ role: 'assistant', content: '' }, tool),
    rest: replies.chat('stormy" night.'),
    more: broken({ role: 'assistant', content: 'very ' }),
    busy: replies.status(503),
    plain: (call, out) => replies.chat('stormy" night.')({ ...call, json: {} }, out),
  })
  w = await serve(project(up, names, routes))
})
after(async () => {
  await w?.stop()
  up?.stop()
})

const ask = (name, more = {}) => chat(w, { model: `wye/${name}`, stream: true, messages: question('How does it begin?'), ...more })
const story = async (reply) => (await w.decision(reply.headers['x-wye-id'])).attempts.map((a) => [a.model, a.completion, a.next, a.served])

function assert_one_message(reply) {
  const chunks = reply.events.filter((e) => e.choices?.length)
  assert.equal(reply.error, undefined)
  assert.ok(reply.done && !reply.cut)
  for (const member of ['id', 'created', 'model']) assert.equal(new Set(reply.events.map((e) => e[member])).size, 1, member)
  assert.equal(chunks.filter((e) => e.choices[0].delta.role).length, 1, 'the role is told once')
  assert.equal(chunks.filter((e) => e.choices[0].finish_reason).length, 1, 'one end')
}

for (const name of ['on', 'whole', 'erring', 'idle'])
  test(`the next model goes on: ${name}`, async () => {
    const reply = await ask(name)
    assert.equal(reply.content, 'It was a "dark and\nstormy" night.')
    assert_one_message(reply)
    assert.equal(reply.events.filter((e) => e.usage).length, 0, 'usage was not asked for')
    const told = await story(reply)
    assert.deepEqual(told.map(([, , next]) => next), ['next_model', 'stop'])
    assert.deepEqual(told.map(([, , , served]) => served), [true, true])
  })

test('it is told what was sent, and to go on', async () => {
  await ask('on')
  const { messages, stream, model } = up.calls.at(-1).json
  assert.equal(model, 'rest')
  assert.equal(stream, true)
  assert.deepEqual(messages.slice(0, 2), [...question('How does it begin?'), { role: 'assistant', content: 'It was a "dark and\n' }])
  assert.equal(messages.length, 3)
  assert.match(messages[2].content, /cut off/)
})

test('a model with a system prompt of its own keeps it', async () => {
  await ask('own', { messages: [{ role: 'system', content: 'Be a.' }, ...question()] })
  const { messages } = up.calls.at(-1).json
  assert.deepEqual(messages.map((m) => m.role), ['system', 'user', 'assistant', 'user'])
  assert.equal(messages[0].content, 'Be b.')
})

test('one usage, summed; both calls cost', async () => {
  const reply = await ask('on', { stream_options: { include_usage: true } })
  assert_one_message(reply)
  const usages = reply.events.filter((e) => e.usage)
  assert.equal(usages.length, 1)
  const { attempts, usd } = await w.decision(reply.headers['x-wye-id'])
  const sum = (bucket) => attempts.reduce((total, a) => total + a.usage[bucket], 0)
  assert.ok(attempts[0].usage.input > 0 && attempts[0].usage.output > 0)
  assert.equal(usages[0].usage.prompt_tokens, sum('input'))
  assert.equal(usages[0].usage.completion_tokens, sum('output'))
  assert.ok(attempts[0].usd > 0 && Math.abs(usd - attempts[0].usd - attempts[1].usd) < 1e-12)
})

test('a model that cannot go on is passed over, one that breaks off too is gone on from', async () => {
  const reply = await ask('chain')
  assert.equal(reply.content, 'It was a "dark and\nvery stormy" night.')
  assert_one_message(reply)
  const told = await story(reply)
  assert.deepEqual(told.map(([model, completion]) => [model, completion]), [
    ['a/cut_chain', 'stream_failed'], ['b/busy', 'failed'], ['b/more', 'stream_failed'], ['b/rest', 'succeeded'],
  ])
  const note = (await w.decision(reply.headers['x-wye-id'])).notes[0]
  assert.deepEqual(note.data, { from: 'a/cut_chain', by: 'b/busy', bytes: 21 })
})

for (const [name, why, more] of [
  ['off', 'nobody asked for it', {}],
  ['lost', 'nobody is left', {}],
  ['tools', 'a tool call was begun', {}],
  ['on', 'JSON was asked for', { response_format: { type: 'json_object' } }],
  ['on', 'several choices were asked for', { n: 2 }],
  ['late', 'the total deadline passed', {}],
  ['spent', 'req:limit leaves no room', {}],
])
  test(`the stream ends with an error where ${why}`, async () => {
    const calls = up.calls.length
    const reply = await ask(name, more)
    assert.equal(reply.status, 200)
    assert.equal(reply.cut, false)
    assert.ok(reply.error.message)
    assert.ok(!reply.content.includes('stormy'))
    assert.equal(up.calls.length - calls, name === 'lost' ? 2 : 1)
    assert.ok((await w.decision(reply.headers['x-wye-id'])).state === 'finished')
  })

test('what two models wrote is not cached', async () => {
  for (let i = 0; i < 2; i++) assert.equal((await ask('kept')).headers['x-wye-cache'], 'miss')
})
