// What `make bench` measures. Each scenario returns tables: a title, rows of rounds by router, and the figures' labels.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as measure from './measure.mjs'
import { BUILD, startRouter, startSingle, stop, stopSingle, tree } from './routers.mjs'

export { classify } from './classify.mjs'
export { replays } from './replay.mjs'

// Runs `step(router)` for each of the names in turn, `rounds` times over, so that what changes on the machine meets all alike.
async function alternate({ mock, root, rounds }, names, step) {
  const routers = []
  for (const name of names) routers.push(name === 'direct' ? mock : await startRouter(name, mock, root))
  const rows = Object.fromEntries(names.map((name) => [name, []]))
  for (let i = 0; i < rounds; i++) for (const router of routers) rows[router.name].push(await step(router))
  for (const router of routers) if (router !== mock) await stop(router.child)
  return rows
}

const speed = { us: 'CPU us/request', rps: 'requests/s', p50: 'p50 us', p99: 'p99 us' }

export async function plain(context) {
  const tables = []
  const counts = context.quick ? [64] : [64, 256]
  for (const size of ['1 KB', '50 KB'])
    for (const connections of counts) {
      const options = { body: context.bodies[size], connections, seconds: context.seconds }
      const rounds = await alternate(context, context.routers, (router) => measure.wrk(router, options))
      tables.push({ title: `${size} requests, ${connections} connections`, rounds, figures: speed })
    }
  return tables
}

// One connection: what the router adds to the latency of going direct.
export async function added(context) {
  const options = { body: context.bodies['1 KB'], connections: 1, seconds: context.seconds }
  const rounds = await alternate(context, ['direct', ...context.routers], (router) => measure.wrk(router, options))
  for (const name of context.routers)
    rounds[name].forEach((row, i) => {
      row.added50 = row.p50 - rounds.direct[i].p50
      row.added99 = row.p99 - rounds.direct[i].p99
    })
  delete rounds.direct
  const figures = { added50: 'added p50 us', added99: 'added p99 us', us: 'CPU us/request' }
  return [{ title: '1 KB requests, 1 connection, latency added over direct', rounds, figures }]
}

async function heldCount(mock) {
  return Number(await (await fetch(`http://127.0.0.1:${mock.port}/held`)).text())
}

async function until(what, deadlineMs, condition) {
  for (const deadline = Date.now() + deadlineMs; Date.now() < deadline; ) {
    if (await condition()) return
    await new Promise((done) => setTimeout(done, 20))
  }
  throw new Error(`waited in vain for ${what}`)
}

// 4,000 requests wait at the upstream while others go through, at a rate and as fast as it goes.
export async function held(context) {
  const { bodies, mock, quick } = context
  const count = 4000
  const rounds = {}
  for (const name of context.routers) rounds[name] = []
  for (let i = 0; i < (quick ? 1 : 3); i++)
    for (const name of context.routers) {
      const router = await startRouter(name, mock, context.root)
      const warm = { body: bodies['1 KB'], connections: 64, seconds: 1 }
      await measure.wrk(router, warm)
      const before = measure.anonymousKb(router)
      const close = await measure.open(router, 'hold', { body: bodies.hold, connections: count })
      await until(`${count} held requests through ${name}`, 20000, async () => (await heldCount(mock)) === count)
      const each = (measure.anonymousKb(router) - before) / count
      const paced = await measure.load(router, 'rate', { ...warm, rate: 10000, seconds: context.seconds })
      const full = await measure.wrk(router, { ...warm, seconds: context.seconds })
      rounds[name].push({ ...full, paced: paced.us, paced_p99: paced.p99, paced_rps: paced.rps, each })
      await close()
      await stop(router.child)
      await until('the held requests to be gone', 20000, async () => (await heldCount(mock)) === 0)
    }
  const figures = { each: 'KB/held', paced: 'us at 10,000/s', paced_rps: 'reached/s', us: 'us at full', rps: 'full/s', p99: 'full p99 us' }
  return [{ title: `${count} requests held open at the upstream, 64 connections beside them`, rounds, figures }]
}

