// The published messages of OpenTelemetry (opentelemetry-proto, as its JavaScript SDK compiles them): what they do not know, or know by another type, is lost on the way
// through them.
import { createRequire } from 'node:module'

const MODULE = '@opentelemetry/otlp-transformer/build/src/generated/root.js'
const IDS = ['traceId', 'spanId', 'parentSpanId']
const require = createRequire(import.meta.url)

function each(value, change, key = '') {
  if (Array.isArray(value)) return value.map((item) => each(item, change, key))
  if (value === null || typeof value !== 'object') return change(value, key)
  const members = Object.entries(value).filter(([, v]) => !(Array.isArray(v) && v.length === 0)) // an empty list is none
  return Object.fromEntries(members.map(([k, v]) => [k, each(v, change, k)]))
}
const recode = (from, to) => (value, key) => (IDS.includes(key) ? Buffer.from(value, from).toString(to) : value)

export function schema() {
  try {
    return require(MODULE).opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error
    return undefined
  }
}

// A request as it was sent, and as it comes out of the messages: the same when every member is known there, by that type.
export function through_schema(message, text) {
  const sent = each(JSON.parse(text), (value) => value)
  const bytes = message.encode(message.fromObject(each(sent, recode('hex', 'base64')))).finish()
  const object = message.toObject(message.decode(bytes), { longs: String, bytes: String })
  return { sent, got: each(object, recode('base64', 'hex')) }
}
