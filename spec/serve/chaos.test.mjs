// Clients that behave in every bad way, providers that fail in every known way, and reloads, all at once: each client that stays has
// exactly one well-formed answer for each request, and nothing of it is left in the server afterwards.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { join } from 'node:path'
import { ROOT, SLOW, until } from '../support/process.mjs'
import { flaw, replies_in } from '../support/replies.mjs'
import { serve, sim } from '../support/wye.mjs'

const SECONDS = Number(process.env.CHAOS ?? 8)
const CLIENTS = Number(process.env.CLIENTS ?? 200)

const kinds = [...readFileSync(join(ROOT, 'runtime/sim/sim_fault.def'), 'utf8').matchAll(/^FAULT\(\w+, "(\w+)"/gm)].map((match) => match[1])
const names = [...kinds, '400', '401', '429', '500', '529', 'fine']
const limits = 'first_token = 0.4, idle = 0.4, attempt = 1, total = 1.5'
const models = `local m = {}\nfor _, name in ipairs { ${names.map((name) => `"${name}"`).join(', ')} } do m[name] = wye.model("x/" .. name) end\nsetmetatable(m, { __index = function() return m.fine end })\n`
const list = (text, more = '') => `${models}local kept\nreturn ${more}function(req)\n  ${text}\nend\n`

const files = (url) => ({
  'wye.lua': `return {
  providers = { x = { kind = "openai", base_url = "${url}/v1" } },
  models = { ${names.map((name) => `["x/${name}"] = {}`).join(', ')} },
  default = "x/fine",
}\n`,
  'route.lua': list(`return { m[req.prompt], m.fine, ${limits} }, "chaos"`),
  'only.lua': list(`return { m[req.prompt], ${limits} }`),
  'ask.lua': list(`local reply = m[req.prompt]:ask(req, { timeout = 0.4 })\n  wye.note("asked", { got = reply and reply.text })\n  return reply or { m.fine, ${limits} }`),
  'gather.lua': list(`local replies = wye.gather({ m[req.prompt], m.slow_bytes, m.fine }, req, { timeout = 0.4 })\n  wye.note("gathered", { some = replies ~= nil })\n  return { m[req.prompt], m.fine, ${limits} }`),
  'first.lua': list(`return wye.first({ m[req.prompt], m.fine, m.hang }, req, { timeout = 0.5 }) or { m.fine, ${limits} }`),
  'keep.lua': list(`local old = kept\n  kept = req\n  m[req.prompt]:ask(req, { timeout = 0.2 })\n  local _, prompt = pcall(function() return old.prompt end)\n  return { m[prompt], ${limits} }`),
  // Raises where the check cannot: for clients that left.
  'after.lua': `${models}return {\n  route = function(req) return { m[req.prompt], ${limits} } end,\n  after = function(out) if out.status == 499 then error("after") end end,\n}\n`,
})

let faulty, w
before(async () => {
  faulty = await sim()
  const rules = names.filter((name) => name !== 'fine').map((name) => ({ model: name, kind: name }))
  const told = await fetch(`${faulty.url}/sim/faults`, { method: 'POST', body: JSON.stringify({ faults: rules }) })
  assert.equal(told.status, 200, await told.text())
  w = await serve(files(faulty.url), { workers: 2 })
})
after(async () => {
  await w?.stop()
  await faulty?.stop()
})

const any = (list) => list[Math.floor(Math.random() * list.length)]
const pause = (ms) => new Promise((done) => setTimeout(done, ms))
const ids = new Map()
const flaws = []
let answered = 0

function post() {
  const route = any(['auto', 'wye/only', 'wye/ask', 'wye/keep', 'wye/gather', 'wye/first', 'wye/after'])
  const body = JSON.stringify({ model: route, stream: Math.random() < 0.5, messages: [{ role: 'user', content: any(names) }] })
  return `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

// Sends by `behave` and looks at all that came: a client that stays has `wanted` whole replies when it is done.
function client(what, wanted, behave) {
  return new Promise((resolve) => {
    const socket = connect({ port: w.port, host: '127.0.0.1', allowHalfOpen: true })
    let bytes = Buffer.alloc(0)
    let stays = wanted > 0
    const late = setTimeout(() => (flaws.push(`${what}: no end within 15 s: ${bytes.toString().slice(-300)}`), socket.destroy()), 15000 * SLOW)
    const leave = () => {
      stays = false
      socket.destroy()
    }
    socket.on('connect', () => behave(socket, leave))
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      if (stays && count(what, bytes) >= wanted) socket.end()
    })
    socket.on('end', () => socket.end())
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(late)
      look(what, bytes, stays ? wanted : 0)
      resolve()
    })
  })
}

function count(what, bytes) {
  try {
    return replies_in(bytes).filter((reply) => reply.whole).length
  } catch {
    return Infinity // look() says what it is
  }
}

function look(what, bytes, wanted) {
  try {
    const replies = replies_in(bytes)
    for (const { headers } of replies)
      if ((headers?.['x-wye-id'] ?? '-') !== '-') ids.set(headers['x-wye-id'], (ids.get(headers['x-wye-id']) ?? 0) + 1)
    const whole = replies.filter((reply) => reply.whole)
    for (const why of whole.map(flaw).filter(Boolean)) flaws.push(`${what}: ${why}`)
    if (wanted > 0 && (whole.length !== wanted || replies.length !== wanted)) flaws.push(`${what}: ${whole.length} of ${wanted} replies: ${bytes.toString().slice(-300)}`)
    answered += whole.length
  } catch (error) {
    flaws.push(`${what}: ${error.message}`)
  }
}

const garbage = () => Buffer.from(Array.from({ length: 1 + Math.random() * 200 }, () => Math.random() * 256))
const behaviours = {
  one: () => client('one', 1, (socket) => socket.write(post())),
  pipelined: () => client('pipelined', 3, (socket) => socket.write(post() + post() + post())),
  pieces: () =>
    client('pieces', 1, async (socket) => {
      for (const piece of post().match(/[^]{1,40}/g)) {
        socket.write(piece)
        await pause(1)
      }
    }),
  slow: () =>
    client('slow', 1, async (socket) => {
      socket.write(post())
      for (let i = 0; i < 5; i++) {
        socket.pause()
        await pause(60)
        socket.resume()
        await pause(1)
      }
    }),
  leaves: () => client('leaves', 0, (socket, leave) => (socket.write(post() + any(['', post()])), setTimeout(leave, any([0, 1, 5, 20, 100, 300, 600])))),
  leaves_in_reply: () => client('leaves_in_reply', 0, (socket, leave) => (socket.write(post()), socket.once('data', () => setTimeout(leave, Math.random() * 40)))),
  leaves_in_request: () => client('leaves_in_request', 0, (socket, leave) => (socket.write(post().slice(0, -Math.random() * 150)), setTimeout(leave, Math.random() * 50))),
  half: () => client('half', 0, (socket) => socket.end(post())),
  garbage: () => client('garbage', 0, (socket) => socket.end(any([garbage(), post() + garbage().toString('latin1'), post().replace('{', '{{')]))),
  // A request, and bytes that are none behind it: its answer comes all the same.
  answer_then_garbage: () => client('answer_then_garbage', 2, (socket) => socket.write(post() + '\x00\x01 nonsense\r\n\r\n')),
}

// Summed over the workers.
async function gauge(name) {
  const values = [...(await w.ask('/metrics')).text.matchAll(new RegExp(`^${name}{worker="\\d+"} (\\d+)$`, 'gm'))]
  assert.equal(values.length, 2, name)
  return values.reduce((sum, [, value]) => sum + Number(value), 0)
}

const pids = async () => (await w.workers()).map((worker) => worker.pid)
const resident = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1])

test(`${CLIENTS} clients at once for ${SECONDS} s`, async () => {
  const before = await pids()
  const until_ms = Date.now() + SECONDS * 1000
  const run = async () => {
    while (Date.now() < until_ms && flaws.length < 20) await behaviours[any(Object.keys(behaviours))]()
  }
  const reload = async () => {
    for (let i = 0; Date.now() < until_ms; i++) {
      w.write({ 'after.lua': i % 3 === 2 ? 'return function(\n' : `${files(faulty.url)['after.lua']}-- ${i}\n` })
      const told = await w.ask('/reload', { method: 'POST' })
      assert.equal(told.status, i % 3 === 2 ? 422 : 200, told.text)
      await pause(100)
    }
  }
  await Promise.all([reload(), ...Array.from({ length: CLIENTS }, run)])
  assert.deepEqual(flaws, [])
  assert.ok(answered > CLIENTS * 2, `${answered} answers`)
  assert.deepEqual(await pids(), before, `a worker died:\n${w.child.said.slice(-2000)}`)
})

test('nothing is left of them', async () => {
  await until('no request to be in flight', async () => (await gauge('wye_requests_in_flight')) === 0)
  await until('no connection to be open', async () => (await gauge('wye_client_connections')) === 0)
  await until('no request to be open upstream', async () => Object.values(await faulty.stats()).every((model) => model.open === 0))
  if (SLOW === 1) for (const pid of await pids()) assert.ok(resident(pid) < 150 * 1024, `${resident(pid)} KB`)
})

test('every id that a client was told is in the trace once', async () => {
  const told = new Map()
  for (const record of await w.trace('-n', '10000000')) told.set(record.id, (told.get(record.id) ?? 0) + 1)
  assert.deepEqual([...ids].filter(([id, n]) => n !== 1 || told.get(id) !== 1), [])
  assert.ok(ids.size > CLIENTS)
})
