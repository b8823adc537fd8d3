// The fault matrix: every way in which a provider fails, streamed and not, with short deadlines, for a route with one model and for
// a list with a healthy one behind it. Each cell has exactly one well-formed answer or in-stream error in time, and one decision whose attempts tell the story.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { raw } from '../support/client.mjs'
import { SLOW } from '../support/process.mjs'
import { flaw, replies_in } from '../support/replies.mjs'
import { replies, upstream } from '../support/upstream.mjs'
import { folder, serve, sim } from '../support/wye.mjs'

// Where more runs than the machine has processors for, all takes four times as long; much longer, and `slow_head` would be in time.
const PATIENCE = SLOW > 1 || loadavg()[0] > cpus().length / 2 ? 4 : 1
const SHORT = 300 * PATIENCE // connect, first_token, idle, attempt
const TOTAL = 1000 * PATIENCE
const GRACE = 100 * PATIENCE // an answer may come this much after its deadline
const AT_ONCE = 10

// What the attempt must say; `streamed`: where a stream differs. `late`: the stream has begun, the error is in it. No `error`: that is no failure.
const malformed = { error: 'malformed' }
const timeout = { error: 'timeout' }
const kinds = {
  hang: timeout,
  hang_first_token: timeout,
  hang_mid: { error: 'timeout', streamed: { late: true } },
  reset: { error: 'connect' },
  reset_mid: { error: 'cut', streamed: { late: true } },
  close: { error: 'connect' },
  cut: { error: 'cut', streamed: { late: true } },
  slow_head: timeout,
  slow_bytes: timeout,
  malformed_http: malformed,
  malformed_json: malformed,
  malformed_sse: malformed,
  empty_body: malformed,
  wrong_content_type: malformed,
  error_event: { error: 'server_error' },
  overloaded_event: { error: 'overloaded' },
  error_event_mid: { error: 'server_error', streamed: { late: true } },
  content_filter: {},
  huge_head: malformed,
  bad_chunk: { error: 'malformed', streamed: { late: true } },
  cl_short: { error: 'cut', streamed: { error: undefined } }, // the stream came to its [DONE]
  keepalives_only: timeout,
  role_only: {},
}
const statuses = {
  bad_request: [400, 402, 404, 405, 406, 409, 410, 413, 415, 418, 422, 425, 431, 451],
  auth: [401, 403],
  timeout: [408],
  rate_limit: [429],
  overloaded: [503, 529],
  server_error: [500, 501, 502, 504, 505, 507, 511, 520, 522, 524, 599],
}
for (const [error, list] of Object.entries(statuses)) for (const status of list) kinds[status] = { error, status }

// Bytes that only a wire of our own sends.
const ok = (body, more = '') => `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`
const wires = {
  no_status_line: 'Content-Type: text/plain\r\n\r\nhello',
  half_a_head: ['HTTP/1.1 200 OK\r\nContent-Ty', 'cut'],
  bare_line_feeds: 'HTTP/1.1 200 OK\nContent-Length: 2\n\n{}',
  two_lengths: ok('{"choices":[]}', 'Content-Length: 3\r\n'),
  length_and_chunks: ok('{"choices":[]}', 'Transfer-Encoding: chunked\r\n'),
  another_version: 'HTTP/3.7 200 OK\r\nContent-Length: 2\r\n\r\n{}',
  nul_in_head: ok('{}', 'X-Nul: a\0b\r\n'),
  no_content: 'HTTP/1.1 204 No Content\r\n\r\n',
  redirect: 'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n',
  not_an_object: ok('[1,2,3]'),
  no_choices: ok('{"id":"x","object":"chat.completion"}'),
  too_deep: ok(`${'['.repeat(1000)}${']'.repeat(1000)}`),
  compressed: ok('\x1f\x8b\x08\x00\x00\x00\x00\x00', 'Content-Encoding: gzip\r\n'),
  huge_chunk_size: 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}',
}
for (const [name, wire] of Object.entries(wires)) kinds[name] = { error: Array.isArray(wire) ? wire[1] : 'malformed' }
const texts = Object.fromEntries(Object.entries(wires).map(([name, wire]) => [name, [wire].flat()[0]]))

// Providers that are not reached at all.
const unreached = {
  refused: { error: 'connect' },
  no_such_name: { error: 'connect' },
  tls_to_plain: { error: 'connect' },
  unknown_authority: { error: 'connect' },
  another_name: { error: 'connect' },
  silent_tls: timeout,
}
Object.assign(kinds, unreached)

const expected = (kind, stream) => ({ ...kinds[kind], ...(stream ? kinds[kind].streamed : {}) })

