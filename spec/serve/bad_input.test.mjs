// What is too much, too slow or wrong costs the client that sent it, and nobody else.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { chat, chat_open, question, raw } from '../support/client.mjs'
import { SLOW, WYE, line, start, stop, until } from '../support/process.mjs'
import { replies_in } from '../support/replies.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { cli, place, serve, serve_args } from '../support/wye.mjs'

let up
before(async () => (up = await upstream({ good: replies.chat('fine'), hang: replies.hang(), slow: replies.chat('a b c d e f g h i j', { gap: 60 }) })))
after(() => up.stop())

// A project with these limits in wye.lua.
function limited(limits, files) {
  const all = project(up, ['a/good', 'a/hang', 'a/slow', 'a/long'], files)
  all['wye.lua'] = all['wye.lua'].replace('direct = true', `direct = true,\n  limits = { ${limits} }`)
  return all
}

const head = (more) => `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n${more}\r\n`
const padded = (size) => {
  const body = JSON.stringify({ model: 'a/good', messages: question(), pad: '' })
  return body.replace('"pad":"', `"pad":"${'x'.repeat(size - body.length)}`)
}
const chunks = (body) => `${body.match(/[^]{1,5000}/g).map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`
const status_of = ({ text }) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])
const has_reply = (text) => replies_in(Buffer.from(text, 'latin1')).some((reply) => reply.whole)

test('a body at, just over and far over the limit, counted and chunked', async () => {
  const w = await serve(limited('body = "64KB"'))
  const ask = (bytes) => raw(w.port, bytes, { enough: has_reply }).then(status_of)
  for (const [size, status] of [[65536, 200], [65537, 413], [1 << 20, 413], [20 << 20, 413]]) {
    const body = padded(size)
    assert.equal(await ask(head(`Content-Length: ${size}\r\n`) + body), status, `${size} counted`)
    assert.equal(await ask(head('Transfer-Encoding: chunked\r\n') + chunks(body)), status, `${size} chunked`)
  }
  assert.equal(await ask(head('Content-Length: 999999999999\r\n')), 413, 'before the body is read')
  assert.equal((await w.workers())[0].restarts, 0)
  await w.stop()
})

test("a model's name as long as the body may be", async () => {
  const w = await serve(limited('script_ms = 50'))
  const start = '{"messages":[{"role":"user","content":"x"}],"model":"\\n'
  const reply = await chat(w, start + 'a'.repeat((32 << 20) - start.length - 2) + '"}')
  assert.equal(reply.status, 400, reply.text)
  assert.equal(reply.json.error.param, 'model')
  assert.equal((await w.decision(reply.headers['x-wye-id'])).status, 400)
  assert.equal((await w.workers())[0].restarts, 0)
  await w.stop()
})

test('an alias that leads nowhere is told with its line', async () => {
  const files = project(up, ['a/good'])
  files['wye.lua'] = files['wye.lua'].replace('direct = true', 'direct = true,\n  aliases = {\n    ["gpt-4o"] = "wye/rout" }')
  const { dir } = place(files)
  const number = files['wye.lua'].split('\n').findIndex((text) => text.includes('gpt-4o')) + 1
  const { code, stdout, stderr } = await cli(['check', dir])
  assert.equal(code, 1)
  assert.match(stdout + stderr, new RegExp(`wye.lua:${number}:\\d+: error: aliases: 'gpt-4o' leads to 'wye/rout', which is no route and no model`))
})

test('a model is found by the name that a client escapes', async () => {
  const w = await serve(limited('script_ms = 50'))
  assert.equal((await (await fetch(`${w.url}/v1/models/a%2Fgood`)).json()).id, 'a/good')
  assert.equal((await fetch(`${w.url}/v1/models/a%2fgood%`)).status, 404)
  await w.stop()
})

