// /metrics: what it prints is well formed, named as Prometheus wants it, and bounded, whoever the users are and whatever they ask for.
import assert from 'node:assert/strict'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { collector } from '../support/otlp.mjs'
import { ROOT, until } from '../support/process.mjs'
import { read_metrics } from '../support/prometheus.mjs'
import { place, serve, write } from '../support/wye.mjs'

// Everything that a label may say; what is here is bounded by the machine and by wye.lua.
const LABELS = ['worker', 'model', 'provider', 'key', 'result', 'why', 'generation', 'hash', 'version', 'le', 'experiment', 'salt', 'arm', 'kind', 'name', 'of']

const series = (families) => [...families.values()].flatMap((f) => f.samples.map((s) => s.series)).sort()

async function traffic(w, round) {
  const asked = ['auto', 'wye/trial', 'wye/cascade', 'wye/failover', 'anthropic/opus', `no/such-${round}`, `wye/none-${round}`]
  for (const [i, model] of asked.entries())
    await chat(w, { model, messages: question(`of person-${round}-${i}`), user: `person-${round}-${i}`, metadata: { conversation: `talk-${round}-${i}` } }, { headers: { authorization: `Bearer wye_wrong-${round}-${i}` } })
  await chat(w, { model: 'auto', messages: question(), stream: true, user: `person-${round}-s` })
  await chat(w, '{', { headers: { connection: 'close' } })
  await chat(w, '', { path: `/v1/nothing-${round}`, headers: { connection: 'close' } })
  await chat(w, { id: `none-${round}`, metric: `metric-${round}`, value: 1 }, { path: '/v1/feedback' })
}

test('well formed, well named, and no series for a user, a path or a wrong name', async () => {
  const up = await collector()
  const at = place({})
  cpSync(join(ROOT, 'routes'), at.dir, { recursive: true, filter: (path) => !path.includes('/.wye') })
  const config = readFileSync(join(at.dir, 'wye.lua'), 'utf8')
  write(at.dir, { 'wye.lua': config.replace(/^return \{/m, `return {\n  otlp = { url = "${up.url}" },`) })
  const w = await serve(at, { demo: true, workers: 2 })
  await traffic(w, 1)
  const read = async () => read_metrics((await w.ask('/metrics')).text)
  const first = await until('what the lookout finds', async () => ((m) => m.get('wye_drift')?.samples.length > 0 && m)(await read()))

  for (const { name, samples } of first.values())
    for (const { labels } of samples) {
      for (const label of Object.keys(labels)) assert.ok(LABELS.includes(label), `${name} has a label ${label}`)
      for (const value of Object.values(labels)) assert.doesNotMatch(value, /person|talk-|none-|such-|wrong|metric-/, `${name} names ${value}`)
    }
  for (let round = 2; round < 6; round++) await traffic(w, round)
  const later = await read()
  assert.deepEqual(series(later), series(first))
  for (const { name, type, samples } of first.values())
    if (type !== 'gauge') samples.forEach((s, i) => assert.ok(later.get(name).samples[i].value >= s.value, `${s.series} fell`))
  await w.stop()
  await up.stop()
})

test('the reader refuses what is not well formed', () => {
  const head = (name, type) => `# HELP ${name} words\n# TYPE ${name} ${type}\n`
  const buckets = (a, b, count) => `${head('wye_x_seconds', 'histogram')}wye_x_seconds_bucket{le="1"} ${a}\nwye_x_seconds_bucket{le="+Inf"} ${b}\nwye_x_seconds_sum 1\nwye_x_seconds_count ${count}\n`
  read_metrics(`${head('wye_x_total', 'counter')}wye_x_total{a="b\\"c"} 1\nwye_x_total{a="d"} 2e3\n${buckets(1, 2, 2)}`)
  for (const [text, words] of [
    [`${head('wye_x', 'counter')}wye_x 1\n`, /is a counter/],
    [`${head('wye_x_total', 'gauge')}wye_x_total 1\n`, /is a gauge/],
    [`${head('wye_x_ms', 'gauge')}wye_x_ms 1\n`, /base unit/],
    [`wye_x 1\n`, /./],
    [`${head('wye_x', 'gauge')}wye_y 1\n`, /stands under/],
    [`${head('wye_x', 'gauge')}wye_x 1\nwye_x 2\n`, /twice/],
    [`${head('wye_x', 'gauge')}wye_x{a="b"c"} 1\n`, /labels/],
    [`${head('wye_x', 'gauge')}wye_x one\n`, /a value/],
    [`${head('wye_x', 'gauge')}wye_x 1`, /last line/],
    [`${head('wye_x', 'gauge')}${head('wye_y', 'gauge')}wye_x 1\n`, /stands under/],
    [`${head('wye_x', 'summary')}`, /no type/],
    [buckets(3, 2, 2), /cumulative/],
    [buckets(1, 2, 3), /\+Inf/],
  ])
    assert.throws(() => read_metrics(text), words, text)
})
