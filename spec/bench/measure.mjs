// What the kernel says of a router's processes, and what the load tools say of a run.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { BUILD, LOAD_CPU, line, pinned, start, stop, tree } from './routers.mjs'

// Nanoseconds on a processor, of every thread of every process.
export function cpuNs(router) {
  let sum = 0
  for (const pid of tree(router.child.pid))
    for (const task of readdirSync(`/proc/${pid}/task`))
      sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0])
  return sum
}

// Kilobytes in memory that no other process shares, and shared pages by halves: what the router costs the machine.
export function memoryKb(router) {
  let sum = 0
  for (const pid of tree(router.child.pid)) {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    sum += Number(/^Pss:\s+(\d+)/m.exec(rollup)[1])
  }
  return sum
}

// As `memoryKb`, without the pages of files: the trace and the counters are there before the first request.
export function anonymousKb(router) {
  let sum = 0
  for (const pid of tree(router.child.pid))
    sum += Number(/^Pss_Anon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1])
  return sum
}

async function output(cpu, command, args) {
  const [file, ...rest] = pinned(cpu, command, ...args)
  const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (bytes) => (text += bytes))
  await once(child, 'close')
  if (child.exitCode !== 0) throw new Error(`${command} ended with ${child.exitCode}: ${text}`)
  return text
}

function lastJson(text) {
  return JSON.parse(text.trim().split('\n').pop())
}

async function costed(router, run) {
  const before = router.name === 'direct' ? 0 : cpuNs(router)
  const result = await run()
  const after = router.name === 'direct' ? 0 : cpuNs(router)
  if (result.errors > 0) throw new Error(`${router.name}: ${result.errors} requests failed`)
  const rps = result.requests / result.seconds
  return { ...result, rps, cpuNs: after - before, us: (after - before) / 1000 / result.requests }
}

// A closed loop of `connections` for `seconds`: as fast as the router goes.
export function wrk(router, { body, connections, seconds, path }) {
  const script = new URL('post.lua', import.meta.url).pathname
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, `http://127.0.0.1:${router.port}/`, '--', body, ...[path ?? router.key].filter(Boolean)]
  return costed(router, async () => lastJson(await output(LOAD_CPU, 'wrk', args)))
}

// `kind` rate or events of load.c.
export function load(router, kind, { body, connections, seconds, rate = 0 }) {
  const args = [kind, router.port, body, '-c', connections, '-s', seconds]
  if (rate) args.push('-r', rate)
  return costed(router, async () => lastJson(await output(LOAD_CPU, join(BUILD, 'bench/load'), args.map(String))))
}

// Opens connections that stay; returns what closes them.
export async function open(router, kind, { body, connections }) {
  const child = start(LOAD_CPU, join(BUILD, 'bench/load'), [kind, router.port, body, '-c', connections].map(String))
  await line(child, /^open/)
  return () => stop(child)
}

// System calls for each request, counted by strace while a load runs.
export async function syscalls(router, options) {
  const pids = tree(router.child.pid).flatMap((pid) => ['-p', String(pid)])
  const child = spawn('strace', ['-c', '-f', ...pids], { stdio: ['ignore', 'ignore', 'pipe'] })
  let text = ''
  child.stderr.on('data', (bytes) => (text += bytes))
  while (!text.includes('attached')) await once(child.stderr, 'data')
  const { requests } = await wrk(router, options)
  child.kill('SIGINT')
  await once(child, 'close')
  const total = /^\s*100\.00\s+[\d.]+\s+(?:[\d.]+\s+)?(\d+)\s.*total$/m.exec(text)
  if (!total) throw new Error(`strace said: ${text}`)
  return Number(total[1]) / requests
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}
