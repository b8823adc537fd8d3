// The server itself sends its decisions as spans: `otlp` in wye.lua, before a strict collector that comes and goes.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { collector } from '../support/otlp.mjs'
import { schema, through_schema } from '../support/otlp_schema.mjs'
import { ROOT, WYE, run, until } from '../support/process.mjs'
import { place, serve, write } from '../support/wye.mjs'

const ROUTE = { 'route.lua': 'return function() return wye.model "sim/fast" end\n' }
const config = (otlp) => ({ 'wye.lua': `return { models = { ["sim/fast"] = {} }, default = "sim/fast", capture = { share = 1 }${otlp ? `, otlp = ${otlp}` : ''} }\n` })
const send = async (w, content) => (await chat(w, { model: 'auto', messages: question(content) })).headers['x-wye-id']
const sum = (text, name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)[1])

test('spans leave by themselves, without what was asked, and are counted', async () => {
  const up = await collector()
  const key = join(place({}).home, 'key')
  writeFileSync(key, 'Bearer t0k\n')
  const w = await serve({ ...ROUTE, ...config(`{ url = "${up.url}/", headers = { authorization = { file = "${key}" }, ["x-team"] = "green" }, attributes = { ["service.name"] = "wye-eu", zone = "a\\"b" } }`) }, { demo: true, workers: 2 })
  const ids = [await send(w, 'a very private word'), await send(w)]
  await until('both', () => up.ids().length === 2)
  assert.deepEqual(up.ids().sort(), ids.sort())
  assert.deepEqual(up.problems, [])
  const [{ path, headers }] = up.requests
  assert.deepEqual([path, headers['content-type'], headers['x-team'], headers.authorization], ['/v1/traces', 'application/json', 'green', 'Bearer t0k'])
  assert.ok(!JSON.stringify(up.spans).includes('private word'))
  const resource = JSON.parse(up.requests[0].text).resourceSpans[0].resource.attributes.map((a) => [a.key, a.value.stringValue])
  assert.deepEqual(resource.map(([k]) => k), ['service.version', 'host.name', 'service.name', 'zone'])
  assert.deepEqual(resource.slice(2), [['service.name', 'wye-eu'], ['zone', 'a"b']])

  const { otlp } = await until('the count', async () => ((s) => s.otlp.sent === 4 && s)(await w.status()))
  assert.deepEqual(otlp, { url: `${up.url}/`, state: 'sending', sent: 4, refused: 0, missed: 0, tries_failed: 0, behind_s: 0, problem: null })
  const { text } = await w.ask('/metrics')
  assert.deepEqual(['wye_otlp_spans_total{result="sent"}', 'wye_otlp_spans_total{result="refused"}', 'wye_otlp_behind_seconds'].map((n) => sum(text, n.replace(/[{}]/g, '\\$&'))), [4, 0, 0])
  assert.match((await w.cli('status')).stdout, /spans to http.*: 4 sent, 0 refused/)

  writeFileSync(key, 'Bearer other\n')
  await send(w)
  await until('the third', () => up.ids().length === 3)
  assert.equal(up.requests.at(-1).headers.authorization, 'Bearer other')
  await w.stop()
  await up.stop()
})

