// A list of models: whatever the first one does, the client sees one well-formed answer of the second, and the trace says why.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

// What the first model does, and how its attempt must be told; `plain` and `streamed` where they differ.
const faults = {
  limited: { reply: replies.status(429), error: 'rate_limit', status: 429 },
  failing: { reply: replies.status(500), error: 'server_error', status: 500 },
  busy: { reply: replies.status(529), error: 'overloaded', status: 529 },
  unavailable: { reply: replies.status(503), error: 'overloaded', status: 503 },
  locked: { reply: replies.status(401), error: 'auth', status: 401 },
  silent: { reply: replies.hang(), error: 'timeout', completion: 'timed_out' },
  stuck: { reply: replies.hang_after_head(), error: 'timeout', completion: 'timed_out' },
  reset: { reply: replies.reset(), error: 'connect' },
  erring: { reply: replies.error_event(), error: 'server_error' },
  cut: { reply: replies.cut(), error: 'cut' },
  garbled: { reply: replies.not_json(), error: 'malformed' },
  foreign: { reply: replies.not_http(), error: 'malformed' },
}

let up, w
before(async () => {
  const models = Object.fromEntries(Object.entries(faults).map(([name, fault]) => [name, fault.reply]))
  up = await upstream({ ...models, good: replies.chat('all is well'), refused: replies.status(400), late: replies.fail_late('half a') })
  const routes = Object.fromEntries(
    Object.keys(faults).map((name) => [
      `${name}.lua`,
      `return function() return { wye.model "a/${name}", wye.model "b/good", first_token = 0.3, attempt = 0.3 }, "two" end\n`,
    ]),
  )
  const extra = {
    'all_bad.lua': 'return function() return { wye.model "a/failing", wye.model "b/busy" }, "both" end\n',
    'not_yours.lua': 'return function() return { wye.model "a/refused", wye.model "b/good" }, "400" end\n',
    'too_late.lua': 'return function() return { wye.model "a/late", wye.model "b/good" }, "late" end\n',
  }
  const names = [...Object.keys(faults), 'refused', 'late'].map((name) => `a/${name}`)
  w = await serve(project(up, ['b/good', 'b/busy', ...names], { ...routes, ...extra }))
})
after(async () => {
  await w?.stop()
  up?.stop()
})

for (const [name, fault] of Object.entries(faults))
  for (const stream of [false, true])
    test(`${name}, ${stream ? 'streamed' : 'plain'}`, async () => {
      const reply = await chat(w, { model: `wye/${name}`, stream, messages: question() })
      assert.equal(reply.status, 200, reply.text)
      assert.equal(reply.cut, false)
      assert.equal(stream ? reply.content : reply.json.choices[0].message.content, 'all is well')
      if (stream) assert.ok(reply.done, 'ends with [DONE]')
      assert.equal(reply.error, undefined)
      assert.equal(reply.headers['x-wye-model'], 'b/good')
      assert.equal(reply.headers['x-wye-cause'], 'failover')
      assert.equal(reply.headers['x-wye-attempts'], '2')

      const record = await w.decision(reply.headers['x-wye-id'])
      assert.equal(record.cause, 'failover')
      assert.equal(record.served, 'b/good')
      const [first, second] = record.attempts
      assert.equal(first.model, `a/${name}`)
      assert.equal(first.error, fault.error)
      assert.equal(first.next, 'next_model')
      assert.equal(first.served ?? false, false)
      if (fault.completion) assert.equal(first.completion, fault.completion)
      if (fault.status) assert.equal(first.status, fault.status)
      assert.equal(second.served, true)
      assert.equal(second.completion, 'succeeded')
      assert.equal(record.attempts.length, 2)
    })

for (const stream of [false, true])
  test(`an exhausted list answers with the last error, ${stream ? 'streamed' : 'plain'}`, async () => {
    const reply = await chat(w, { model: 'wye/all_bad', stream, messages: question() })
    assert.equal(reply.status, 529)
    assert.match(reply.json.error.message, /upstream says 529/)
    const record = await w.decision(reply.headers['x-wye-id'])
    assert.deepEqual(record.attempts.map((a) => a.error), ['server_error', 'overloaded'])
    assert.equal(record.attempts.at(-1).next, 'exhausted')
  })

test('a bad request is the client\'s: nobody else is asked', async () => {
  const reply = await chat(w, { model: 'wye/not_yours', messages: question() })
  assert.equal(reply.status, 400)
  assert.match(reply.json.error.message, /upstream says 400/)
  assert.equal(reply.headers['x-wye-attempts'], '1')
})

test('after content the choice is final: the stream ends with an error of the protocol', async () => {
  const reply = await chat(w, { model: 'wye/too_late', stream: true, messages: question() })
  assert.equal(reply.status, 200)
  assert.equal(reply.cut, false)
  assert.equal(reply.content, 'half a')
  assert.ok(reply.error.message)
  const record = await w.decision(reply.headers['x-wye-id'])
  assert.equal(record.attempts.length, 1)
  assert.equal(record.attempts[0].completion, 'stream_failed')
})
