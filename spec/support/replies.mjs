// Splits what came over a connection into HTTP/1.1 replies, strictly; the last may be `whole: false`. Throws at what is no reply.
export function replies_in(bytes) {
  const found = []
  for (let at = 0; at < bytes.length; ) {
    const reply = read_reply(bytes, at)
    found.push(reply)
    at = reply.end
  }
  return found
}

function read_reply(bytes, start) {
  const head_end = bytes.indexOf('\r\n\r\n', start)
  if (head_end < 0) return { whole: false, end: bytes.length }
  const [first, ...lines] = bytes.subarray(start, head_end).toString('latin1').split('\r\n')
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(first)
  if (!status) throw new Error(`no status line: ${JSON.stringify(first.slice(0, 100))}`)
  const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
  const body = headers['transfer-encoding'] === 'chunked' ? chunked(bytes, head_end + 4) : counted(bytes, head_end + 4, Number(headers['content-length']))
  return { status: Number(status[1]), headers, ...body }
}

function counted(bytes, at, length) {
  const whole = bytes.length >= at + length
  return { whole, end: whole ? at + length : bytes.length, body: bytes.subarray(at, at + length).toString() }
}

function chunked(bytes, at) {
  const parts = []
  for (;;) {
    const line_end = bytes.indexOf('\r\n', at)
    if (line_end < 0) break
    const size = bytes.subarray(at, line_end).toString('latin1')
    if (!/^[0-9a-f]+$/i.test(size)) throw new Error(`no chunk size: ${JSON.stringify(size)}`)
    const next = line_end + 2 + parseInt(size, 16) + 2
    if (next > bytes.length) break
    if (bytes.subarray(next - 2, next).toString('latin1') !== '\r\n') throw new Error('a chunk is longer than its size')
    if (next - line_end === 4) return { whole: true, end: next, body: Buffer.concat(parts).toString() }
    parts.push(bytes.subarray(line_end + 2, next - 2))
    at = next
  }
  return { whole: false, end: bytes.length, body: Buffer.concat(parts).toString() }
}

// What is wrong with a whole reply of the chat API; undefined when nothing is.
export function flaw(reply) {
  try {
    return (reply.headers['content-type'] === 'text/event-stream' ? stream_flaw : plain_flaw)(reply)
  } catch (error) {
    return `${error.message} in ${reply.body.slice(-300)}`
  }
}

function plain_flaw({ status, body }) {
  const json = JSON.parse(body)
  if (status === 200) return Array.isArray(json.choices) || json.object === 'list' ? undefined : `200 without choices: ${body.slice(0, 300)}`
  return typeof json.error === 'object' || typeof json.error === 'string' ? undefined : `${status} without an error: ${body.slice(0, 300)}`
}

// Either [DONE] comes last and there is no error, or one error comes last.
function stream_flaw({ body }) {
  const frames = body.split('\n\n')
  if (frames.pop() !== '') return 'the last event has no end'
  const data = frames.flatMap((frame) => frame.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim()))
  const errors = data.filter((text) => text !== '[DONE]').map((text, i) => (JSON.parse(text).error ? i : -1)).filter((i) => i >= 0)
  const is_done = data.indexOf('[DONE]') === data.length - 1
  if (errors.length === 0) return is_done && data.length > 0 ? undefined : `no end: ${body.slice(-200)}`
  return errors.length === 1 && errors[0] === data.length - 1 && !data.includes('[DONE]') ? undefined : `an error and more: ${body.slice(-300)}`
}