export async function events(context) {
  const options = { body: context.bodies.events, connections: 64, seconds: context.quick ? 2 : 4 }
  const rounds = await alternate(context, context.routers, async (router) => {
    const run = await measure.load(router, 'events', options)
    return { ...run, each: run.cpuNs / 1000 / run.events, rate: run.events / run.seconds, share: run.held_back / run.events }
  })
  const figures = { each: 'CPU us/event', rate: 'events/s', p50: 'delay p50 us', p99: 'delay p99 us', held_back: 'held back' }
  return [{ title: '64 streams, an event each 5 ms', rounds, figures }]
}

export async function memory(context) {
  const rounds = {}
  const connections = 4000
  for (const name of context.routers) {
    const router = await startRouter(name, context.mock, context.root)
    const idle = measure.memoryKb(router) / 1024
    await measure.wrk(router, { body: context.bodies['1 KB'], connections: 64, seconds: 1 })
    const before = measure.anonymousKb(router)
    const close = await measure.open(router, 'idle', { body: context.bodies['1 KB'], connections })
    rounds[name] = [{ idle, connection: (measure.anonymousKb(router) - before) / connections, processes: tree(router.child.pid).length }]
    await close()
    await stop(router.child)
  }
  const figures = { idle: 'MiB idle', connection: 'KB/idle conn', processes: 'processes' }
  return [{ title: `memory: idle, and for each of ${connections} idle connections`, rounds, figures }]
}

export async function calls(context) {
  const options = { body: context.bodies['1 KB'], connections: 64, seconds: 1 }
  const single = { ...context, rounds: 1 }
  const rounds = await alternate(single, context.routers, async (router) => ({ calls: await measure.syscalls(router, options) }))
  return [{ title: 'system calls for each 1 KB request, 64 connections (strace)', rounds, figures: { calls: 'calls/request' } }]
}

// wye only: what a client's key and its quotas, the provider's keys, req:limit and a list cost beside the bare route. Prices and cooldown are on in both.
export async function limits(context) {
  if (!context.routers.includes('wye')) return []
  const options = { body: context.bodies['1 KB'], connections: 64, seconds: context.seconds }
  const routers = { bare: await startRouter('wye', context.mock, context.root), limits: await startRouter('wye', context.mock, context.root, { limited: true }) }
  const rounds = { bare: [], limits: [] }
  for (let i = 0; i < context.rounds; i++) for (const name of Object.keys(rounds)) rounds[name].push(await measure.wrk(routers[name], options))
  for (const name of Object.keys(rounds)) {
    rounds[name].forEach((row, i) => (row.share = row.us / rounds.bare[i].us))
    await stop(routers[name].child)
  }
  return [{ title: 'wye with keys, limits, cooldown, budget and prices', rounds, figures: { ...speed, share: 'CPU ÷ bare' } }]
}

// wye only: a client of another protocol than the provider's, beside one of the same.
export async function translated(context) {
  if (!context.routers.includes('wye')) return []
  const router = await startRouter('wye', context.mock, context.root)
  const tables = []
  for (const [size, events] of [['1 KB', 1], ['50 KB', 1], ['events', 100]]) {
    const rounds = { exact: [], translated: [] }
    for (let i = 0; i < context.rounds; i++)
      for (const [name, prefix, path] of [['exact', '', '/v1/chat/completions'], ['translated', 'messages ', '/v1/messages']]) {
        const run = await measure.wrk(router, { body: context.bodies[prefix + size], connections: 64, seconds: context.seconds, path })
        rounds[name].push({ ...run, each: run.us / events })
      }
    const figures = events > 1 ? { each: 'CPU us/event' } : speed
    const title = events > 1 ? `streams of ${events} events` : `${size} requests`
    tables.push({ title: `${title}, chat to chat (exact) and messages to chat (translated)`, rounds, figures })
  }
  await stop(router.child)
  return tables
}

// wye only: what another route adds to the bare one.
async function beside_bare(context, name, body, title) {
  if (!context.routers.includes('wye')) return []
  const router = await startRouter('wye', context.mock, context.root)
  const rounds = { bare: [], [name]: [] }
  for (let i = 0; i < context.rounds; i++)
    for (const [row, bytes] of [['bare', context.bodies['1 KB']], [name, body]])
      rounds[row].push(await measure.wrk(router, { body: bytes, connections: 64, seconds: context.seconds }))
  rounds[name].forEach((row, i) => (row.added = row.us - rounds.bare[i].us))
  rounds.bare.forEach((row) => (row.added = 0))
  await stop(router.child)
  return [{ title, rounds, figures: { ...speed, added: 'added us' } }]
}