test('the published messages of OpenTelemetry know every member, by its type', { skip: !schema() && 'npm packages of the tests are not installed' }, async () => {
  const up = await collector()
  const at = place({})
  cpSync(join(ROOT, 'routes'), at.dir, { recursive: true, filter: (path) => !path.includes('/.wye') })
  const config = readFileSync(join(at.dir, 'wye.lua'), 'utf8')
  write(at.dir, { 'wye.lua': config.replace(/^return \{/m, `return {\n  otlp = { url = "${up.url}" },`) })
  const w = await serve(at, { demo: true })
  for (const model of ['auto', 'wye/trial', 'wye/cascade', 'wye/judge', 'wye/failover', 'no/such'])
    for (const stream of [false, true]) await chat(w, { model, stream, user: 'u', messages: question() })
  await w.stop()
  assert.deepEqual(up.problems, [])
  assert.ok(up.ids().length >= 10, `${up.ids().length} decisions`)
  assert.ok(up.spans.some((s) => s.events?.some((e) => e.name === 'wye.arm')))
  for (const { text } of up.requests) {
    const { sent, got } = through_schema(schema(), text)
    assert.deepEqual(got, sent)
  }
  const wrong = JSON.parse(up.requests[0].text)
  wrong.resourceSpans[0].scopeSpans[0].spans[0].attributes.push({ key: 'x', value: { numberValue: 1 } })
  const { sent, got } = through_schema(schema(), JSON.stringify(wrong))
  assert.notDeepEqual(got, sent)
  await up.stop()
})

test('a date in Retry-After is waited for', async () => {
  const up = await collector({ answer: (n) => (n === 1 ? { status: 429, headers: { 'retry-after': new Date(Date.now() + 3000).toUTCString() } } : undefined) })
  const w = await serve({ ...ROUTE, ...config(`{ url = "${up.url}" }`) }, { demo: true })
  await send(w)
  await until('the second try', () => up.requests.length === 2)
  const [first, second] = up.requests
  assert.ok(second.at - first.at > 1500, `${second.at - first.at} ms`)
  await w.stop()
  await up.stop()
})

test('a Retry-After of nearly nothing does not end a batch', async () => {
  const up = await collector({ answer: (n) => (n === 1 ? { status: 503, headers: { 'retry-after': '0.0001' } } : undefined) })
  const w = await serve({ ...ROUTE, ...config(`{ url = "${up.url}" }`) }, { demo: true })
  const id = await send(w)
  await until('the second try', () => up.ids().length > 0)
  assert.deepEqual(up.ids(), [id])
  await w.stop()
  await up.stop()
})

test('what ends while a collector is away arrives: over an outage, a kill, a restart and the last flush', async () => {
  const up = await collector({ answer: (n) => (n === 1 ? { status: 503, headers: { 'retry-after': '1' } } : undefined) })
  const at = place({ ...ROUTE, ...config(`{ url = "${up.url}" }`) })
  let w = await serve(at, { demo: true })
  const ids = [await send(w)]
  await until('the second try', () => up.ids().length === 1)
  await up.stop()
  ids.push(await send(w))
  const { otlp } = await until('the outage in status', async () => ((s) => s.otlp.problem && s.otlp.tries_failed > 1 && s)(await w.status()))
  assert.equal(otlp.state, 'down')
  assert.match(otlp.problem, /cannot be reached/)
  await w.stop('SIGKILL')

  w = await serve(at, { demo: true })
  ids.push(await send(w))
  const back = await collector({ port: up.port })
  await until('what waited', () => new Set(back.ids()).size === 2)
  ids.push(await send(w))
  assert.deepEqual(await w.stop(), { code: 0, signal: null })
  const got = [...up.ids(), ...back.ids()]
  assert.deepEqual([...new Set(got)].sort(), [...ids].sort())
  assert.ok(got.length - ids.length <= 1, `${got.length} for ${ids.length}`)
  assert.deepEqual([...up.problems, ...back.problems], [])

  w = await serve(at, { demo: true, args: ['--no-otlp'] })
  await send(w)
  assert.equal((await w.status()).otlp, null)
  assert.deepEqual(await w.stop(), { code: 0, signal: null })
  assert.equal(back.ids().length, got.length - 1)
  await back.stop()
})

test('a backlog goes in requests of about a MiB', async () => {
  const up = await collector({ answer: (n) => (n === 1 ? { status: 503 } : undefined) })
  const route = { 'route.lua': 'return function() wye.note("much", { text = ("x"):rep(12000) }) return wye.model "sim/fast" end\n' }
  const w = await serve({ ...route, ...config(`{ url = "${up.url}" }`) }, { demo: true })
  await send(w)
  await until('the first try', () => up.requests.length === 1)
  await up.stop()
  await Promise.all(Array.from({ length: 200 }, () => send(w)))
  const back = await collector({ port: up.port })
  await until('all of it', () => back.ids().length === 201)
  const sizes = back.requests.map((r) => r.text.length)
  assert.ok(sizes.length >= 3 && Math.max(...sizes) < 1.1 * 2 ** 20, `${sizes}`)
  await w.stop()
  await back.stop()
})

test('a collector that never answers holds up neither requests nor the end', async () => {
  const w = await serve({ ...ROUTE, ...config('{ url = "http://127.0.0.1:1" }') }, { demo: true })
  await send(w)
  const began = Date.now()
  assert.deepEqual(await w.stop(), { code: 0, signal: null })
  assert.ok(Date.now() - began < 8000)
  assert.ok(existsSync(join(w.home, 'state', 'otlp.cursor')))
})

test('a reload changes where spans go, a rollback changes it back', async () => {
  const [first, second] = [await collector(), await collector()]
  const w = await serve({ ...ROUTE, ...config(`{ url = "${first.url}" }`) }, { demo: true })
  await send(w)
  await until('the first', () => first.ids().length === 1)
  w.write(config(`{ url = "${second.url}/v1/traces" }`))
  assert.equal((await w.cli('reload')).code, 0)
  const id = await send(w)
  await until('the second', () => second.ids().includes(id))
  assert.equal((await w.cli('rollback')).code, 0)
  await until('the way back', async () => (await w.status()).otlp.url === first.url)
  const last = await send(w)
  await until('the third', () => first.ids().includes(last))
  w.write(config())
  assert.equal((await w.cli('reload')).code, 0)
  await until('none', async () => (await w.status()).otlp === null)
  await w.stop()
  await first.stop()
  await second.stop()
})

test('the exporter that is killed is replaced, and loses nothing', async () => {
  const up = await collector()
  const w = await serve({ ...ROUTE, ...config(`{ url = "${up.url}" }`) }, { demo: true })
  const exporter = async () => Number((await run('pgrep', ['-P', String(w.child.pid), '-f', 'wye: exporter'])).stdout)
  const pid = await until('its process', exporter)
  w.kill(pid)
  const id = await send(w)
  await until('the span', () => up.ids().includes(id))
  assert.notEqual(await exporter(), pid)
  await w.stop()
  await up.stop()
})

test('mistakes in the section are told with file, line and the near name', async () => {
  const { home, dir } = place({ ...ROUTE, 'wye.lua': '' })
  const said = async (otlp) => {
    writeFileSync(join(dir, 'wye.lua'), `return {\n  models = { ["sim/fast"] = {} },\n  otlp = ${otlp},\n}\n`)
    const { code, stdout, stderr } = await run(WYE, ['check', dir])
    assert.equal(code, 1, stdout)
    return stdout + stderr
  }
  for (const [otlp, words] of [
    ['{ ulr = "http://127.0.0.1" }', /wye\.lua:3:\d+: error: otlp: unknown key 'ulr' \(did you mean 'url'\?\)/],
    ['{}', /wye\.lua:3:\d+: error: otlp: url is missing/],
    ['{ url = "grpc://x:4317" }', /wye\.lua:3:\d+: error: otlp\.url: .*does not begin with/],
    ['{ url = "http://u:p@x" }', /wye\.lua:3:\d+: error: otlp\.url: .*a user/],
    ['{ url = "http://x", headers = { ["x-api-key"] = "sk-1" } }', /wye\.lua:3:\d+: error: otlp\.headers\["x-api-key"\]: a secret does not belong in the source/],
    ['{ url = "http://x", headers = { host = "y" } }', /wye\.lua:3:\d+: error: otlp\.headers\.host: this header is written by wye/],
    ['{ url = "http://x", attributes = { ["a b"] = "y" } }', /wye\.lua:3:\d+: error: otlp\.attributes\["a b"\]: an attribute's name has/],
    ['{ url = "http://x", headers = { ["a b"] = "y" } }', /wye\.lua:3:\d+: error: otlp\.headers\["a b"\]: is no name of a header/],
  ])
    assert.match(await said(otlp), words)
  rmSync(home, { recursive: true })
})

test('a name that resolves to a private address needs private = true; a header without its key sends nothing', async () => {
  const up = await collector()
  const named = `http://127.1:${up.port}` // no address as written, so a name
  const problem = async (otlp) => {
    const w = await serve({ ...ROUTE, ...config(otlp) }, { demo: true })
    await send(w)
    const { otlp: told } = await until('a failed try', async () => ((s) => s.otlp.tries_failed > 0 && s)(await w.status()))
    await w.stop()
    return told.problem
  }
  assert.match(await problem(`{ url = "${named}" }`), /127\.1 resolves to 127\.0\.0\.1, which is not public: private = true allows it/)
  assert.match(await problem(`{ url = "${up.url}", headers = { authorization = { env = "NO_SUCH_KEY" } } }`), /header authorization: NO_SUCH_KEY is not set/)
  assert.equal(up.requests.length, 0)
  const w = await serve({ ...ROUTE, ...config(`{ url = "${named}", private = true }`) }, { demo: true })
  const id = await send(w)
  await w.stop()
  assert.deepEqual(up.ids(), [id])
  await up.stop()
})
