// top and hist against a running server, beside the same figures counted from `trace --json`.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { WYE, run } from '../support/process.mjs'
import { serve } from '../support/wye.mjs'

const PROJECT = {
  'wye.lua': 'return { models = { ["sim/fast"] = { price = { input = 1, output = 2 } }, ["sim/smart"] = { price = { input = 5, output = 9 } } }, default = "sim/fast" }\n',
  'route.lua': 'return function(req)\n  if #req.prompt > 3 then return wye.model "sim/smart", "long" end\n  if req.prompt == "no" then return wye.refuse(402, "no") end\n  return wye.model "sim/fast", "short"\nend\n',
}

const rank = (sorted, q) => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]
const near = (a, b) => assert.ok(Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b)), `${a} is not ${b}`)

test('counts as one would by hand', async () => {
  const w = await serve(PROJECT, { demo: true })
  for (const prompt of ['a', 'long one', 'b', 'no', 'c', 'longer still']) await chat(w, { model: 'auto', messages: question(prompt) })
  const all = await w.trace()

  const top = JSON.parse((await w.cli('top', '--by', 'reason', '--json')).stdout)
  assert.deepEqual([top.by, top.of, top.total], ['reason', 'decisions', 6])
  assert.deepEqual(top.rows.map((row) => [row.value, row.count, row.errors]), [['short', 3, 0], ['long', 2, 0], [null, 1, 1]])
  for (const row of top.rows) {
    const mine = all.filter((d) => (d.reason ?? null) === row.value)
    const ms = mine.map((d) => d.ms).sort((a, b) => a - b)
    near(row.p50_ms, rank(ms, 0.5))
    near(row.p95_ms, rank(ms, 0.95))
    near(row.usd, mine.reduce((sum, d) => sum + d.usd, 0))
    near(row.share, mine.length / 6)
  }

  const models = JSON.parse((await w.cli('top', '--by', 'model', '-q', 'attempt.usage.output > 0', '--since', '1h', '--json')).stdout)
  assert.equal(models.of, 'attempts')
  assert.deepEqual(models.rows.map((row) => [row.value, row.count]), [['sim/fast', 3], ['sim/smart', 2]])
  assert.match((await w.cli('top', '--by', 'route')).stdout, /count .* route\n +6 .*16\.7%.* route\n$/)

  const hist = JSON.parse((await w.cli('hist', 'ms', '--json')).stdout)
  const ms = all.map((d) => d.ms).sort((a, b) => a - b)
  assert.deepEqual([hist.count, hist.buckets.reduce((sum, b) => sum + b.count, 0)], [6, 6])
  near(hist.p90, rank(ms, 0.9))
  near(hist.min, ms[0])
  assert.match((await w.cli('hist', 'status')).stdout, / 200 +5 +83\.3% █+\n +402 +1 +16\.7% █/)
  await w.stop()

  const files = ['--trace', join(w.home, 'trace')]
  assert.equal(JSON.parse((await run(WYE, ['top', '--json', '--by', 'status', ...files])).stdout).total, 6)
  const wrong = await run(WYE, ['hist', 'reason', ...files])
  assert.deepEqual([wrong.code, /top --by reason/.test(wrong.stderr)], [2, true])
  const unknown = await run(WYE, ['top', '--by', 'modle', ...files])
  assert.deepEqual([unknown.code, /no field modle/.test(unknown.stderr)], [2, true])
})
