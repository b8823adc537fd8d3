// The routers under test and the mock behind them, each on a free port of 127.0.0.1, pinned, ended by its id.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export const BUILD = process.env.BUILD ?? 'build'
export const ROUTER_CPU = 0
export const LOAD_CPU = 1
const children = new Set()

export function pinned(cpu, command, ...args) {
  return availableParallelism() > 1 ? ['taskset', '-c', String(cpu), command, ...args] : [command, ...args]
}

// Starts a command on a processor; what it prints on standard error is shown only when it dies unasked.
export function start(cpu, command, args, options = {}) {
  const [file, ...rest] = pinned(cpu, command, ...args)
  const child = spawn(file, rest, { stdio: ['pipe', 'pipe', 'pipe'], ...options })
  let said = ''
  child.stderr.on('data', (bytes) => (said = (said + bytes).slice(-4000)))
  child.stdin.on('error', () => {})
  child.on('exit', (code) => {
    children.delete(child)
    if (!child.ended && code !== 0) console.error(`${command} ended (${code ?? 'killed'}): ${said}`)
  })
  children.add(child)
  return child
}

export async function stop(child) {
  child.ended = true
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const hard = setTimeout(() => child.kill('SIGKILL'), 3000)
  await once(child, 'exit')
  clearTimeout(hard)
}

process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

export async function line(child, pattern) {
  for await (const text of createInterface({ input: child.stdout })) {
    const match = pattern.exec(text)
    if (match) {
      child.stdout.resume()
      return match
    }
  }
  throw new Error('ended before it was ready')
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise((done) => server.close(done))
  return port
}

async function answering(port, child) {
  for (const deadline = Date.now() + 5000; Date.now() < deadline && child.exitCode === null; ) {
    const socket = connect(port, '127.0.0.1')
    const open = await new Promise((done) => socket.on('connect', () => done(true)).on('error', () => done(false)))
    socket.destroy()
    if (open) return
    await new Promise((done) => setTimeout(done, 20))
  }
  throw new Error(`nothing listens on ${port}`)
}

export async function startMock(args = []) {
  const child = start(LOAD_CPU, join(BUILD, 'bench/mock'), args)
  const [, port] = await line(child, /^mock (\d+)/)
  return { name: 'direct', child, port: Number(port) }
}

function nginxConf(port, mock) {
  return `daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid nginx.pid; error_log stderr error;
events { worker_connections 20000; }
http {
  access_log off; client_max_body_size 32m; client_body_buffer_size 128k;
  keepalive_timeout 75; keepalive_requests 1000000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  upstream mock { server 127.0.0.1:${mock}; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 600;
    }
  }
}`
}

async function startNginx(mock, dir) {
  const port = await freePort()
  writeFileSync(join(dir, 'nginx.conf'), nginxConf(port, mock))
  const child = start(ROUTER_CPU, 'nginx', ['-p', dir, '-c', 'nginx.conf', '-e', 'stderr'])
  await answering(port, child)
  return { child, port }
}

function haproxyConf(port, mock) {
  return `global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  option http-keep-alive
  option http-no-delay
  http-reuse always
frontend in
  bind 127.0.0.1:${port} backlog 4096
  default_backend out
backend out
  server mock 127.0.0.1:${mock}
`
}

async function startHaproxy(mock, dir) {
  const port = await freePort()
  writeFileSync(join(dir, 'haproxy.cfg'), haproxyConf(port, mock))
  const child = start(ROUTER_CPU, 'haproxy', ['-db', '-f', join(dir, 'haproxy.cfg')])
  await answering(port, child)
  return { child, port }
}

// `limited`: two keys for the provider, beside the prices that are always there.
function wyeConf(mock, dir, { limited = false, captured = false }) {
  const keys = limited ? `keys = { { file = "${dir}/key1" }, { file = "${dir}/key2" } }, ` : ''
  const models = ['fast', 'long', 'hold', 'events'].map((id) => `    ["mock/${id}"] = { price = { input = 1, output = 2 } },`)
  return `return {
  providers = { mock = { kind = "openai", base_url = "http://127.0.0.1:${mock}/v1", ${keys}max_connections = 20000 } },
  models = {
${models.join('\n')}
  },
  default = "mock/fast",
  limits = { concurrent = 20000 },${captured ? '\n  capture = { share = 1 },' : ''}
}
`
}

function writeProject(mock, dir, options = {}) {
  const project = join(dir, 'project')
  cpSync(new URL('project', import.meta.url).pathname, project, { recursive: true })
  if (options.limited) {
    cpSync(join(project, 'limits.lua'), join(project, 'route.lua'))
    for (const name of ['key1', 'key2']) writeFileSync(join(dir, name), `sk-${name}`)
  }
  writeFileSync(join(project, 'wye.lua'), wyeConf(mock, dir, options))
  return project
}

// `limited`: clients must show a key that has every limit, and the route has its own (project/limits.lua). `captured`: the trace keeps what a replay needs.
async function startWye(mock, dir, { workers = 1, limited = false, captured = false } = {}) {
  const project = writeProject(mock, dir, { limited, captured })
  const args = ['serve', project, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--workers', String(workers)]
  args.push('--trace', join(dir, 'trace'), '--state', join(dir, 'state'))
  const child = start(ROUTER_CPU, join(BUILD, 'wye'), args)
  const [, port, admin] = await line(child, /^wye: ready http:\/\/127\.0\.0\.1:(\d+).*? admin http:\/\/(127\.0\.0\.1:\d+)/)
  const key = limited ? addKey(admin) : ''
  return { child, port: Number(port), admin, project, key, trace: join(dir, 'trace') }
}

function addKey(admin) {
  const limits = ['--rpm', '1000000000', '--tpm', '1000000000000', '--concurrent', '10000', '--usd-per-day', '1000000']
  return execFileSync(join(BUILD, 'wye'), ['key', 'add', 'bench', '--admin', admin, ...limits], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
}

// One worker of wye without its master, under a tool that watches one process.
export async function startSingle(mock, root, under) {
  const dir = join(root, `single-${process.hrtime.bigint()}`)
  mkdirSync(join(dir, 'trace'), { recursive: true })
  const project = writeProject(mock.port, dir)
  const [command, ...rest] = [...under, join(BUILD, 'bench/single'), project, join(dir, 'trace')]
  const child = start(ROUTER_CPU, command, rest)
  const [, port] = await line(child, /^single (\d+)/)
  return { name: 'wye', child, port: Number(port) }
}

// Ends it by the end of its input; under valgrind an orderly end takes seconds, and only that writes the figures.
export async function stopSingle({ child }) {
  child.ended = true
  child.stdin.end()
  if (child.exitCode === null) await once(child, 'exit')
}

const kinds = { wye: startWye, nginx: startNginx, haproxy: startHaproxy }

export async function startRouter(name, mock, root, options) {
  const dir = join(root, `${name}-${process.hrtime.bigint()}`)
  mkdirSync(dir, { recursive: true })
  return { name, ...(await kinds[name](mock.port, dir, options)) }
}

// The process and all that it started.
export function tree(pid) {
  const found = [pid]
  for (let i = 0; i < found.length; i++) {
    const children = readFileSync(`/proc/${found[i]}/task/${found[i]}/children`, 'utf8')
    found.push(...children.split(' ').filter(Boolean).map(Number))
  }
  return found
}