function certificate(name) {
  const dir = folder()
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
  execFileSync('openssl', [...args, '-keyout', 'key', '-out', 'crt'], { cwd: dir, stdio: 'pipe' })
  return { key: readFileSync(join(dir, 'key')), cert: readFileSync(join(dir, 'crt')), ca: join(dir, 'crt') }
}

// A port that hands each connection to `talk`.
async function port_of(talk) {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    talk(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  return { port: server.address().port, stop: () => server.close() }
}

let faulty, wire, silent, closed, own_name, other_name, servers
const cells = Object.keys(kinds).flatMap((kind) => [false, true].flatMap((stream) => ['alone', 'pair'].map((route) => ({ kind, stream, route }))))

function places() {
  return {
    refused: `base_url = "http://127.0.0.1:${closed}/v1"`,
    no_such_name: 'base_url = "http://nowhere.invalid/v1"',
    tls_to_plain: `base_url = "https://127.0.0.1:${wire.port}/v1"`,
    silent_tls: `base_url = "https://127.0.0.1:${silent.port}/v1"`,
    unknown_authority: `base_url = "${own_name.url}"`,
    another_name: `base_url = "${other_name.url}", ca = "${other_name.ca}"`,
    ...Object.fromEntries(Object.keys(wires).map((name) => [name, `base_url = "http://127.0.0.1:${wire.port}/v1"`])),
  }
}

const name_of = ({ kind, stream }) => `${stream ? 'streamed' : 'plain'}_${kind}`

// A server for each route, in it a provider and a model for each cell: what one teaches of its health says nothing of the next one's.
function project(route) {
  const where = places()
  const own = cells.filter((cell) => cell.route === route)
  const there = `base_url = "${faulty.url}/v1"`
  const deadlines = ['connect', 'first_token', 'idle', 'attempt'].map((name) => `${name} = ${SHORT / 1000}`).join(', ')
  const list = route === 'pair' ? 'm[req.prompt] or good, good' : 'm[req.prompt] or good'
  return {
    'wye.lua': `return {
  providers = {
    fine = { kind = "openai", ${there} },
${own.map((cell) => `    ${name_of(cell)} = { kind = "openai", ${where[cell.kind] ?? there} },`).join('\n')}
  },
  models = {
    ["fine/good"] = {},
${own.map((cell) => `    ["${name_of(cell)}/m"] = { name = "${cell.kind}" },`).join('\n')}
  },
  default = "fine/good",
}\n`,
    'route.lua': `local good, m = wye.model "fine/good", {}
for _, name in ipairs { ${own.map((cell) => `"${name_of(cell)}"`).join(', ')} } do m[name] = wye.model(name .. "/m") end
return function(req)
  return { ${list}, ${deadlines}, total = ${TOTAL / 1000} }, "cell"
end\n`,
  }
}

async function set_up() {
  faulty = await sim()
  const rules = Object.keys(kinds).filter((kind) => !(kind in wires || kind in unreached)).map((kind) => ({ model: kind, kind }))
  const told = await faulty.faults({ faults: rules })
  assert.equal(told.status, 200, await told.text())
  wire = await port_of((socket) => {
    let text = ''
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
      const name = /"model": ?"(\w+)"/.exec(text)?.[1]
      if (name) socket.end(Buffer.from(texts[name] ?? '', 'latin1'))
      else if (text.startsWith('\x16')) socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')
    })
  })
  silent = await port_of(() => {})
  const unused = await port_of(() => {})
  closed = unused.port
  unused.stop()
  const [own, other] = [certificate('localhost'), certificate('elsewhere.example')]
  own_name = await upstream({ m: replies.chat('never') }, own)
  other_name = Object.assign(await upstream({ m: replies.chat('never') }, other), { ca: other.ca })
  servers = { alone: await serve(project('alone')), pair: await serve(project('pair')) }
}
after(async () => {
  await Promise.all(Object.values(servers ?? {}).map((w) => w.stop()))
  for (const one of [wire, silent, own_name, other_name]) one?.stop()
  await faulty?.stop()
})

async function run_cell(cell) {
  const body = JSON.stringify({ model: 'auto', stream: cell.stream, messages: [{ role: 'user', content: name_of(cell) }] })
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  const began = performance.now()
  const { text, closed } = await raw(servers[cell.route].port, head + body)
  Object.assign(cell, { ms: performance.now() - began, text, closed })
}

