// Every reply says what became of it, whoever refuses it and however early.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question, raw } from '../support/client.mjs'
import { serve } from '../support/wye.mjs'

const NAMES = ['id', 'route', 'generation', 'model', 'cause', 'attempts']
const ID = /^[0-9a-hjkmnp-tv-z]{13}$/

let w
before(async () => {
  w = await serve(
    {
      'wye.lua': 'return { direct = true, aliases = { ["gpt-4o"] = "wye/cascade" }, models = { ["sim/fast"] = {} }, limits = { body = "64KB" } }',
      'route.lua': 'local m = wye.model "sim/fast"\nreturn function() return m end',
      'cascade.lua': 'return function() return wye.refuse(402, "no") end',
    },
    { demo: true },
  )
})
after(() => w.stop())

// All but the id, whose decision is in the trace.
async function fields(headers, leaves_decision = true) {
  const { id, ...said } = Object.fromEntries(NAMES.map((name) => [name, headers[`x-wye-${name}`]]))
  if (leaves_decision) {
    assert.match(id, ID)
    await w.decision(id)
  } else {
    assert.equal(id, '-')
  }
  return said
}
const nothing = { route: '-', generation: '1', model: '-', cause: '-', attempts: '0' }

// Raw bytes in, the head of what comes back.
async function bare(bytes) {
  const { text } = await raw(w.port, bytes)
  const [first, ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n')
  return { status: Number(first.split(' ')[1]), headers: Object.fromEntries(lines.map((l) => [l.slice(0, l.indexOf(':')).toLowerCase(), l.slice(l.indexOf(':') + 2)])) }
}

const ask = async (path, options = {}) => {
  const reply = await fetch(w.url + path, options)
  const text = await reply.text()
  return { status: reply.status, headers: Object.fromEntries(reply.headers), json: text ? JSON.parse(text) : undefined }
}
const json = (body) => ({ method: 'POST', body: JSON.stringify(body) })

test('what a route decided', async () => {
  const served = { route: 'route', generation: '1', model: 'sim/fast', cause: 'script', attempts: '1' }
  assert.deepEqual(await fields((await chat(w, { model: 'auto', messages: question() })).headers), served)
  assert.deepEqual(await fields((await chat(w, { model: 'auto', stream: true, messages: question() })).headers), served)
  assert.deepEqual(await fields((await chat(w, { model: 'wye/cascade', messages: question() })).headers), { ...served, route: 'cascade', model: '-', attempts: '0' })
  assert.deepEqual(await fields((await chat(w, { model: 'sim/fast', messages: question() })).headers), { ...served, route: '-', cause: 'pin' })
})

const refused = {
  'no such path': ['/v1/nothing', {}, 404],
  'the wrong method': ['/v1/chat/completions', {}, 405],
  'a coding': ['/v1/chat/completions', { ...json({}), headers: { 'content-encoding': 'gzip' } }, 415],
  'too large a body': ['/v1/messages', json('x'.repeat(70000)), 413],
  'no such model in the list': ['/v1/models/sim%2Fslow', {}, 404],
  'tokens of nothing': ['/v1/messages/count_tokens', json({}), 400],
}
const undecided = {
  'a list': ['/v1/models', {}, 200],
  'one of the list': ['/v1/models/auto', {}, 200],
  'a list whose body nobody wants': ['/v1/models', { method: 'HEAD' }, 200],
  'a count': ['/v1/messages/count_tokens', json({ model: 'auto', messages: question(), max_tokens: 9 }), 200],
  'no feedback': ['/v1/feedback', json({ id: 7 }), 400],
  'the wrong method for feedback': ['/v1/feedback', {}, 405],
}
for (const [what, [path, options, status]] of Object.entries({ ...refused, ...undecided }))
  test(`what no route has a part in: ${what}`, async () => {
    const reply = await ask(path, options)
    assert.equal(reply.status, status)
    assert.deepEqual(await fields(reply.headers, what in refused), nothing)
  })

test('what is not HTTP', async () => {
  for (const [bytes, status] of [
    ['GET / HTTP/1.1\nHost: x\n\n', 400],
    ['POST /v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400],
  ]) {
    const reply = await bare(bytes)
    assert.equal(reply.status, status)
    assert.deepEqual(await fields(reply.headers), nothing)
  }
})

test("an error in Anthropic's shape names the request", async () => {
  for (const [path, options] of [
    ['/v1/messages/count_tokens', json({})],
    ['/v1/messages', {}],
    ['/v1/messages', json('x'.repeat(70000))],
    ['/v1/models/nothing', { headers: { 'anthropic-version': '2023-06-01' } }],
  ]) {
    const { json: body, headers } = await ask(path, options)
    assert.equal(body.type, 'error')
    assert.equal(body.request_id, headers['x-wye-id'])
  }
})

test('a model that is misspelt has its near name', async () => {
  const words = async (model) => (await chat(w, { model, messages: question() })).json.error.message
  assert.match(await words('wye/cascde'), /The model 'wye\/cascde' does not exist .* Did you mean 'wye\/cascade'\?/)
  assert.match(await words('cascde'), /Did you mean 'wye\/cascade'\?/)
  assert.match(await words('gpt-4'), /Did you mean 'gpt-4o'\?/)
  assert.match(await words('sim/fats'), /Did you mean 'sim\/fast'/)
  assert.match(await words('atuo'), /Did you mean 'auto'/)
  assert.doesNotMatch(await words('something-else-altogether'), /Did you mean/)
  assert.match((await ask('/v1/models/wye%2Fcascde')).json.error.message, /Did you mean 'wye\/cascade'/)
})
