// wye doctor: what it finds wrong, and that it shows no secret.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { collector } from '../support/otlp.mjs'
import { until } from '../support/process.mjs'
import { cli, folder, place, serve, write } from '../support/wye.mjs'

const NOWHERE = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:1']
const SECRET = 'sk-very-secret-0123456789'

async function doctor(dir, { args = NOWHERE, env } = {}) {
  const { code, stdout, stderr } = await cli(['doctor', dir, '--json', ...args], { env })
  assert.ok(!(stdout + stderr).includes(SECRET), 'a secret is shown')
  const report = JSON.parse(stdout)
  assert.equal(code, report.failures > 0 ? 1 : 0)
  const find = (check, words) => report.checks.find((c) => c.check === check && words.test(c.message))?.state
  return { ...report, find, all: report.checks.map((c) => `${c.state} ${c.check} ${c.message}`).join('\n') }
}

// A provider whose reply to the list of models the test decides.
async function provider(answer) {
  const calls = []
  const server = createServer((request, out) => {
    calls.push({ method: request.method, path: request.url, headers: request.headers })
    answer(out, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  return { calls, url: `http://127.0.0.1:${server.address().port}`, stop: () => (server.closeAllConnections(), server.close()) }
}
const models = (...ids) => (out) => out.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ object: 'list', data: ids.map((id) => ({ id })) }))
const status = (code, text = '') => (out) => out.writeHead(code).end(text)

function project(providers, names) {
  const entries = Object.entries(providers).map(([name, text]) => `    ${name} = ${text},`)
  return place({ 'wye.lua': `return {\n  providers = {\n${entries.join('\n')}\n  },\n  models = { ${names.map((n) => `["${n}"] = {}`).join(', ')} },\n}\n`, 'route.lua': `return function() return wye.model "${names[0]}" end\n` }).dir
}

test('a key that goes out in clear is warned of, also by check', async () => {
  const of = (url, more = '') => `{ kind = "openai", base_url = "${url}", key = { env = "DOCTOR_KEY" }${more} }`
  const dir = project({ open: of('http://models.invalid/v1'), near: of('http://127.0.0.1:1/v1'), own: of('http://own.invalid/v1', ', private = true'), safe: of('https://safe.invalid/v1') }, ['open/m'])
  const env = { DOCTOR_KEY: SECRET }
  const d = await doctor(dir, { env })
  assert.equal(d.find('keys', /^open: its key goes out in clear to http:\/\/models\.invalid\/v1/), 'warn', d.all)
  assert.equal(d.find('keys', /^(near|own|safe): its key goes out/), undefined)
  const { code, stdout } = await cli(['check', '--json', dir], { env })
  const { findings } = JSON.parse(stdout)
  assert.deepEqual([code, findings.map((f) => [f.level, f.message])], [0, [['warning', 'provider open: its key goes out in clear to http://models.invalid/v1; write https://']]])
})

test('providers: each kind of answer, all at once, with the key of each', async () => {
  const good = await provider(models('m', 'other'))
  const deny = await provider(status(401, `Incorrect API key provided: ${SECRET}`))
  const busy = await provider(status(503))
  const bare = await provider(status(404))
  const mute = await provider(() => {})
  const claude = await provider(models('m'))
  const key = '{ env = "DOCTOR_KEY" }'
  const of = (kind, { url }) => `{ kind = "${kind}", base_url = "${url}", key = ${key} }`
  const dir = project(
    { good: of('openai', { url: `${good.url}/v1/` }), deny: of('openai', deny), busy: of('openai', busy), bare: of('openai', bare), mute: of('openai', mute), claude: of('anthropic', claude), gone: '{ kind = "openai", base_url = "http://127.0.0.1:1" }', name: '{ kind = "openai", base_url = "http://127.1:9" }' },
    ['good/m', 'good/missing', 'claude/m'],
  )
  const began = Date.now()
  const d = await doctor(dir, { env: { DOCTOR_KEY: SECRET } })
  assert.ok(Date.now() - began < 15000, 'one after another')
  for (const [state, words] of [
    ['ok', /^good: answers in \d+ ms and takes the key/],
    ['ok', /^claude: answers in \d+ ms and takes the key/],
    ['fail', /^deny: answers in \d+ ms, and refuses the key \(401\)/],
    ['warn', /^busy: answers in \d+ ms with status 503/],
    ['ok', /^bare: .*its key was not tried/],
    ['fail', /^mute: .*did not answer in time/],
    ['fail', /^gone: no server at .*refused/],
    ['fail', /^name: 127\.1 resolves to 127\.0\.0\.1, which is not public/],
  ])
    assert.equal(d.find('providers', words), state, `${words} in\n${d.all}`)
  assert.equal(d.find('models', /good\/missing: good does not list 'missing'/), 'warn')
  assert.equal(d.find('models', /claude\/m|good\/m:/), undefined)
  assert.equal(d.find('clock', /agrees/), 'ok')
  assert.deepEqual(good.calls.map((c) => [c.method, c.path, c.headers.authorization]), [['GET', '/v1/models', `Bearer ${SECRET}`]])
  assert.deepEqual(claude.calls.map((c) => [c.path, c.headers['x-api-key'], c.headers['anthropic-version']]), [['/v1/models?limit=1000', SECRET, '2023-06-01']])
  for (const p of [good, deny, busy, bare, mute, claude]) p.stop()
})

