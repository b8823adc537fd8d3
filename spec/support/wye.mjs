// A running wye for a test, in a folder of its own, on free ports.
//   const w = await serve({ 'wye.lua': '…', 'route.lua': '…' })
//   await chat(w, { … })          client.mjs
//   w.trace('-q', 'cause == failover'), w.cli('reload'), await w.stop()
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { WYE, line, run, start, stop } from './process.mjs'

const READY = /^wye: ready (http:\/\/\S+) admin http:\/\/(\S+) generation (\S+) workers (\d+)/m
const folders = []
process.on('exit', () => folders.forEach((dir) => rmSync(dir, { recursive: true, force: true })))

export function folder() {
  const dir = mkdtempSync(join(tmpdir(), 'wye-test-'))
  folders.push(dir)
  return dir
}

export function write(dir, files) {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    writeFileSync(join(dir, path), text)
  }
}

// Where a server of this test keeps its things: the same place twice makes the second find the state of the first.
export function place(files) {
  const home = folder()
  if (typeof files === 'string') return { home, dir: files }
  const dir = join(home, 'routes')
  mkdirSync(dir)
  write(dir, files)
  return { home, dir }
}

export function serve_args({ home, dir }, { demo = false, workers = 1, args = [], listen = '127.0.0.1:0' } = {}) {
  const all = ['serve', dir, '--listen', listen, '--admin', '127.0.0.1:0', '--workers', String(workers)]
  all.push('--trace', join(home, 'trace'), '--state', join(home, 'state'), ...args)
  return demo ? [...all, '--demo'] : all
}

// `at`: files of a project by name, the folder of one, or the place of an earlier server.
export async function serve(at, options = {}) {
  const where = at.home ? at : place(at)
  const child = start(WYE, serve_args(where, options), { env: options.env })
  const [, url, admin, generation] = await line(child, READY)
  return new Server(where, child, url, admin, generation)
}

class Server {
  constructor(where, child, url, admin, generation) {
    Object.assign(this, where, { child, url, admin, generation, port: Number(new URL(url).port) })
  }

  stop(signal) {
    return stop(this.child, signal)
  }

  kill(pid, signal = 'SIGKILL') {
    process.kill(pid, signal)
  }

  write(files) {
    write(this.dir, files)
  }

  // The admin API; a path alone is a GET.
  async ask(path, options = {}) {
    const reply = await fetch(`http://${this.admin}${path}`, options)
    const text = await reply.text()
    return { status: reply.status, text, json: /json/.test(reply.headers.get('content-type')) ? JSON.parse(text) : undefined }
  }

  async status() {
    return (await this.ask('/status')).json
  }

  async workers() {
    return (await this.status()).workers
  }

  // A command that talks to this server.
  cli(...args) {
    return run(WYE, [...args, '--admin', this.admin])
  }

  async trace(...args) {
    const { code, stdout, stderr } = await run(WYE, ['trace', '--json', '--trace', join(this.home, 'trace'), ...args])
    if (code !== 0) throw new Error(`trace ended with ${code}: ${stderr}`)
    return stdout.split('\n').filter(Boolean).map((text) => JSON.parse(text))
  }

  // The one decision of this id.
  async decision(id) {
    const found = (await this.trace('-q', `id == "${id}"`)).filter((record) => record.id === id)
    if (found.length !== 1) throw new Error(`${found.length} records of ${id}`)
    return found[0]
  }
}

// A command without a server.
export function cli(args, options) {
  return run(WYE, args, options)
}

// The simulated provider; `script` is the text of its script, `faults` are as runtime/sim/README.md says.
export async function sim({ script } = {}) {
  const args = ['sim', '--listen', '127.0.0.1:0']
  if (script) {
    const dir = folder()
    write(dir, { 'sim.lua': script })
    args.push('--script', join(dir, 'sim.lua'))
  }
  const child = start(WYE, args)
  const [, url] = await line(child, /(http:\/\/127\.0\.0\.1:\d+)/)
  return {
    url,
    stop: () => stop(child),
    faults: (list) => fetch(`${url}/sim/faults`, { method: 'POST', body: JSON.stringify(list) }),
    stats: async () => (await fetch(`${url}/sim/stats`)).json(),
  }
}
