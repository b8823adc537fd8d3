// Writes AWS's event stream framing (application/vnd.amazon.eventstream): eventstream([[name, data], …]) gives its bytes.
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1
  return n
})
const crc32 = (bytes) => (bytes.reduce((crc, byte) => TABLE[(crc ^ byte) & 255] ^ (crc >>> 8), ~0) ^ ~0) >>> 0
const u32 = (n) => Buffer.from(Uint32Array.of(n).buffer).swap32()

function header(name, value) {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(Buffer.byteLength(value))
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([7]), length, Buffer.from(value)])
}

// One message: `type` is event or exception, `key` the header that names it.
export function message(type, key, name, data) {
  const headers = Buffer.concat([header(key, name), header(':content-type', 'application/json'), header(':message-type', type)])
  const payload = Buffer.from(JSON.stringify(data))
  const lengths = Buffer.concat([u32(16 + headers.length + payload.length), u32(headers.length)])
  const bytes = Buffer.concat([lengths, u32(crc32(lengths)), headers, payload])
  return Buffer.concat([bytes, u32(crc32(bytes))])
}

export const event = (name, data) => message('event', ':event-type', name, { ...data, p: 'abc' })
export const eventstream = (events) => Buffer.concat(events.map(([name, data]) => event(name, data)))
