// wye.first against a model with a heavy tail: what a hedge at the 95th percentile buys and what it costs.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { SLOW } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const REQUESTS = 600
const AT_ONCE = 20

// Milliseconds of 200 calls in turn: 189 fast ones, 6 at the 95th percentile, 5 far out. The odd ones come in no order.
const TIMES = Array.from({ length: 200 }, (_, i) => {
  const place = (i * 73) % 200
  return (place < 5 ? 900 : place < 11 ? 150 : 5 + (place % 25)) * SLOW
})

let up, w
before(async () => {
  let calls = 0
  up = await upstream({ tail: (call, out) => replies.chat('done', { gap: TIMES[calls++ % TIMES.length] })(call, out) })
  const route = `local one, two = wye.model "a/tail", wye.model "b/tail"
return function(req)
  return assert(wye.first({ one, two }, req, { hedge = req.metadata.hedge }))
end
`
  w = await serve(project(up, ['a/tail', 'b/tail'], { 'first.lua': route }))
})
after(async () => {
  await w?.stop()
  up?.stop()
})

const quantile = (sorted, q) => sorted[Math.ceil(q * sorted.length) - 1]

// Milliseconds of each request, sorted, and how many calls they took.
async function measure(hedge) {
  const before = up.calls.length
  const times = []
  let left = REQUESTS
  const client = async () => {
    while (left-- > 0) {
      const began = performance.now()
      const reply = await chat(w, { model: 'wye/first', messages: question(), metadata: { hedge } })
      assert.equal(reply.status, 200, reply.text)
      times.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, client))
  return { times: times.sort((a, b) => a - b), calls: up.calls.length - before }
}

test('a hedge at the 95th percentile halves the 99th for at most 6 % more calls', async (t) => {
  const bare = await measure()
  assert.equal(bare.calls, REQUESTS)
  const hedge = quantile(bare.times, 0.95) / 1000
  const hedged = await measure(hedge)
  const [before, after] = [quantile(bare.times, 0.99), quantile(hedged.times, 0.99)]
  const more = (hedged.calls / REQUESTS - 1) * 100
  t.diagnostic(`p95 ${(hedge * 1000).toFixed(0)} ms; p99 ${before.toFixed(0)} ms bare, ${after.toFixed(0)} ms hedged; ${more.toFixed(1)} % more calls`)
  assert.ok(after <= before / 2, `${after} of ${before} ms`)
  assert.ok(more <= 6, `${more} % more calls`)
  assert.ok(more > 0)
})