test('over limits.concurrent: 503 with Retry-After before the body is read, and room again afterwards', async () => {
  const w = await serve(limited('concurrent = 3'), { workers: 2 })
  const open = []
  for (let i = 0; i < 3; i++) open.push(await chat_open(w, { model: 'a/slow', messages: question() }))
  const { text } = await raw(w.port, head('Content-Length: 100\r\nExpect: 100-continue\r\n'), { enough: has_reply })
  assert.match(text, /^HTTP\/1\.1 503 [^]*\r\nRetry-After: \d+\r\n/i)
  await until('the streams to end', () => open.every((stream) => stream.ended))
  assert.ok(open.every((stream) => stream.done))
  assert.equal((await chat(w, { model: 'a/good', messages: question() })).status, 200)
  await w.stop()
})

test("a client that reads slowly is not the provider's idle deadline", async () => {
  const words = 40000
  up.models.long = replies.chat('word '.repeat(words))
  const w = await serve(limited('script_ms = 50', { 'route.lua': 'return function() return { wye.model "a/long", idle = 0.2 } end\n' }))
  const body = JSON.stringify({ model: 'auto', stream: true, messages: question() })
  const socket = connect(w.port, '127.0.0.1')
  let bytes = 0
  let tail = ''
  socket.write(head(`Content-Length: ${body.length}\r\n`) + body)
  for (let pauses = 0; !tail.endsWith('0\r\n\r\n'); ) {
    const chunk = socket.read() ?? (await new Promise((done) => socket.once('readable', () => done(socket.read()))))
    if (chunk === null) break
    bytes += chunk.length
    tail = (tail + chunk.toString('latin1')).slice(-2000)
    if (bytes > 1e6 * (pauses + 1) && pauses++ < 3) await new Promise((done) => setTimeout(done, 600))
  }
  socket.destroy()
  assert.match(tail, /\[DONE\]/, tail)
  await w.stop()
})

test('a script that loops, raises or eats memory costs its own request only, while 100 others stream', async () => {
  const bombs = { loops: 'while true do end', raises: 'error("no")', eats: 'local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end' }
  const files = Object.fromEntries(Object.entries(bombs).map(([name, text]) => [`${name}.lua`, `return function(req)\n  if req.prompt ~= "boom" then return wye.model "a/good" end\n  ${text}\nend\n`]))
  const w = await serve(limited('script_ms = 50', files))
  const streams = Promise.all(Array.from({ length: 100 }, () => chat(w, { model: 'a/slow', stream: true, messages: question() })))
  for (let i = 0; i < 9; i++) {
    const reply = await chat(w, { model: `wye/${Object.keys(bombs)[i % 3]}`, messages: question('boom') })
    assert.equal(reply.status, 200, reply.text)
    assert.equal(reply.headers['x-wye-cause'], 'script_error')
  }
  for (const stream of await streams) assert.ok(stream.done && stream.content === 'a b c d e f g h i j', stream.text)
  assert.equal((await w.workers())[0].restarts, 0)
  await w.stop()
})

test('more clients than descriptors: the server says so, lives, and serves again', async () => {
  const args = serve_args(place(limited('script_ms = 50')), { workers: 1 })
  const child = start('sh', ['-c', 'ulimit -n 80; exec "$0" "$@"', WYE, ...args])
  const [, url, port] = await line(child, /ready (http:\/\/127\.0\.0\.1:(\d+))/)
  assert.match(child.said, /ulimit -n/)
  // Connections that sent part of a request: idle ones would give way.
  const held = []
  const hold = () => held.push(connect(Number(port), '127.0.0.1', function () { this.write('POST /v1') }).on('error', () => {}))
  await until('the server to run out', () => (hold(), /no file descriptor left.*ulimit -n/.test(child.said)))
  held.forEach((socket) => socket.destroy())
  await until('an answer', () => chat({ url }, { model: 'a/good', messages: question() }).then((reply) => reply.status === 200, () => false))
  assert.doesNotMatch(child.said, /killed|Segmentation/)
  await stop(child)
})
