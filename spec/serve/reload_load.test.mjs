// Reloads under constant load: good, broken, slow and looping scripts, and no request fails, no stream is cut.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { constant_load } from '../support/load.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const RELOADS = Number(process.env.RELOADS ?? 200)
const good = (i) => `local m = wye.model "a/good"\nreturn function() return m, "edit ${i}" end\n`

// Which file the i-th reload finds, and whether it must be taken.
const kinds = [
  { name: 'good', text: good, taken: true },
  { name: 'broken', text: (i) => `local m = wye.model "a/good"\nreturn function() return m, "edit ${i}" en\n`, taken: false },
  { name: 'raises while it loads', text: (i) => `local i = ${i}\nerror("at load")\n`, taken: false },
  { name: 'loops while it loads', text: (i) => `local i = ${i}\nwhile true do end\n`, taken: false },
  { name: 'slow to load', text: (i) => `local m, n = wye.model "a/good", ${i}\nfor _ = 1, 300000 do n = n + 1 end\nreturn function() return m, "slow" end\n`, taken: true },
  { name: 'good', text: (i) => good(`again ${i}`), taken: true },
]

let up, w
before(async () => {
  up = await upstream({ good: replies.chat('one two three four', { gap: 5 }) })
  w = await serve(project(up, ['a/good'], { 'route.lua': good('first') }), { workers: 2 })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

test(`${RELOADS} reloads under load`, async () => {
  const generations = new Set()
  const load = constant_load(w, { each: (reply) => generations.add(reply.headers['x-wye-generation']) })
  let taken = 0
  for (let i = 0; i < RELOADS; i++) {
    const kind = kinds[i % kinds.length]
    const before = (await w.status()).generation
    w.write({ 'route.lua': kind.text(i) })
    const reply = await w.ask('/reload', { method: 'POST' })
    const now = (await w.status()).generation
    assert.equal(reply.status, kind.taken ? 200 : 422, `${kind.name}: ${reply.text}`)
    if (kind.taken) assert.notEqual(now, before)
    else {
      assert.equal(now, before)
      assert.match(reply.json.error.file, /route\.lua$/)
      assert.ok(reply.json.error.line > 0)
    }
    taken += kind.taken ? 1 : 0
  }
  await load.stop()
  assert.deepEqual(load.failures, [])
  assert.ok(load.counts.plain > RELOADS && load.counts.streamed > RELOADS / 4, JSON.stringify(load.counts))
  assert.ok(generations.size > taken / 10, `${generations.size} generations served`)
  assert.deepEqual((await w.workers()).map((worker) => worker.restarts), [0, 0])
})
