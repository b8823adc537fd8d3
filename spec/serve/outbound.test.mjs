// Connections out: certificates that are checked, proxies, addresses that a name must not reach, deadlines and caps.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { join } from 'node:path'
import { chat, question } from '../support/client.mjs'
import { start, stop, until } from '../support/process.mjs'
import { replies, upstream } from '../support/upstream.mjs'
import { folder, serve, write } from '../support/wye.mjs'

const dir = folder()

// A certificate authority `ca`, and a certificate of it for `name`.
function authority(ca) {
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${ca}`, '-keyout', `${ca}.key`, '-out', `${ca}.pem`)
}
function certificate(ca, name) {
  write(dir, { [`${name}.ext`]: `subjectAltName=DNS:${name},IP:127.0.0.1\n` })
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`)
  openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.crt`)
  return { key: readFileSync(join(dir, `${name}.key`)), cert: readFileSync(join(dir, `${name}.crt`)) }
}
function openssl(...args) {
  execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
}

async function free_port() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise((done) => server.close(done))
  return port
}

async function answering(port) {
  await until(`port ${port}`, () =>
    new Promise((done) => {
      const socket = connect(port, '127.0.0.1')
      socket.on('connect', () => done(true)).on('error', () => done(false))
      socket.on('connect', () => socket.destroy())
    }),
  )
}

let plain, secure, misnamed, w, tinyproxy, microsocks
before(async () => {
  authority('good-ca')
  authority('other-ca')
  plain = await upstream({ m: replies.chat('plain') })
  secure = await upstream({ m: replies.chat('secure') }, certificate('good-ca', 'localhost'))
  misnamed = await upstream({ m: replies.chat('never') }, certificate('good-ca', 'elsewhere.example'))

  const [http_port, socks_port] = [await free_port(), await free_port()]
  write(dir, { 'tinyproxy.conf': `Port ${http_port}\nListen 127.0.0.1\nAllow 127.0.0.1\nConnectPort ${secure.port}\nConnectPort ${plain.port}\nLogFile "${dir}/proxy.log"\n` })
  tinyproxy = start('tinyproxy', ['-d', '-c', join(dir, 'tinyproxy.conf')])
  microsocks = start('microsocks', ['-i', '127.0.0.1', '-p', String(socks_port)])
  await answering(http_port)
  await answering(socks_port)

  const ca = `ca = "${dir}/good-ca.pem"`
  const closed = await free_port()
  const numeric = secure.url.replace('localhost', '127.0.0.1') // a proxy may take localhost for ::1
  const providers = {
    plain: `base_url = "${plain.url}"`,
    secure: `base_url = "${secure.url}", ${ca}`,
    wrong_ca: `base_url = "${secure.url}", ca = "${dir}/other-ca.pem"`,
    system_ca: `base_url = "${secure.url}"`,
    wrong_name: `base_url = "${misnamed.url}", ${ca}`,
    by_http: `base_url = "${numeric}", ${ca}, proxy = "http://127.0.0.1:${http_port}"`,
    by_socks: `base_url = "${numeric}", ${ca}, proxy = "socks5h://127.0.0.1:${socks_port}"`,
    proxy_gone: `base_url = "${secure.url}", ${ca}, proxy = "http://127.0.0.1:${closed}"`,
    closed: `base_url = "http://127.0.0.1:${closed}/v1"`,
    capped: `base_url = "${plain.url}", max_connections = 2`,
  }
  const lines = Object.entries(providers).map(([name, fields]) => `    ${name} = { kind = "openai", ${fields} },`)
  const models = Object.keys(providers).map((name) => `    ["${name}/m"] = {},`)
  w = await serve({
    'wye.lua': `return {\n  providers = {\n${lines.join('\n')}\n  },\n  models = {\n${models.join('\n')}\n  },\n  default = "plain/m",\n  direct = true,\n}\n`,
    'route.lua': 'return function() return wye.model "plain/m" end\n',
  })
})
after(async () => {
  await w?.stop()
  for (const child of [tinyproxy, microsocks]) if (child) await stop(child)
  for (const up of [plain, secure, misnamed]) up?.stop()
})

async function served(model, stream) {
  const reply = await chat(w, { model, stream, messages: question() })
  assert.equal(reply.status, 200, reply.text)
  return stream ? reply.content : reply.json.choices[0].message.content
}

async function refused(model, error, words) {
  const reply = await chat(w, { model, messages: question() })
  assert.ok(reply.status >= 500, reply.text)
  assert.match(reply.json.error.message, words)
  const record = await w.decision(reply.headers['x-wye-id'])
  assert.equal(record.attempts.at(-1).error, error)
}

test('https with its own CA, plain and streamed, on one connection', async () => {
  assert.equal(await served('secure/m', false), 'secure')
  const before = secure.connections()
  assert.equal(await served('secure/m', true), 'secure')
  assert.equal(await served('secure/m', false), 'secure')
  assert.equal(secure.connections(), before)
})

test('a wrong CA, an unknown CA and a wrong name are refused before a byte of the request is sent', async () => {
  const before = secure.calls.length
  await refused('wrong_ca/m', 'connect', /certificate|TLS|SSL/i)
  await refused('system_ca/m', 'connect', /certificate|TLS|SSL/i)
  await refused('wrong_name/m', 'connect', /certificate|name|TLS|SSL/i)
  assert.equal(secure.calls.length, before)
  assert.equal(misnamed.calls.length, 0)
})

test('through an HTTP proxy and a SOCKS proxy', async () => {
  assert.equal(await served('by_http/m', false), 'secure')
  assert.equal(await served('by_http/m', true), 'secure')
  assert.match(readFileSync(join(dir, 'proxy.log'), 'utf8'), new RegExp(`CONNECT 127.0.0.1:${secure.port}`))
  assert.equal(await served('by_socks/m', false), 'secure')
  assert.equal(await served('by_socks/m', true), 'secure')
})

test('a proxy or a provider that is not there', async () => {
  await refused('proxy_gone/m', 'connect', /./)
  await refused('closed/m', 'connect', /refused|connect/i)
})

test('requests over the cap wait for a connection', async () => {
  plain.models.m = replies.chat('in turn', { gap: 30 })
  const before = plain.connections()
  const all = await Promise.all(Array.from({ length: 8 }, () => served('capped/m', false)))
  assert.deepEqual(all, Array(8).fill('in turn'))
  assert.ok(plain.connections() - before <= 2, `${plain.connections() - before} connections`)
})
