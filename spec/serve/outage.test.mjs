// An outage of a provider under load: what retries add to its load, how soon it is left alone, how soon it is asked again.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { SLOW, until } from '../support/process.mjs'
import { serve, sim } from '../support/wye.mjs'

const SECONDS = Number(process.env.OUTAGE ?? 4)
const CLIENTS = 8 // of each route
const GAP_MS = 25

const files = (bad, good) => ({
  'wye.lua': `return {
  providers = { a = { kind = "openai", base_url = "${bad}/v1" }, b = { kind = "openai", base_url = "${good}/v1" } },
  models = { ["a/listed"] = {}, ["a/alone"] = {}, ["b/spare"] = {} },
  default = "b/spare",
}\n`,
  'listed.lua': 'local first, spare = wye.model "a/listed", wye.model "b/spare"\nreturn function() return { first, spare } end\n',
  'alone.lua': 'local one = wye.model "a/alone"\nreturn function() return one end\n',
  'route.lua': 'return function() return wye.model "b/spare" end\n',
})

let bad, good, w
before(async () => {
  ;[bad, good] = await Promise.all([sim(), sim()])
  w = await serve(files(bad.url, good.url), { workers: 2 })
})
after(async () => {
  await w?.stop()
  await Promise.all([bad, good].map((s) => s?.stop()))
})

const pause = (ms) => new Promise((done) => setTimeout(done, ms))

// Requests of both routes at a steady pace; counts those of a phase by route, and by the model that served or the status.
function load() {
  let running = true
  const counts = {}
  const count = (...names) => names.forEach((name) => (counts[name] = (counts[name] ?? 0) + 1))
  async function client(route, i) {
    while (running) {
      const reply = await chat(w, { model: `wye/${route}`, stream: i % 2 === 0, messages: question() })
      count(route, `${route} ${reply.status === 200 && !reply.error ? reply.headers['x-wye-model'] : reply.status}`)
      await pause(GAP_MS)
    }
  }
  const clients = ['listed', 'alone'].flatMap((route) => Array.from({ length: CLIENTS }, (_, i) => client(route, i)))
  return {
    counts,
    async stop() {
      running = false
      await Promise.all(clients)
    },
  }
}

const calls = async (s, name) => Object.entries(await s.stats()).reduce((sum, [model, m]) => sum + (model.endsWith(name) ? m.requests : 0), 0)

async function is_cooling(model) {
  const { text } = await w.ask('/metrics')
  return text.includes(`wye_model_cooling{model="${model}"} 1\n`)
}

async function all_calls() {
  return { listed: await calls(bad, 'listed'), alone: await calls(bad, 'alone'), spare: await calls(good, 'spare') }
}

for (const kind of ['503', 'reset'])
  test(`an outage (${kind}) adds at most a fifth of traffic, is noticed within a second and forgotten within five`, async (t) => {
    const traffic = load()
    const seen = (what) => until(what, () => traffic.counts[what] > 100)
    await seen('listed a/listed')
    await seen('alone a/alone')

    const before = { ...traffic.counts }
    const calls_before = await all_calls()
    const faults_before = (await bad.stats()).listed.faults
    const began = performance.now()
    await bad.faults({ faults: [{ model: '*', kind }] })
    await until('the breaker to open', () => is_cooling('a/listed'))
    const opened_ms = performance.now() - began
    const failures = (await bad.stats()).listed.faults - faults_before
    await pause(SECONDS * 1000 - opened_ms)
    const during = { ...traffic.counts }
    const calls_during = await all_calls()

    const recovered = performance.now()
    await fetch(`${bad.url}/sim/faults`, { method: 'DELETE' })
    await until('both breakers to close', async () => !(await is_cooling('a/listed')) && !(await is_cooling('a/alone')))
    const closed_ms = performance.now() - recovered
    const at_close = traffic.counts['listed a/listed']
    await until('its requests to come back', () => traffic.counts['listed a/listed'] > at_close + 50)
    await traffic.stop()

    const more = (name) => (during[name] ?? 0) - (before[name] ?? 0)
    const called = (name) => calls_during[name] - calls_before[name]
    const requests = more('listed') + more('alone')
    const extra = ((called('listed') + called('spare') + called('alone')) / requests - 1) * 100
    const alone = (called('alone') / more('alone') - 1) * 100
    t.diagnostic(`${kind}, outage of ${SECONDS} s, ${requests} requests: ${extra.toFixed(1)} % more calls, ${alone.toFixed(1)} % where there was no other model`)
    t.diagnostic(`breaker open after ${opened_ms.toFixed(0)} ms and ${failures} failures, closed ${closed_ms.toFixed(0)} ms after recovery; ${called('listed')} calls of the sick model`)

    assert.ok(requests > 40 * SECONDS / SLOW, `${requests} requests are no load`)
    assert.ok(extra <= 20, `${extra} % more calls`)
    assert.ok(alone <= 20, `${alone} % more calls of the only model`)
    assert.ok(opened_ms <= 1000 * SLOW || failures <= 5, `open after ${opened_ms} ms, ${failures} failures`)
    assert.ok(closed_ms <= 5000 * SLOW, `closed after ${closed_ms} ms`)
    const served = (traffic.counts['listed a/listed'] ?? 0) + (traffic.counts['listed b/spare'] ?? 0)
    assert.equal(served, traffic.counts.listed, `a list with a healthy model failed: ${JSON.stringify(traffic.counts)}`)
    assert.ok(more('alone') - more('alone a/alone') > 0, 'the outage was none')
  })