let recorded = 0
before(async () => {
  await set_up()
  const left = [...cells]
  const lane = async () => {
    for (let cell; (cell = left.shift()); ) await run_cell(cell)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  for (const [route, w] of Object.entries(servers)) {
    const records = await w.trace('-n', '10000')
    recorded += records.length
    for (const cell of cells.filter((c) => c.route === route)) {
      cell.replies = replies_in(Buffer.from(cell.text, 'latin1'))
      cell.records = records.filter((record) => record.id === cell.replies[0]?.headers?.['x-wye-id'])
    }
  }
})

const HTTP = { rate_limit: 429, overloaded: 503, timeout: 504, bad_request: 400, content_filter: 400 }
const IN_VAIN = new Set(['bad_request', 'content_filter'])

function check_answer({ replies, closed, ms, text }) {
  assert.ok(closed, `no end within seconds: ${text}`)
  assert.equal(replies.length, 1, text)
  assert.ok(replies[0].whole, text)
  assert.equal(flaw(replies[0]), undefined)
  assert.ok(ms <= TOTAL + GRACE, `${ms.toFixed(0)} ms`)
}

// The attempts of one that failed before any content: the same model again where that may help, then the healthy one if there is one.
function check_failure(cell, want, record) {
  const moved = cell.route === 'pair' && !IN_VAIN.has(want.error)
  const attempts = moved ? record.attempts.slice(0, -1) : record.attempts
  assert.ok(attempts.length > 0)
  const last = moved ? 'next_model' : IN_VAIN.has(want.error) ? 'fail_fast' : 'exhausted'
  attempts.forEach((a, i) => {
    const is_last = i === attempts.length - 1
    const cut_off = is_last && a.error === 'timeout' && cell.ms >= TOTAL
    assert.equal(a.error, cut_off ? 'timeout' : want.error)
    assert.equal(a.completion, a.error === 'timeout' ? 'timed_out' : 'failed')
    assert.equal(a.next, is_last ? last : 'retry_same')
    assert.equal(a.served ?? false, false)
    if (want.status && !cut_off) assert.equal(a.status, want.status)
  })
  if (moved) return check_success(cell, record, 'fine/good', attempts.length)
  assert.equal(cell.replies[0].status, attempts.at(-1).error === want.error ? want.status ?? HTTP[want.error] ?? 502 : 504)
  assert.equal(record.served ?? null, null)
}

function check_success(cell, record, model, before = 0) {
  const last = record.attempts[before]
  assert.equal(record.attempts.length, before + 1)
  assert.deepEqual([last.completion, last.next, last.served, last.model, last.error ?? null], ['succeeded', 'stop', true, model, null])
  assert.equal(cell.replies[0].status, 200)
  assert.equal(/"error":/.test(cell.replies[0].body), false)
  assert.equal(record.served, model)
  assert.equal(record.cause, before ? 'failover' : 'script')
}

function check_late(cell, want, record) {
  assert.equal(record.attempts.length, 1)
  const [a] = record.attempts
  assert.deepEqual([a.error, a.completion, a.next, a.served], [want.error, want.error === 'timeout' ? 'timed_out' : 'stream_failed', 'stop', true])
  const { body, status } = cell.replies[0]
  assert.equal(status, 200)
  assert.match(body, /"content":"\S/)
  assert.match(body, /data: \{"error":\{"message":"[^"]+/)
}

for (const kind of Object.keys(kinds))
  test(kind, () => {
    for (const cell of cells.filter((c) => c.kind === kind)) {
      const want = expected(kind, cell.stream)
      try {
        check_answer(cell)
        assert.equal(cell.records.length, 1, 'one decision')
        const [record] = cell.records
        for (const a of record.attempts) assert.ok(a.ms <= SHORT + GRACE, `an attempt of ${a.ms} ms`)
        if (want.late) check_late(cell, want, record)
        else if (want.error) check_failure(cell, want, record)
        else check_success(cell, record, `${name_of(cell)}/m`)
      } catch (error) {
        const story = JSON.stringify(cell.records?.map((r) => ({ cause: r.cause, ms: r.ms, attempts: r.attempts })))
        error.message = `${cell.route}, ${cell.stream ? 'streamed' : 'plain'}: ${error.message}\n${story}\n${cell.text?.slice(-600)}`
        throw error
      }
    }
  })

test('the trace holds these decisions and no others', (t) => {
  assert.equal(recorded, cells.length)
  const worst = cells.reduce((a, b) => (a.ms > b.ms ? a : b))
  t.diagnostic(`${cells.length} cells, ${Object.keys(kinds).length} kinds; slowest ${worst.ms.toFixed(0)} ms of ${TOTAL} (${worst.kind}, ${worst.route})`)
})
