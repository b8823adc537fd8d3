// A script that goes wrong costs its own request, which the default model then serves, and no other.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { SLOW } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const bad = {
  raises: 'error("deliberate")',
  fails: 'local t = nil; return t.x',
  loops: 'while true do end',
  nests: 'while true do pcall(function() while true do end end) end',
  bombs: 'return (("a"):rep(30) .. "b"):find(("a?"):rep(30) .. ("a"):rep(30) .. "c") or (("x"):rep(100000)):find((".-"):rep(12) .. "y")',
  eats: 'local t = {}; while true do t[#t + 1] = ("x"):rep(1000) .. #t end',
  grows: 'local s = "x"; while true do s = s .. s end',
  nothing: 'return',
  number: 'return 42',
  empty: 'return {}',
}

let up, w
before(async () => {
  up = await upstream({ good: replies.chat('fine'), judge: replies.chat('yes') })
  const routes = Object.fromEntries(
    Object.entries(bad).map(([name, body]) => [`${name}.lua`, `return function(req)\n  ${body}\nend\n`]),
  )
  routes['asks.lua'] = `local judge, good = wye.model "a/judge", wye.model "a/good"
return function(req)
  local reply, err = judge:ask(req)
  wye.note("asked", { text = reply and reply.text, err = err and err.kind })
  return good, reply and reply.text or err.kind
end
`
  routes['holds.lua'] = `local judge = wye.model "a/judge"
return function(req)
  return judge:ask(req), "its own reply"
end
`
  routes['refuses.lua'] = 'return function() return wye.refuse(451, "not for you"), "law" end\n'
  // A route that is bad when it runs is what is tested, so the project must not be refused for it at start.
  w = await serve(project(up, ['a/good', 'a/judge'], routes), { workers: 1 })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

for (const name of Object.keys(bad))
  test(`${name}: served by the default, cause script_error`, async () => {
    const others = []
    let busy = true
    const beside = (async () => {
      while (busy) others.push((await chat(w, { model: 'auto', messages: question() })).status)
    })()
    const began = Date.now()
    const reply = await chat(w, { model: `wye/${name}`, messages: question() })
    const took = Date.now() - began
    busy = false
    await beside
    assert.equal(reply.status, 200, reply.text)
    assert.equal(reply.headers['x-wye-model'], 'a/good')
    assert.equal(reply.headers['x-wye-cause'], 'script_error')
    assert.ok(took < 1000 * SLOW, `took ${took} ms`)
    assert.ok(others.every((status) => status === 200))
    const record = await w.decision(reply.headers['x-wye-id'])
    assert.equal(record.cause, 'script_error')
    assert.match(record.error, new RegExp(`${name}\\.lua`), 'the record names the file')
  })

test('the worker lived through all of it', async () => {
  assert.deepEqual((await w.workers()).map((worker) => worker.restarts), [0])
})

test('ask waits for a reply and the route goes on', async () => {
  const reply = await chat(w, { model: 'wye/asks', messages: question() })
  assert.equal(reply.json.choices[0].message.content, 'fine')
  const record = await w.decision(reply.headers['x-wye-id'])
  assert.equal(record.reason, 'yes')
  assert.deepEqual(record.attempts.map((a) => [a.model, a.purpose]), [['a/judge', 'ask'], ['a/good', 'serve']])
})

test('a reply that a route holds is served, streamed too', async () => {
  const plain = await chat(w, { model: 'wye/holds', messages: question() })
  assert.equal(plain.json.choices[0].message.content, 'yes')
  const streamed = await chat(w, { model: 'wye/holds', stream: true, messages: question() })
  assert.equal(streamed.content, 'yes')
  assert.ok(streamed.done)
})

test('a refusal is an error of the protocol', async () => {
  const reply = await chat(w, { model: 'wye/refuses', messages: question() })
  assert.equal(reply.status, 451)
  assert.equal(reply.json.error.message, 'not for you')
  assert.equal((await w.decision(reply.headers['x-wye-id'])).reason, 'law')
})