test('providers: where each kind lists its models, and how it says that a key is wrong', async () => {
  const json = (value, code = 200) => (out) => out.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  const google = await provider(json({ models: [{ name: 'models/m' }] }))
  const stale = await provider(json({ error: { code: 400, status: 'INVALID_ARGUMENT', message: `API key ${SECRET} not valid` } }, 400))
  const azure = await provider(models('gpt'))
  const aws = await provider(status(403))
  const paged = await provider(json({ data: [{ id: 'first' }], has_more: true }))
  const key = '{ env = "DOCTOR_KEY" }'
  const dir = project(
    {
      google: `{ kind = "gemini", base_url = "${google.url}/v1beta", key = ${key} }`,
      stale: `{ kind = "gemini", base_url = "${stale.url}", key = ${key} }`,
      azure: `{ kind = "azure", base_url = "${azure.url}", api_version = "2024-10-21", key = ${key} }`,
      aws: `{ kind = "bedrock", base_url = "${aws.url}", region = "us-east-1", key = ${key} }`,
      paged: `{ kind = "anthropic", base_url = "${paged.url}", keys = { ${key}, { env = "DOCTOR_KEY_2" } } }`,
    },
    ['google/m', 'google/none', 'azure/deployment', 'aws/m', 'paged/second'],
  )
  const d = await doctor(dir, { env: { DOCTOR_KEY: SECRET, DOCTOR_KEY_2: `${SECRET}-2` } })
  for (const [state, words] of [
    ['ok', /^google: .* takes the key/],
    ['fail', /^stale: .* refuses the key \(400\)/],
    ['ok', /^azure: .* takes the key/],
    ['ok', /^aws: .* no key was tried/],
    ['ok', /^paged, key 1: .* takes the key/],
    ['ok', /^paged, key 2: .* takes the key/],
  ])
    assert.equal(d.find('providers', words), state, `${words} in\n${d.all}`)
  assert.deepEqual(d.checks.filter((c) => c.check === 'models').map((c) => c.message), ["google/none: google does not list 'none'"])
  const calls = ({ calls: [{ path, headers }] }, header) => [path, headers[header]]
  assert.deepEqual(calls(google, 'x-goog-api-key'), ['/v1beta/models?pageSize=1000', SECRET])
  assert.deepEqual(calls(azure, 'api-key'), ['/openai/models?api-version=2024-10-21', SECRET])
  assert.deepEqual(calls(aws, 'authorization'), ['/', undefined])
  assert.deepEqual(paged.calls.map((c) => c.headers['x-api-key']).sort(), [SECRET, `${SECRET}-2`])
  for (const p of [google, stale, azure, aws, paged]) p.stop()
})

test('a clock that is ten minutes off', async () => {
  const late = await provider((out) => {
    out.sendDate = false
    out.writeHead(200, { date: new Date(Date.now() - 600000).toUTCString() }).end('{}')
  })
  const d = await doctor(project({ a: `{ kind = "openai", base_url = "${late.url}" }` }, ['a/m']))
  assert.equal(d.find('clock', /^(599|600|601) s ahead/), 'fail')
  late.stop()
})

test('keys: not set, in a file that is missing, empty or open to all', async () => {
  const home = folder()
  write(home, { good: SECRET, open: SECRET, empty: '\n' })
  chmodSync(join(home, 'good'), 0o600)
  chmodSync(join(home, 'open'), 0o644)
  const file = (name) => `{ kind = "openai", base_url = "http://127.0.0.1:1", key = { file = "${join(home, name)}" } }`
  const dir = project({ a: file('good'), b: file('open'), c: file('empty'), d: file('missing'), e: '{ kind = "openai", base_url = "http://127.0.0.1:1", key = { env = "NOT_SET_AT_ALL" } }' }, ['a/m'])
  const d = await doctor(dir)
  for (const [name, state] of [['a', 'ok'], ['b', 'warn'], ['c', 'fail'], ['d', 'fail'], ['e', 'fail']]) assert.equal(d.find('keys', new RegExp(`^${name}:`)), state, d.all)
  assert.match(d.checks.find((c) => /^b:/.test(c.message)).advice, /^chmod 600 /)
  assert.equal((await doctor(dir, { args: [...NOWHERE, '--demo'] })).failures, 0)
})

