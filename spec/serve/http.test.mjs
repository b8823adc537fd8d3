// HTTP over real sockets: third-party vectors, pipelining, and bytes that come one at a time.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { join, resolve } from 'node:path'
import { chat, question, raw } from '../support/client.mjs'
import { ROOT, until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const shared = [process.env.WYE_SHARED, '../shared', '../../shared'].filter(Boolean).map((dir) => resolve(ROOT, dir)).find((dir) => existsSync(dir))

function vectors(name) {
  return readFileSync(join(shared, 'http', name), 'utf8').split('\n').filter(Boolean).map((text) => JSON.parse(text)).filter((v) => !v.config_dependent)
}

let up, w
before(async () => {
  up = await upstream({ good: replies.chat('fine'), hang: replies.hang() })
  w = await serve(project(up, ['a/good', 'a/hang']))
})
after(async () => {
  await w?.stop()
  up?.stop()
})

const body = JSON.stringify({ model: 'auto', messages: question() })
const post = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const replies_in = (text) => text.match(/HTTP\/1\.1 \d{3}/g) ?? []

test('a target in absolute form, as proxies get it, is its path', async () => {
  const say = async (bytes) => (await raw(w.port, bytes)).text
  const get = (target) => say(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  const plain = await get('/v1/models')
  assert.match(plain, /^HTTP\/1\.1 200 /)
  assert.equal((await get('http://api.example.com/v1/models?x=1')).split('\r\n\r\n')[1], plain.split('\r\n\r\n')[1])
  assert.match(await get('http://api.example.com'), /^HTTP\/1\.1 404 /)
  assert.match(await say(post.replace('/v1', 'http://x/v1').replace('Host', 'Connection: close\r\nHost')), /^HTTP\/1\.1 200 [^]*fine/)
})

test('vectors that must be refused are, and the connection closes', { skip: !shared && 'no ../shared' }, async () => {
  for (const vector of ['gunicorn-invalid.jsonl', 'gunicorn-valid.jsonl'].flatMap(vectors).filter((v) => v.expect === 'reject')) {
    const bytes = Buffer.from(vector.raw_b64, 'base64')
    const socket = connect({ port: w.port, host: '127.0.0.1', allowHalfOpen: true })
    let text = ''
    const closed = new Promise((done) => socket.on('close', done).on('error', done).on('end', done))
    socket.on('data', (chunk) => (text += chunk.toString('latin1')))
    socket.end(bytes) // some are refused only because they stop short
    await closed
    socket.destroy()
    const last = replies_in(text).at(-1)
    assert.ok(last === undefined || /^HTTP\/1\.1 (4|5)/.test(last), `${vector.id}: ${text.slice(0, 200)}`)
  }
})

test('vectors that must be served are', { skip: !shared && 'no ../shared' }, async () => {
  for (const vector of ['gunicorn-invalid.jsonl', 'gunicorn-valid.jsonl'].flatMap(vectors).filter((v) => v.expect === 'accept')) {
    const { text } = await raw(w.port, Buffer.from(vector.raw_b64, 'base64'), { enough: (t) => replies_in(t).length > 0 })
    assert.match(text, /^HTTP\/1\.1 (200|404|405|413)/, `${vector.id}: ${text.slice(0, 200)}`)
  }
})

test('pipelined requests are answered in order', async () => {
  const { text } = await raw(w.port, post + 'GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n' + post, { enough: (t) => replies_in(t).length === 3 })
  assert.deepEqual(replies_in(text), Array(3).fill('HTTP/1.1 200'))
  assert.ok(text.indexOf('"object":"list"') > text.indexOf('fine'))
})

test('a request byte by byte', async () => {
  const socket = connect(w.port, '127.0.0.1').setNoDelay()
  let text = ''
  socket.on('data', (chunk) => (text += chunk))
  for (const byte of post) await new Promise((done) => socket.write(byte, done))
  await until('the reply', () => text.includes('fine'))
  socket.destroy()
})

test('chunked request, expect-continue, HTTP/1.0', async () => {
  const chunked = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n${body.slice(0, 5)}\r\n${(body.length - 5).toString(16)}\r\n${body.slice(5)}\r\n0\r\n\r\n`
  assert.match((await raw(w.port, chunked, { enough: (t) => t.includes('fine') })).text, /^HTTP\/1\.1 200/)
  const expecting = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`
  assert.match((await raw(w.port, expecting, { enough: (t) => t.includes('\r\n\r\n') })).text, /^HTTP\/1\.1 100/)
  const old = await raw(w.port, 'GET /v1/models HTTP/1.0\r\n\r\n')
  assert.match(old.text, /^HTTP\/1\.1 200/)
  assert.ok(old.closed)
})

test('a client that leaves while its request is held cancels it upstream', async () => {
  const socket = connect(w.port, '127.0.0.1')
  socket.write(post.replace('"auto"', '"a/hang"').replace(/Content-Length: \d+/, `Content-Length: ${body.length + 2}`))
  const call = await until('the call', () => up.calls.find((c) => c.model === 'hang'))
  socket.destroy()
  await until('the cancel', () => call.gone, 2000)
  const [record] = await until('the record', async () => {
    const found = await w.trace('-q', 'requested == "a/hang"')
    return found.length > 0 && found
  })
  assert.equal(record.attempts[0].completion, 'cancelled')
})

test('connections are reused upstream', async () => {
  const before = up.connections()
  for (let i = 0; i < 20; i++) await chat(w, { model: 'auto', messages: question() })
  assert.ok(up.connections() - before <= 1)
})
