// The recordings of providers in ../shared/fixtures, each with the wire that it speaks.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { shared } from '../support/shared.mjs'

const WIRES = [
  ['chat', /\/chat\/completions/],
  ['messages', /\/v1\/messages(\?|#|$)/],
  ['responses', /\/responses(\?|#|$)/],
  ['gemini', /:(generateContent|streamGenerateContent)/],
  ['embeddings', /\/embeddings(\?|#|$)/],
]

function wire_of(dir, uri) {
  if (!uri) return dir.startsWith('anthropic') ? 'messages' : 'chat' // bodies that users pasted
  if (/\/threads\//.test(uri)) return undefined // the Assistants API
  return WIRES.find(([, pattern]) => pattern.test(uri))?.[0]
}

// Gemini streams an array to those who do not ask for events; wye does.
const as_events = (body) => Buffer.from(JSON.parse(body).map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join(''))

function read(dir, path, meta, request) {
  const name = basename(path).replace(/\.(body|txt|sse)$/, '')
  let body = readFileSync(path)
  const headers = { ...meta.headers }
  if (/:streamGenerateContent/.test(meta.uri) && !/alt=sse/.test(meta.uri) && meta.status === 200) {
    body = as_events(body)
    headers['content-type'] = 'text/event-stream'
  }
  const streamed = /event-stream/.test(headers['content-type'] ?? '')
  const wire = wire_of(dir, meta.uri)
  return { id: `${dir.replace('/', '-')}.${name}`, dir: dir.split('/')[0], name: `${dir}/${name}`, wire, status: meta.status, headers, body, streamed, request }
}

const json = (path) => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined)

function folder(root, dir) {
  const files = readdirSync(join(root, dir), { withFileTypes: true })
  return files.flatMap((file) => {
    const path = join(root, dir, file.name)
    if (file.isDirectory()) return folder(root, join(dir, file.name))
    if (/\.(txt|sse)$/.test(file.name)) return [read(dir, path, { status: 200, headers: { 'content-type': 'text/event-stream' } })]
    if (!file.name.endsWith('.body')) return []
    const base = path.slice(0, -5)
    return [read(dir, path, json(`${base}.meta.json`), json(`${base}.request.json`))]
  })
}

// All of them, in order of their names; none when they are absent.
export function all(root = join(shared ?? '', 'fixtures')) {
  if (!shared) return []
  const dirs = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return dirs.flatMap(({ name }) => folder(root, name)).sort((a, b) => (a.name < b.name ? -1 : 1))
}
