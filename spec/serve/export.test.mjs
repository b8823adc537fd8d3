// export: JSON lines, OTLP spans read strictly, Perfetto's trace events; and the trace context that comes in and goes out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { spans_of } from '../support/otlp.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const ROUTE = `local limited, good = wye.model "a/limited", wye.model "b/good"
return function(req)
  wye.note("seen", { words = "two words" })
  if req.prompt == "ask" then
    local drafts = wye.gather({ good, good }, req)
    return drafts[1], "drafted"
  end
  return { limited, good }, "in turn"
end
`
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'

async function story() {
  const up = await upstream({ limited: replies.status(429), down: replies.status(500) })
  const w = await serve(project(up, ['a/limited', 'b/good', 'b/down'], { 'route.lua': ROUTE }))
  const headers = { traceparent: `00-${TRACE}-${PARENT}-00`, tracestate: 'congo=t61rcWkgMzE' }
  const first = await chat(w, { model: 'auto', messages: question() }, { headers })
  const sent = up.calls.splice(0)
  await chat(w, { model: 'auto', messages: question('ask') }, { headers: { traceparent: `00-${'0'.repeat(32)}-${PARENT}-01` } })
  await chat(w, { model: 'b/down', messages: question() })
  await chat(w, { model: 'nobody', messages: question() })
  return { up, w, first, sent }
}

test('spans say what the trace says', async () => {
  const { up, w, first, sent } = await story()
  const out = await w.cli('export', '--as', 'otlp')
  assert.equal(out.code, 0, out.stderr)
  const spans = out.stdout.trim().split('\n').flatMap(spans_of)
  const all = await w.trace()
  assert.equal(spans.length, all.reduce((sum, d) => sum + 1 + d.attempts.length, 0))
  assert.equal(new Set(spans.map((s) => s.spanId)).size, spans.length)

  const of = (id) => spans.find((s) => s.kind === 2 && s.attributes['wye.id'] === id)
  const children = (span) => spans.filter((s) => s.parentSpanId === span.spanId)
  for (const d of all) {
    const span = of(d.id)
    assert.equal(span.traceId, d.trace)
    assert.equal(BigInt(span.startTimeUnixNano) / 1000000n, BigInt(Date.parse(d.ts)))
    assert.equal(span.attributes['wye.cause'], d.cause ?? undefined)
    assert.equal(children(span).length, d.attempts.length)
    for (const child of children(span)) {
      assert.equal(child.traceId, d.trace)
      assert.ok(BigInt(child.startTimeUnixNano) >= BigInt(span.startTimeUnixNano))
    }
  }

  const span = of(first.headers['x-wye-id'])
  assert.deepEqual([span.traceId, span.parentSpanId, span.status], [TRACE, PARENT, undefined])
  assert.deepEqual(span.events.map((e) => e.name), ['wye.note'])
  const [limited, good] = children(span)
  assert.deepEqual([limited.kind, limited.name, limited.status.code, limited.attributes['error.type']], [3, 'chat limited', 2, 'rate_limit'])
  const { attributes } = good
  assert.deepEqual([attributes['gen_ai.operation.name'], attributes['gen_ai.provider.name'], attributes['gen_ai.request.model']], ['chat', 'b', 'good'])
  assert.deepEqual([attributes['gen_ai.usage.input_tokens'], attributes['gen_ai.usage.output_tokens']], [7, 3])
  assert.deepEqual(sent.map((call) => call.headers.traceparent), [limited, good].map((s) => `00-${TRACE}-${s.spanId}-00`))
  assert.deepEqual(sent.map((call) => call.headers.tracestate), ['congo=t61rcWkgMzE', 'congo=t61rcWkgMzE'])
  assert.equal(spans.filter((s) => s.kind === 2 && s.status?.code === 2).length, 1, 'the 500 is an error, the 404 is not')
  assert.notEqual(all[1].trace, '0'.repeat(32))

  const lines = (await w.cli('export', '--as', 'jsonl')).stdout
  assert.equal(lines, (await w.cli('trace', '--json')).stdout)
  const some = await w.cli('export', '--as', 'otlp', '-q', 'status == 200', '--since', '1h')
  assert.equal(spans_of(some.stdout).filter((s) => s.kind === 2).length, 2)
  assert.deepEqual(spans_of((await w.cli('export', '--as', 'otlp', '-q', 'status == 1')).stdout), [])
  assert.equal((await w.cli('export', '--as', 'xml')).code, 2)
  await w.stop()
  up.stop()
})

test('Perfetto can nest what lies in one lane', async () => {
  const { up, w } = await story()
  const { traceEvents } = JSON.parse((await w.cli('export', '--as', 'perfetto')).stdout)
  const slices = traceEvents.filter((e) => e.ph === 'X')
  const all = await w.trace()
  assert.equal(slices.length, all.reduce((sum, d) => sum + 1 + d.attempts.length, 0))
  for (const a of slices)
    for (const b of slices) {
      if (a === b || a.tid !== b.tid || b.ts < a.ts) continue
      assert.ok(b.ts >= a.ts + a.dur || b.ts + b.dur <= a.ts + a.dur, `${a.name} and ${b.name} overlap in lane ${a.tid}`)
    }
  const drafts = slices.filter((e) => e.cat === 'attempt' && e.args.purpose === 'ask')
  assert.equal(new Set(drafts.map((e) => e.tid)).size, 2, 'asks at once need a lane each')
  const lanes = new Set(traceEvents.filter((e) => e.ph === 'M' && e.name === 'thread_name').map((e) => e.tid))
  assert.ok(slices.every((e) => lanes.has(e.tid)))
  assert.equal(traceEvents.filter((e) => e.ph === 'i' && e.name === 'seen').length, 2)
  await w.stop()
  up.stop()
})

test('a provider need not be told', async () => {
  const up = await upstream()
  const files = project(up, ['a/good'])
  files['wye.lua'] = files['wye.lua'].replace('a = { kind = "openai",', 'a = { kind = "openai", traceparent = false,')
  const w = await serve(files)
  await chat(w, { model: 'auto', messages: question() }, { headers: { traceparent: `00-${TRACE}-${PARENT}-01` } })
  assert.deepEqual(['traceparent' in up.calls[0].headers, (await w.trace())[0].trace, (await w.trace())[0].parent], [false, TRACE, PARENT])
  await w.stop()
  up.stop()
})
