// Starting and ending: what cannot work says what happened and what to do, and an end loses nothing.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chmodSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { chat, chat_open, question } from '../support/client.mjs'
import { WYE, has_ended, run, until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { cli, folder, place, serve, serve_args, write } from '../support/wye.mjs'

let up
before(async () => (up = await upstream({ good: replies.chat('fine'), slow: replies.chat('a b c d e f', { gap: 100 }) })))
after(() => up.stop())
const files = (more) => project(up, ['a/good', 'a/slow'], more)

async function refused(args, words, options) {
  const { code, stdout, stderr } = await run(WYE, args, options)
  assert.equal(code, 1, stdout + stderr)
  assert.match(stderr, words)
  assert.doesNotMatch(stdout, /ready/)
}

test('a port in use', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const listen = `127.0.0.1:${taken.address().port}`
  await refused(serve_args(place(files()), { listen }), new RegExp(`${listen}.*(in use|another)`, 's'))
  taken.close()
})

test('the port of another wye, though it shares by SO_REUSEPORT', async () => {
  const w = await serve(files())
  await refused(serve_args(place(files()), { listen: `127.0.0.1:${w.port}` }), /in use/)
  assert.equal((await chat(w, { model: 'auto', messages: question() })).status, 200)
  await w.stop()
})

test('no project, an empty one, one without models, a broken one', async () => {
  await refused(serve_args({ home: folder(), dir: '/nowhere/at/all' }), /\/nowhere\/at\/all/)
  await refused(serve_args(place({})), /wye\.lua/)
  await refused(serve_args(place({ 'wye.lua': 'return {}\n' })), /models/)
  await refused(serve_args(place(files({ 'route.lua': 'return function(\n' }))), /route\.lua:\d/)
})

test('an unreadable trace folder', { skip: process.getuid() === 0 && 'root may write everywhere' }, async () => {
  const at = place(files())
  chmodSync(at.home, 0o500)
  await refused(serve_args(at), new RegExp(at.home))
})

test('a trace folder that is a file', async () => {
  const at = place(files())
  write(at.home, { trace: 'in the way' })
  await refused(serve_args(at), new RegExp(join(at.home, 'trace')))
})

test('the trace or the state of another wye, which goes on', async () => {
  const w = await serve(files())
  const pid = (await w.status()).pid
  const [trace, state] = [join(w.home, 'trace'), join(w.home, 'state')]
  const other = place(files())
  await refused(serve_args(w), new RegExp(`another server \\(pid ${pid}\\) has the trace in ${trace} and the state in ${state}: .*--trace DIR --state DIR`))
  await refused([...serve_args(other), '--trace', trace], new RegExp(`another server \\(pid ${pid}\\) has the trace in ${trace}: .*its own with --trace DIR`))
  await refused([...serve_args(other), '--state', state], new RegExp(`another server \\(pid ${pid}\\) has the state in ${state}: .*its own with --state DIR`))
  await w.decision((await chat(w, { model: 'auto', messages: question() })).headers['x-wye-id'])
  await w.stop()
  const next = await serve(w) // what it had is free with its end
  await next.stop()
})

test('after a server that was killed, once its workers have finished: with a trace', async () => {
  const killed = await serve(files())
  const open = await chat_open(killed, { model: 'a/slow', messages: question() })
  killed.kill(killed.child.pid)
  const w = await serve(killed)
  assert.doesNotMatch(w.child.said, /without a trace/)
  const reply = await chat(w, { model: 'auto', messages: question() })
  await w.decision(reply.headers['x-wye-id'])
  open.close()
  await w.stop()
})

test('a missing key is named at start and on use', async () => {
  const with_key = files()
  with_key['wye.lua'] = with_key['wye.lua'].replace('a = { kind', 'a = { key = { env = "TEST_NO_SUCH_KEY" }, kind')
  const w = await serve(with_key)
  assert.match(w.child.said, /TEST_NO_SUCH_KEY/)
  const reply = await chat(w, { model: 'auto', messages: question() })
  assert.ok(reply.status >= 400)
  assert.match(reply.json.error.message, /TEST_NO_SUCH_KEY/)
  await w.stop()
})

test('too few file descriptors', async () => {
  const args = ['-c', 'ulimit -n 24; exec "$0" "$@"', WYE, ...serve_args(place(files()), { workers: 2 })]
  const { code, stderr } = await run('sh', args)
  assert.equal(code, 1, stderr)
  assert.match(stderr, /ulimit -n|descriptor/i)
})

test('SIGTERM: no new connections, open requests finish, exit 0', async () => {
  const w = await serve(files(), { workers: 2 })
  const stream = await chat_open(w, { model: 'a/slow', messages: question() })
  await until('the first word', () => stream.text.includes('"a '))
  w.child.kill('SIGTERM')
  await until('the port to be closed', () => fetch(w.url).then(() => false, () => true))
  await until('the stream to end', () => stream.ended)
  assert.equal(stream.content, 'a b c d e f')
  assert.ok(stream.done)
  assert.deepEqual(await w.child.ended, { code: 0, signal: null })
  assert.equal((await w.decision(stream.headers['x-wye-id'])).attempts[0].completion, 'succeeded')
})

test('a second SIGTERM ends at once', async () => {
  up.models.hang = replies.hang()
  const w = await serve(project(up, ['a/hang']))
  const pending = chat(w, { model: 'auto', messages: question() }).catch((error) => error)
  await until('the request to be upstream', () => up.calls.some((call) => call.model === 'hang'))
  w.child.kill('SIGTERM')
  await until('the port to be closed', () => fetch(w.url).then(() => false, () => true))
  assert.equal(has_ended(w.child), false, 'it waits for the request')
  w.child.kill('SIGTERM')
  await w.child.ended
  assert.ok((await pending) instanceof Error || (await pending).cut)
})

test('init makes a project that checks and runs', async () => {
  const dir = join(folder(), 'new')
  const made = await cli(['init', dir])
  assert.equal(made.code, 0, made.stderr)
  const checked = await cli(['check', dir])
  assert.equal(checked.code, 0, checked.stdout + checked.stderr)
  const w = await serve(dir === '' ? {} : { home: folder(), dir }, { demo: true })
  const reply = await chat(w, { model: 'auto', messages: question() })
  assert.equal(reply.status, 200, reply.text)
  await w.stop()
  assert.equal((await cli(['init', dir])).code, 1, 'what is there is not overwritten')
})

test('the processes name themselves', async () => {
  const w = await serve(files(), { workers: 2 })
  const { stdout } = await run('ps', ['-o', 'args=', '--ppid', String(w.child.pid)])
  for (const name of ['wye: worker 1', 'wye: admin']) assert.ok(stdout.includes(name), stdout)
  await w.stop()
})
