// Changing what runs: every way to reload, the refusals, and the way back.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chat, chat_open, question } from '../support/client.mjs'
import { until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { cli, place, serve } from '../support/wye.mjs'

const route = (words) => `local good = wye.model "a/good"\nreturn function(req)\n  return good, "${words}"\nend\n`

let up, w
before(async () => {
  up = await upstream({ good: replies.chat('fine'), slow: replies.chat('a b c d e f g h i j', { gap: 50 }) })
  w = await serve(project(up, ['a/good', 'a/slow'], { 'route.lua': route('first') }), { workers: 2 })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

async function reason() {
  const reply = await chat(w, { model: 'auto', messages: question() })
  return { reason: (await w.decision(reply.headers['x-wye-id'])).reason, generation: reply.headers['x-wye-generation'] }
}

async function live() {
  return (await w.status()).generation
}

test('reload makes an edit live before it returns', async () => {
  const before = await live()
  w.write({ 'route.lua': route('second') })
  const { code, stdout, stderr } = await w.cli('reload')
  assert.equal(code, 0, stdout + stderr)
  assert.notEqual(await live(), before)
  for (let i = 0; i < 10; i++) assert.equal((await reason()).reason, 'second')
})

test('the same bytes again are no new generation', async () => {
  const before = await live()
  const { code, stdout } = await w.cli('reload', '--json')
  assert.equal(code, 0)
  assert.equal(JSON.parse(stdout).unchanged, true)
  assert.equal(await live(), before)
})

const broken = {
  'does not compile': ['return function(req)\n  retrun nil\nend\n', /route\.lua:2/],
  'raises while it loads': ['local x = nil\nlocal y = x.z\nreturn function() end\n', /route\.lua:2/],
  'returns no function': ['return 42\n', /route\.lua/],
  'names no model': ['local m = wye.model "a/goood"\nreturn function() return m end\n', /route\.lua:1.*a\/good/s],
  'loops while it loads': ['while true do end\n', /route\.lua/],
  'sets a global': ['x = 1\nreturn function() end\n', /route\.lua:1/],
  'uses what is not there': ['local f = io.open("/etc/passwd")\nreturn function() end\n', /route\.lua:1/],
}
for (const [what, [text, place_named]] of Object.entries(broken))
  test(`a route that ${what} is refused by file and line, and nothing changes`, async () => {
    const before = await live()
    w.write({ 'route.lua': text })
    const { code, stdout, stderr } = await w.cli('reload')
    assert.equal(code, 1)
    assert.match(stdout + stderr, place_named)
    assert.equal(await live(), before)
    assert.equal((await reason()).reason, 'second')
    const check = await cli(['check', w.dir])
    assert.equal(check.code, 1, 'check refuses it too')
    assert.match(check.stdout + check.stderr, place_named)
  })

test('a misspelt key of wye.lua is refused and the near name given', async () => {
  w.write({ 'route.lua': route('second') })
  const good = project(up, ['a/good', 'a/slow'])['wye.lua']
  w.write({ 'wye.lua': good.replace('base_url', 'base_ulr') })
  const { code, stdout, stderr } = await w.cli('reload')
  assert.equal(code, 1)
  assert.match(stdout + stderr, /wye\.lua:3.*base_ulr.*base_url/s)
  w.write({ 'wye.lua': good })
})

test('load readies a generation without using it; use, rollback, diff, show, drop', async () => {
  const old = await live()
  w.write({ 'route.lua': route('third') })
  const load = JSON.parse((await w.cli('load', '--json')).stdout)
  assert.equal(await live(), old)
  assert.equal((await reason()).reason, 'second')

  const diff = await w.cli('diff', String(old), String(load.generation))
  assert.match(diff.stdout, /^-.*second/m)
  assert.match(diff.stdout, /^\+.*third/m)
  assert.match((await w.cli('show', String(load.generation))).stdout, /third/)

  assert.equal((await w.cli('use', String(load.generation))).code, 0)
  assert.equal((await reason()).reason, 'third')
  assert.equal((await w.cli('rollback')).code, 0)
  assert.equal((await reason()).reason, 'second')
  assert.equal(await live(), old)

  assert.equal((await w.cli('drop', String(load.generation))).code, 0)
  assert.equal((await w.cli('use', String(load.generation))).code, 1)
  assert.equal((await w.cli('drop', String(old))).code, 1, 'the live one stays')
  assert.equal((await w.cli('use', '99999')).code, 1)
})

test('load finds a generation of these very files, live or not', async () => {
  await w.cli('reload')
  const before = (await w.status()).generation
  const again = async (...args) => JSON.parse((await w.cli('load', '--json', ...args)).stdout)
  const same = await again()
  assert.deepEqual([same.generation, same.unchanged], [before, true])
  const was = readFileSync(join(w.dir, 'route.lua'), 'utf8')
  w.write({ 'route.lua': `${was}-- another\n` })
  const first = await again()
  assert.deepEqual([first.generation > before, first.unchanged], [true, false])
  const second = await again()
  assert.deepEqual([second.generation, second.unchanged, second.hash], [first.generation, true, first.hash])
  assert.match(second.message, new RegExp(`generation ${first.generation} has these very files already; \`wye use ${first.generation}\` makes it live`))
  const { generation, generations } = await w.status()
  assert.equal(generation, before)
  assert.equal(generations.filter((g) => g.hash === first.hash).length, 1)
  assert.equal((await w.cli('drop', String(first.generation))).code, 0)
  w.write({ 'route.lua': was })
})

test('a stream ends on the generation it began with', async () => {
  w.write({ 'slow.lua': 'local m = wye.model "a/slow"\nreturn function() return m, "old" end\n' })
  await w.cli('reload')
  const stream = await chat_open(w, { model: 'wye/slow', messages: question() })
  const began = stream.headers['x-wye-generation']
  await until('the first word', () => stream.text.includes('"a '))
  w.write({ 'slow.lua': 'local m = wye.model "a/slow"\nreturn function() return m, "new" end\n' })
  assert.equal((await w.cli('reload')).code, 0)
  assert.equal(stream.ended, false, 'the reload did not wait for the stream')
  await until('the end of the stream', () => stream.ended)
  assert.equal(stream.content, 'a b c d e f g h i j')
  assert.ok(stream.done)
  const record = await w.decision(stream.headers['x-wye-id'])
  assert.equal(record.reason, 'old')
  assert.equal(String(record.generation), began)
})

test('SIGHUP is a reload', async () => {
  w.write({ 'route.lua': route('by signal') })
  w.kill(w.child.pid, 'SIGHUP')
  await until('the edit to be live', async () => (await reason()).reason === 'by signal')
})

test('POST /reload is a reload', async () => {
  w.write({ 'route.lua': route('by post') })
  const reply = await w.ask('/reload', { method: 'POST' })
  assert.equal(reply.status, 200, reply.text)
  assert.equal((await reason()).reason, 'by post')
  appendFileSync(join(w.dir, 'route.lua'), 'end end\n')
  const refused = await w.ask('/reload', { method: 'POST' })
  assert.equal(refused.status, 422)
  assert.match(refused.json.error.file, /route\.lua/)
  assert.equal(refused.json.error.line, 5)
})

test('--watch reloads what is saved, and outlives what is broken', async () => {
  const watching = await serve(project(up, ['a/good'], { 'route.lua': route('one') }), { args: ['--watch'] })
  try {
    const seen = async () => (await watching.decision((await chat(watching, { model: 'auto', messages: question() })).headers['x-wye-id'])).reason
    assert.equal(await seen(), 'one')
    watching.write({ 'route.lua': 'return functoin\n' })
    await until('the refusal to be told', () => /route\.lua:1/.test(watching.child.said))
    assert.equal(await seen(), 'one')
    watching.write({ 'route.lua': route('two') })
    await until('the edit to be live', async () => (await seen()) === 'two')
  } finally {
    await watching.stop()
  }
})

test('a project broken at start begins from the last good generation and says so', async () => {
  const at = place(project(up, ['a/good'], { 'route.lua': route('kept') }))
  await (await serve(at)).stop()
  writeFileSync(join(at.dir, 'route.lua'), 'return 42 +\n')
  const again = await serve(at)
  try {
    assert.match(again.child.said, /route\.lua:/)
    const reply = await chat(again, { model: 'auto', messages: question() })
    assert.equal((await again.decision(reply.headers['x-wye-id'])).reason, 'kept')
  } finally {
    await again.stop()
  }
})

test('commands without a server end with 3, misuse with 2', async () => {
  assert.equal((await cli(['status', '--admin', '127.0.0.1:1'])).code, 3)
  assert.equal((await cli(['frobnicate'])).code, 2)
  assert.equal((await cli(['serve', '--no-such-option'])).code, 2)
})
