// A provider that replays recordings of real ones byte for byte: status, header fields and body, the body cut in pieces of odd sizes.
//   const up = await replaying(recordings)        recordings.mjs of spec/conformance
// The model that a request names, in its body or in its path, is the name of the recording.
import { createServer } from 'node:http'
import { once } from 'node:events'

// What is the connection's own business, or the proxy's that recorded it.
const HOP = new Set(['transfer-encoding', 'content-length', 'content-encoding', 'connection', 'server'])

function* pieces(body) {
  for (let at = 0, size = 1; at < body.length; at += size, size = (size * 7 + 3) % 97 || 1) yield body.subarray(at, at + size)
}

function model_of(path, body) {
  const named = /\/(?:models|deployments)\/([^/:?]+)/.exec(path)
  return named ? named[1] : JSON.parse(body).model
}

export async function replaying(recordings) {
  const by_name = new Map(recordings.map((recording) => [recording.id, recording]))
  const calls = new Map()
  const server = createServer(async (request, out) => {
    out.on('error', () => {})
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    const recording = by_name.get(model_of(request.url, body))
    calls.set(recording.id, { path: request.url, body })
    const fields = Object.entries(recording.headers).filter(([name]) => !HOP.has(name.toLowerCase()))
    out.writeHead(recording.status, Object.fromEntries(fields))
    if (recording.streamed) for (const piece of pieces(recording.body)) out.write(piece)
    else out.write(recording.body)
    out.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  return {
    calls, // the newest of each recording
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
