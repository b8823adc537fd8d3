// What a test sends: plain and streamed chat requests that show exactly what came back, and raw bytes.
import { request, Agent } from 'node:http'
import { connect } from 'node:net'
import { SLOW } from './process.mjs'

const agent = new Agent({ keepAlive: true, maxSockets: Infinity })
export const question = (content = 'hello') => [{ role: 'user', content }]

function open(w, body, { path = '/v1/chat/completions', method = 'POST', headers = {} } = {}) {
  const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  const options = { agent, method, headers: { 'content-type': 'application/json', ...headers } }
  if (bytes !== undefined) options.headers['content-length'] = Buffer.byteLength(bytes)
  const sent = request(`${w.url}${path}`, options)
  sent.setTimeout(20000 * SLOW, () => sent.destroy(new Error('no reply in time')))
  sent.end(bytes)
  return sent
}

// Resolves with the reply, whole or not (`cut`); rejects only when there was none at all.
export function chat(w, body, options) {
  return new Promise((resolve, reject) => {
    const sent = open(w, body, options)
    sent.on('error', reject)
    sent.on('response', (reply) => {
      const chunks = []
      const end = (cut) => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: reply.statusCode, headers: reply.headers, text, cut, ...shapes(text, reply.headers) })
      }
      reply.on('data', (bytes) => chunks.push(bytes))
      reply.on('error', () => {})
      reply.on('close', () => end(!reply.complete))
    })
  })
}

function shapes(text, headers) {
  const type = headers['content-type'] ?? ''
  if (type.includes('event-stream')) return stream_shape(text)
  try {
    return { json: JSON.parse(text) }
  } catch {
    return {}
  }
}

// The frames of a stream: the chunks, the text they make, whether it ended as it should.
function stream_shape(text) {
  const data = text.split(/\r?\n\r?\n/).flatMap((frame) => frame.split(/\r?\n/).filter((l) => l.startsWith('data:')).map((l) => l.slice(5).trim()))
  const events = data.filter((d) => d !== '[DONE]').map((d) => JSON.parse(d))
  return {
    events,
    content: events.map((e) => e.choices?.[0]?.delta?.content ?? '').join(''),
    error: events.find((e) => e.error)?.error,
    done: data.at(-1) === '[DONE]',
  }
}

// A stream that the test reads as it comes: `next` waits for a piece of text, `close` leaves.
export function chat_open(w, body, options) {
  return new Promise((resolve, reject) => {
    const sent = open(w, { ...body, stream: true }, options)
    sent.on('error', reject)
    sent.on('response', (reply) => {
      const live = { status: reply.statusCode, headers: reply.headers, text: '', ended: false, cut: false }
      reply.on('data', (bytes) => (live.text += bytes))
      reply.on('error', () => {})
      reply.on('close', () => Object.assign(live, { ended: true, cut: !reply.complete }, stream_shape(reply.complete ? live.text : '')))
      live.close = () => sent.destroy()
      resolve(live)
    })
  })
}

// Leaves before any reply came; `gone` when the request was sent.
export function chat_and_leave(w, body, when) {
  const sent = open(w, body)
  sent.on('error', () => {})
  return when.then(() => sent.destroy())
}

// Sends bytes as they are; resolves with all that came until the server closed or `enough` says so.
export function raw(port, bytes, { enough = () => false, ms = 5000 } = {}) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    const end = (closed) => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ text, closed })
    }
    const timer = setTimeout(() => end(false), ms * SLOW)
    socket.on('connect', () => socket.write(bytes))
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (enough(text)) end(false)
    })
    socket.on('close', () => end(true))
    socket.on('error', (error) => (error.code === 'ECONNRESET' || error.code === 'EPIPE' ? end(true) : reject(error)))
  })
}