test('a project that does not load, a port in use, a folder that is none, a library with holes', async () => {
  const busy = await provider(status(200))
  const bin = folder()
  write(bin, { 'dpkg-query': '#!/bin/sh\necho 2.1.12-stable-8\n' })
  chmodSync(join(bin, 'dpkg-query'), 0o755)
  const { home, dir } = place({ 'wye.lua': 'return { modles = {} }\n' })
  write(home, { file: '' })
  const args = ['--listen', busy.url.replace('http://', ''), '--admin', '127.0.0.1:1', '--trace', join(home, 'file', 'trace'), '--state', join(home, 'state')]
  const d = await doctor(dir, { args, env: { PATH: `${bin}:${process.env.PATH}` } })
  assert.equal(d.find('project', /wye\.lua:1: unknown key 'modles' \(did you mean 'models'\?\)/), 'fail')
  assert.equal(d.find('ports', /in use/), 'fail')
  assert.equal(d.find('disk', /^trace: cannot write/), 'fail')
  assert.equal(d.find('disk', /^state: .*free$/), 'ok')
  assert.equal(d.find('libraries', /libevent 2\.1\.12-stable-8 has 8 known holes/), 'fail')
  busy.stop()
})

test('a server: what is drained, changed, failing or away shows', async () => {
  const up = await collector()
  const files = { 'wye.lua': `return { models = { ["sim/fast"] = {} }, otlp = { url = "${up.url}" } }\n`, 'route.lua': 'return function() return wye.model "sim/fast" end\n' }
  const w = await serve(files, { demo: true })
  await chat(w, { model: 'auto', messages: question() })
  const look = () => doctor(w.dir, { args: ['--admin', w.admin, '--demo'] })
  const well = await look()
  assert.deepEqual([well.ok, well.failures], [true, 0], well.all)
  assert.equal(well.find('server', /1 workers serve/), 'ok')
  assert.equal(well.find('otlp', /^otlp: answers/), 'ok')
  assert.equal(well.find('ports', /./), undefined)
  assert.equal(well.find('trace', /\d+ segments/), 'ok')

  await w.cli('model', 'drain', 'sim/fast')
  w.write({ 'route.lua': 'return function() return wye.model "sim/smart" end\n' })
  await up.stop()
  const ill = await look()
  assert.equal(ill.find('server', /sim\/fast is drained since/), 'warn')
  assert.equal(ill.find('server', /the files of .* are not what is live/), 'warn')
  assert.equal(ill.find('otlp', /no server at/), 'fail')

  const [worker] = await w.workers()
  w.kill(worker.pid)
  await until('another worker', async () => (await w.workers())[0].restarts === 1)
  assert.equal((await look()).find('server', /had to be replaced/), 'warn')
  const [last] = await w.workers()
  w.kill(last.pid, 'SIGSTOP')
  await w.stop('SIGKILL')
  const files_only = () => doctor(w.dir, { args: [...NOWHERE, '--trace', join(w.home, 'trace'), '--demo'] })
  assert.equal((await files_only()).find('trace', /process \d+ writes it, but no server answers/), 'warn')
  w.kill(last.pid)
  await until('its end', async () => (await files_only()).find('trace', /1 segments were left open/) === 'warn')
})

test('a server with --demo does not tell whether a key is set; that of another project tells nothing', async () => {
  const files = {
    'wye.lua': 'return { providers = { a = { kind = "openai", base_url = "http://127.0.0.1:1", key = { env = "NOT_SET_AT_ALL" } } }, models = { ["a/m"] = {} } }\n',
    'route.lua': 'return function() return wye.model "a/m" end\n',
  }
  const w = await serve(files, { demo: true })
  const own = await doctor(w.dir, { args: ['--admin', w.admin] })
  assert.equal(own.find('keys', /^a: NOT_SET_AT_ALL is not set here; the server's simulator plays every provider, so whether it is set there is not known/), 'ok', own.all)
  const { dir } = place(files)
  const other = await doctor(dir, { args: ['--admin', w.admin] })
  assert.deepEqual(other.checks.filter((c) => c.check === 'server').map((c) => c.message), [`the server at ${w.admin} serves another project, ${w.dir}`])
  assert.equal(other.find('keys', /^a: NOT_SET_AT_ALL is not set$/), 'fail', other.all)
  assert.ok(other.all.includes(`trace: ${dir}/.wye/trace, `) && other.all.includes(`state: ${dir}/.wye/state, `), other.all)
  await w.stop()
})

test('a trace of another program, and text for people', async () => {
  const { home, dir } = place({ 'wye.lua': 'return { models = { ["sim/fast"] = {} } }\n', 'route.lua': 'return function() return wye.model "sim/fast" end\n' })
  mkdirSync(join(home, 'trace'))
  writeFileSync(join(home, 'trace', '0-00000001.seg'), Buffer.alloc(8192, 'x'))
  const { code, stdout } = await cli(['doctor', dir, '--demo', '--trace', join(home, 'trace'), ...NOWHERE])
  assert.equal(code, 0, stdout)
  assert.match(stdout, /^warn +trace +.*0-00000001\.seg: not a trace segment: read it with/m)
  assert.match(stdout, /^ok +project +.*: 1 route, 2 models in 2 files$/m)
  assert.match(stdout, /\d+ ok, 1 to mind, 0 wrong\n$/)
})