// The same route as both arms of an experiment whose unit is the request: assignment, exposure and its event each time.
export function experiment(context) {
  return beside_bare(context, 'experiment', context.bodies['trial 1 KB'], 'wye with an experiment and its exposure')
}

// The same route with itself as a shadow of every request: its run and its event.
export function shadow(context) {
  return beside_bare(context, 'shadow', context.bodies['shadow 1 KB'], 'wye with a shadow of each request')
}

function reload(router) {
  const [command, ...args] = [join(BUILD, 'wye'), 'reload', '--admin', router.admin]
  const child = spawn(command, args, { stdio: 'ignore' })
  return once(child, 'exit').then(([code]) => {
    if (code !== 0) throw new Error(`reload ended with ${code}`)
  })
}

function edit(router) {
  appendFileSync(join(router.project, 'route.lua'), `-- ${process.hrtime.bigint()}\n`)
}

async function whileReloading(router, options) {
  const end = Date.now() + options.seconds * 1000
  const running = measure.wrk(router, options)
  for (let at = Date.now(); at + 300 < end; at += 1000) {
    edit(router)
    await reload(router)
    await new Promise((done) => setTimeout(done, Math.max(0, at + 1000 - Date.now())))
  }
  return running
}

// wye only: the same load with and without a reload each second.
export async function reloads(context) {
  if (!context.routers.includes('wye')) return []
  const router = await startRouter('wye', context.mock, context.root)
  const options = { body: context.bodies['1 KB'], connections: 64, seconds: context.quick ? 3 : 5 }
  const rounds = { 'still': [], 'reloading': [] }
  for (let i = 0; i < context.rounds; i++) {
    rounds.still.push(await measure.wrk(router, options))
    rounds.reloading.push(await whileReloading(router, options))
  }
  rounds.reloading.forEach((row, i) => {
    row.slowdown = rounds.still[i].rps / row.rps
    row.p99_share = row.p99 / rounds.still[i].p99
  })
  rounds.still.forEach((row) => Object.assign(row, { slowdown: 1, p99_share: 1 }))
  await stop(router.child)
  return [{ title: 'wye with a reload each second', rounds, figures: { ...speed, slowdown: 'slowdown', p99_share: 'p99 ÷ still' } }]
}

// wye only: from the command to live, 10 route files, 4 workers.
export async function live(context) {
  if (!context.routers.includes('wye')) return []
  const router = await startRouter('wye', context.mock, context.root, { workers: 4 })
  const route = readFileSync(join(router.project, 'route.lua'))
  mkdirSync(join(router.project, 'rules'), { recursive: true })
  for (let i = readdirSync(router.project).length; i < 12; i++) appendFileSync(join(router.project, `r${i}.lua`), route)
  const rows = []
  for (let i = 0; i < context.rounds * 2; i++) {
    edit(router)
    const before = process.hrtime.bigint()
    await reload(router)
    rows.push({ ms: Number(process.hrtime.bigint() - before) / 1e6 })
  }
  await stop(router.child)
  return [{ title: 'wye reload, 10 route files, 4 workers, with its gates and the command itself', rounds: { wye: rows }, figures: { ms: 'ms to live' } }]
}

// User instructions for each request: the difference between a short and a long run under callgrind.
export async function callgrind(context) {
  const count = async (requests) => {
    const out = join(context.root, `callgrind.${requests}`)
    const router = await startSingle(context.mock, context.root, ['valgrind', '--tool=callgrind', `--callgrind-out-file=${out}`])
    const run = await measure.load(router, 'rate', { body: context.bodies['1 KB'], connections: 16, seconds: 4, rate: requests / 4 })
    await stopSingle(router)
    return { instructions: Number(/^(?:totals|summary): (\d+)/m.exec(readFileSync(out, 'utf8'))[1]), requests: run.requests }
  }
  const few = await count(600)
  const many = await count(2600)
  const each = (many.instructions - few.instructions) / (many.requests - few.requests)
  if (!(each > 1000)) throw new Error(`callgrind counted ${each} instructions for each request: its files are incomplete`)
  return [{ title: 'user instructions for each 1 KB request (callgrind)', rounds: { wye: [{ each }] }, figures: { each: 'instructions' } }]
}
