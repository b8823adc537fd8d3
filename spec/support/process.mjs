// Child processes of the tests: none outlives its test file, and what they said is in the error when one disappoints.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after } from 'node:test'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = resolve(fileURLToPath(new URL('../..', import.meta.url)))
export const BUILD = resolve(ROOT, process.env.BUILD ?? 'build')
export const WYE = join(BUILD, 'wye')

// A build with sanitizers does the same several times slower.
export const SLOW = BUILD.endsWith('-san') ? 5 : 1

const children = new Set()
// Each child leads a group, so that its own children go with it.
function kill_group(child, signal) {
  try {
    process.kill(-child.pid, signal)
  } catch {} // all of it is gone
}
const kill_all = () => children.forEach((child) => kill_group(child, 'SIGKILL'))
process.on('exit', kill_all)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
// A test that failed half way leaves a server behind, which would keep its file from ending.
if (process.env.NODE_TEST_CONTEXT) after(kill_all)

// Waits until `condition` yields something true and returns it.
export async function until(what, condition, ms = 10000) {
  for (const deadline = Date.now() + ms * SLOW; ; ) {
    const value = await condition()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await new Promise((done) => setTimeout(done, 5))
  }
}

// Starts a command; `said` collects both of its outputs, `lines` those of standard output.
export function start(command, args, { env = {}, cwd = ROOT } = {}) {
  const options = { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true }
  const child = spawn(command, args, options)
  child.said = ''
  child.out = ''
  child.stdout.on('data', (bytes) => {
    child.said += bytes
    child.out += bytes
  })
  child.stderr.on('data', (bytes) => (child.said += bytes))
  children.add(child)
  child.ended = once(child, 'close').then(([code, signal]) => {
    children.delete(child)
    return { code, signal }
  })
  return child
}

export function has_ended(child) {
  return child.exitCode !== null || child.signalCode !== null
}

// Waits for a line of standard output; throws with what the child said when it ends first.
export async function line(child, pattern, ms = 15000) {
  const match = await until(`${pattern} from ${child.spawnargs.join(' ')}`, () => pattern.exec(child.out) ?? (has_ended(child) && 'ended'), ms).catch(
    (error) => {
      throw new Error(`${error.message}; it said:\n${child.said}`)
    },
  )
  if (match === 'ended') {
    await child.ended
    const late = pattern.exec(child.out)
    if (late) return late
    throw new Error(`${child.spawnargs.join(' ')} ended with ${child.exitCode ?? child.signalCode}:\n${child.said}`)
  }
  return match
}

// Ends a child by SIGTERM, at last by SIGKILL; returns how it ended.
export async function stop(child, signal = 'SIGTERM', ms = 15000) {
  if (!has_ended(child)) child.kill(signal)
  const hard = setTimeout(() => kill_group(child, 'SIGKILL'), ms * SLOW)
  const end = await child.ended
  clearTimeout(hard)
  return end
}

// Runs a command to its end, at most half a minute.
export async function run(command, args, options) {
  const child = start(command, args, options)
  let stderr = ''
  child.stderr.on('data', (bytes) => (stderr += bytes))
  const hard = setTimeout(() => kill_group(child, 'SIGKILL'), 30000 * SLOW)
  const { code, signal } = await child.ended
  clearTimeout(hard)
  return { code, signal, stdout: child.out, stderr }
}
