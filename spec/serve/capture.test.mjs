// What `capture` keeps of decisions, what it must never keep, and what it survives.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { WYE, run, until } from '../support/process.mjs'
import { replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const project = (capture, route) => ({
  'wye.lua': `return { models = { ["sim/fast"] = {}, ["sim/smart"] = {} }, default = "sim/fast", capture = ${capture} }\n`,
  'route.lua': route ?? 'return wye.model "sim/fast"\n',
})
const SIMPLE = 'local fast = wye.model "sim/fast"\nreturn function(req) return fast, "plain" end\n'

const bytes_of = (w) => readdirSync(join(w.home, 'trace')).filter((f) => f.endsWith('.seg'))
  .map((f) => readFileSync(join(w.home, 'trace', f)).toString('latin1')).join('')

test('keeps bodies of a plain and a streamed reply', async () => {
  const w = await serve(project('{ share = 1 }', SIMPLE), { demo: true })
  const plain = await chat(w, { model: 'auto', messages: question('one'), metadata: { n: 12345678901234567890n.toString() } })
  const streamed = await chat(w, { model: 'auto', stream: true, messages: question('two') })
  const first = await w.decision(plain.headers['x-wye-id']), second = await w.decision(streamed.headers['x-wye-id'])
  assert.equal(first.captured, true)
  assert.deepEqual(first.masked, [])
  assert.deepEqual(first.capture.request.messages, question('one'))
  assert.deepEqual(first.capture.reply, plain.json)
  assert.equal(first.capture.headers['content-type'], 'application/json')
  assert.equal(second.capture.reply, streamed.text)
  const listed = await w.trace('-q', 'captured == true and capture.reply ~ DONE')
  assert.deepEqual(listed.map((d) => d.id), [second.id])
  await w.stop()
})

test('keeps nothing unless asked to, all with --demo, and a share of it', async () => {
  const up = await upstream()
  const files = (capture) => ({
    'wye.lua': `return { providers = { p = { kind = "openai", base_url = "${up.url}" } }, models = { ["p/m"] = {} }, ${capture} }\n`,
    'route.lua': 'local m = wye.model "p/m"\nreturn function() return m end\n',
  })
  const off = await serve(files(''))
  const reply = await chat(off, { model: 'auto', messages: question('canary-unkept') })
  assert.equal((await off.decision(reply.headers['x-wye-id'])).captured, false)
  assert.equal(bytes_of(off).includes('canary-unkept'), false)
  await off.stop()

  const demo = await serve({ ...files(''), 'route.lua': SIMPLE }, { demo: true })
  const kept = await chat(demo, { model: 'auto', messages: question() })
  assert.equal((await demo.decision(kept.headers['x-wye-id'])).captured, true)
  await demo.stop()

  const some = await serve(files('capture = { share = 0.5 }'))
  for (let i = 0; i < 200; i++) await chat(some, { model: 'auto', messages: question() })
  const captured = (await some.trace('-q', 'captured == true')).length
  assert.ok(captured > 50 && captured < 150, `${captured} of 200`) /* 7 standard deviations */
  await some.stop()
  up.stop()
})

test('masks: no byte of what they name reaches a file, nor do secrets', async () => {
  const echo = (call, out) => replies.chat(`you said ${JSON.stringify(call.json.messages)}`)(call, out)
  const up = await upstream({ m: echo })
  const route = `local m = wye.model "p/m"
return function(req)
  local r = m:ask(req)
  if req.stream then return m, "streamed" end
  return r, "asked"
end
`
  const w = await serve({
    'wye.lua': `return { providers = { p = { kind = "openai", base_url = "${up.url}" } }, models = { ["p/m"] = {} },
      capture = { share = 1, mask = { "/messages/*/content", "/metadata/*", "/choices/*/message/content", "/choices/*/delta/content" } } }\n`,
    'route.lua': route,
  })
  const headers = { authorization: 'Bearer canary-bearer', 'x-api-key': 'canary-key', cookie: 'a=canary-cookie', 'x-auth-token': 'canary-token', 'x-tenant': 'kept-tenant' }
  const body = {
    model: 'auto', metadata: { note: 'canary-meta', conversation_id: 'canary-conversation' },
    messages: [{ role: 'system', content: 'canary-system' }, { role: 'user', content: [{ type: 'text', text: 'canary-part' }] }, { role: 'user', content: 'canary-user' }],
  }
  const plain = await chat(w, body, { headers })
  assert.match(plain.text, /canary-user/)
  const streamed = await chat(w, { ...body, stream: true }, { headers })
  assert.match(streamed.content, /canary-user/)
  const d = await w.decision(plain.headers['x-wye-id'])
  assert.equal(d.capture.request.messages[2].content, '[masked]')
  assert.deepEqual(d.capture.request.messages[1].content, [])
  assert.equal(d.capture.request.metadata.note, '[masked]')
  assert.equal(d.capture.reply.choices[0].message.content, '[masked]')
  assert.ok(d.masked.includes('/messages/*/content'))
  assert.equal(d.capture.headers['x-tenant'], 'kept-tenant')
  assert.equal(bytes_of(w).includes('kept-tenant'), true)
  assert.equal(bytes_of(w).includes('canary'), false)
  await w.stop()
  up.stop()
})

test('writes down what a route learnt, step by step', async () => {
  const route = `local fast, smart = wye.model "sim/fast", wye.model "sim/smart"
return function(req)
  wye.kv.add("visits", 1)
  local seen = wye.kv.get("visits")
  wye.note("drawn", { now = wye.now(), random = wye.random(), seen = seen })
  local drafts = wye.gather({ fast, smart }, req, { n = 1 })
  return drafts[1], "first of two"
end
`
  const w = await serve(project('{ share = 1 }', route), { demo: true })
  const reply = await chat(w, { model: 'auto', messages: question() })
  const steps = (await w.trace('-g', 'raw')).filter((e) => e.event === 'step').map((e) => e.fields)
  assert.deepEqual(steps.map((s) => s.kind), ['kv', 'kv', 'now', 'ask', 'ask', 'decided'])
  const noted = (await w.decision(reply.headers['x-wye-id'])).notes[0].data
  assert.equal(steps[1].value, 'n1')
  assert.ok(Math.abs(Number(steps[2].value) / 1e6 - noted.now) < 1e-3)
  assert.match(steps[5].value, /^reply of sim\//)
  assert.deepEqual((await w.trace('-q', 'step.kind == ask and step.model == "sim/fast"')).map((d) => d.id), [reply.headers['x-wye-id']])
  await w.stop()
})

test('bounds what it keeps', async () => {
  const up = await upstream({ m: replies.chat('x'.repeat(400 * 1024)) })
  const w = await serve({
    'wye.lua': `return { providers = { p = { kind = "openai", base_url = "${up.url}" } }, models = { ["p/m"] = {} }, capture = { share = 1 } }\n`,
    'route.lua': 'local m = wye.model "p/m"\nreturn function() return m end\n',
  })
  const reply = await chat(w, { model: 'auto', stream: true, messages: question('y'.repeat(1200 * 1024)) })
  assert.equal(reply.done, true)
  const d = await w.decision(reply.headers['x-wye-id'])
  assert.match(d.capture.request, /^\d+ bytes, not kept$/)
  assert.equal(d.capture.reply.length, 256 * 1024)
  await w.stop()
  up.stop()
})

test('what was captured survives kill -9', async () => {
  const up = await upstream({ slow: replies.hang() })
  const w = await serve({
    'wye.lua': `return { providers = { p = { kind = "openai", base_url = "${up.url}" } }, models = { ["p/m"] = {}, ["p/slow"] = {} }, capture = { share = 1 } }\n`,
    'route.lua': 'local m, slow = wye.model "p/m", wye.model "p/slow"\nreturn function(req)\n  m:ask(req)\n  if req.prompt == "hang" then return slow end\n  return m\nend\n',
  })
  const done = await chat(w, { model: 'auto', messages: question('done') })
  const hanging = chat(w, { model: 'auto', messages: question('hang') }).catch(() => {})
  await until('the second ask', () => up.calls.some((c) => c.model === 'slow'))
  const pids = [w.child.pid, ...(await w.workers()).map((worker) => worker.pid)]
  pids.forEach((pid) => w.kill(pid))
  await Promise.all([w.child.ended, hanging])
  const whole = await w.decision(done.headers['x-wye-id'])
  assert.deepEqual(whole.capture.reply, done.json)
  const [lost] = await w.trace('-q', 'state == unfinished')
  assert.equal(lost.captured, true)
  assert.deepEqual(lost.capture.request.messages, question('hang'))
  const story = await run(WYE, ['why', lost.id, '--trace', join(w.home, 'trace')])
  assert.equal(story.code, 0, story.stderr)
  up.stop()
})
