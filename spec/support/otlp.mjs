// A strict reader of OTLP/JSON trace requests: the shapes of opentelemetry-proto's ExportTraceServiceRequest in its JSON encoding, unknown names refused.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'

function object(value, what, required, optional = []) {
  assert.ok(value !== null && typeof value === 'object' && !Array.isArray(value), `${what} is no object`)
  for (const name of required) assert.ok(name in value, `${what} lacks ${name}`)
  for (const name of Object.keys(value)) assert.ok(required.includes(name) || optional.includes(name), `${what} has an unknown ${name}`)
}

const list = (value, what) => assert.ok(Array.isArray(value), `${what} is no list`) ?? value
const hex = (value, digits, what) => assert.match(value, new RegExp(`^(?!0+$)[0-9a-f]{${digits}}$`), what)
const integer = (value, what) => assert.match(value, /^-?\d{1,20}$/, `${what} is no integer in a string`)

const VALUES = {
  stringValue: (v) => assert.equal(typeof v, 'string'),
  boolValue: (v) => assert.equal(typeof v, 'boolean'),
  intValue: (v) => integer(v, 'intValue'),
  doubleValue: (v) => assert.equal(typeof v, 'number'),
  arrayValue: (v) => {
    object(v, 'arrayValue', ['values'])
    list(v.values, 'values').forEach(any_value)
  },
}

function any_value(value) {
  const [kind] = Object.keys(value)
  object(value, 'a value', [kind])
  assert.ok(kind in VALUES, `there is no ${kind}`)
  VALUES[kind](value[kind])
}

function attributes(all, what) {
  const names = list(all, what).map((attribute) => {
    object(attribute, what, ['key', 'value'])
    any_value(attribute.value)
    return attribute.key
  })
  assert.equal(new Set(names).size, names.length, `${what} repeats a key: ${names}`)
}

function check_span(span) {
  object(span, 'a span', ['traceId', 'spanId', 'name', 'kind', 'startTimeUnixNano', 'endTimeUnixNano'], ['parentSpanId', 'traceState', 'flags', 'attributes', 'events', 'links', 'status'])
  hex(span.traceId, 32, 'traceId')
  hex(span.spanId, 16, 'spanId')
  if ('parentSpanId' in span) hex(span.parentSpanId, 16, 'parentSpanId')
  assert.ok(typeof span.name === 'string' && span.name.length > 0)
  assert.ok([1, 2, 3, 4, 5].includes(span.kind))
  integer(span.startTimeUnixNano, 'startTimeUnixNano')
  integer(span.endTimeUnixNano, 'endTimeUnixNano')
  assert.ok(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano))
  attributes(span.attributes ?? [], 'attributes of a span')
  for (const event of list(span.events ?? [], 'events')) {
    object(event, 'an event', ['timeUnixNano', 'name'], ['attributes'])
    integer(event.timeUnixNano, 'timeUnixNano')
    attributes(event.attributes ?? [], 'attributes of an event')
  }
  if ('status' in span) {
    object(span.status, 'status', ['code'], ['message'])
    assert.ok([0, 1, 2].includes(span.status.code))
  }
}

const plain = ({ stringValue, boolValue, intValue, doubleValue, arrayValue }) =>
  stringValue ?? boolValue ?? doubleValue ?? (intValue === undefined ? arrayValue.values.map(plain) : Number(intValue))

// Checks a request, and returns its spans with `attributes` as a plain object.
export function spans_of(text) {
  const request = JSON.parse(text)
  object(request, 'the request', ['resourceSpans'])
  return list(request.resourceSpans, 'resourceSpans').flatMap((resource) => {
    object(resource, 'resourceSpans', ['resource', 'scopeSpans'])
    object(resource.resource, 'resource', ['attributes'])
    attributes(resource.resource.attributes, 'attributes of the resource')
    assert.ok(resource.resource.attributes.some((a) => a.key === 'service.name' && a.value.stringValue.length > 0), 'service.name is missing')
    return list(resource.scopeSpans, 'scopeSpans').flatMap((scope) => {
      object(scope, 'scopeSpans', ['scope', 'spans'])
      object(scope.scope, 'scope', ['name'], ['version'])
      return list(scope.spans, 'spans').map((span) => {
        check_span(span)
        return { ...span, attributes: Object.fromEntries((span.attributes ?? []).map((a) => [a.key, plain(a.value)])) }
      })
    })
  })
}

// A collector on a port of its own (or the one given) that reads strictly: `spans` of all requests it took, `problems` of those it could not read. `answer` may
// give a reply ({ status, headers, body }) before anything is taken.
export async function collector({ port = 0, answer = () => undefined } = {}) {
  const all = { spans: [], requests: [], problems: [] }
  const server = createServer(async (request, out) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    all.requests.push({ method: request.method, path: request.url, headers: request.headers, text, at: Date.now() })
    const other = answer(all.requests.length)
    if (other) return out.writeHead(other.status, other.headers ?? {}).end(other.body ?? '')
    try {
      all.spans.push(...spans_of(text))
    } catch (error) {
      all.problems.push(error.message)
    }
    out.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  all.port = server.address().port
  all.url = `http://127.0.0.1:${all.port}`
  all.ids = () => all.spans.filter((s) => s.kind === 2).map((s) => s.attributes['wye.id'])
  all.stop = () => {
    server.closeAllConnections()
    server.close()
    return once(server, 'close')
  }
  return all
}
