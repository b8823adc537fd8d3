// From logged answers to a threshold: what a route learns about its cheap model, and that the share of the strong one comes out as asked for.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { WYE, run } from '../support/process.mjs'
import { folder, serve, sim } from '../support/wye.mjs'

const QUESTIONS = 300
const AT_ONCE = 16
const home = folder()
const path = (name) => join(home, name)
const calibrate = async (...args) => {
  const { code, stdout, stderr } = await run(WYE, ['calibrate', ...args])
  return { code, stdout, stderr, json: code === 0 && args.includes('--json') ? JSON.parse(stdout) : undefined }
}

const logging = `local weak = wye.model "a/weak"
return function(req)
  local reply = weak:ask(req, { logprobs = true })
  return reply, tostring(wye.score.confidence(reply))
end\n`
const cascade = `local weak, strong = wye.model "a/weak", wye.model "a/strong"
local sure = wye.calibration "trivia"
return function(req)
  local reply = weak:ask(req, { logprobs = true })
  if not reply then return strong, "no draft" end
  local is_kept, p = sure:keeps(reply)
  assert(p == sure(reply))
  if is_kept then return reply, "kept" end
  return strong, "escalated"
end\n`

let s, w
before(async () => {
  s = await sim({ script: `return { seed = 7, models = {
    weak = { quality = 0.6, latency_ms = 0, tokens_per_second = 0 }, strong = { quality = 0.95, latency_ms = 0, tokens_per_second = 0 },
    all_knowing = { quality = 1, latency_ms = 0, tokens_per_second = 0 } } }\n` })
  w = await serve({
    'wye.lua': `return {
  providers = { a = { kind = "openai", base_url = "${s.url}/v1" } },
  models = { ["a/weak"] = {}, ["a/strong"] = {}, ["a/all_knowing"] = {} },
  default = "a/strong", direct = true,
}\n`,
    'route.lua': logging,
  }, { workers: 2 })
})
after(async () => {
  await w?.stop()
  await s?.stop()
})

async function ask_all(model, from) {
  const found = []
  let next = 0
  const client = async () => {
    for (let i; (i = next++) < QUESTIONS; ) {
      const reply = await chat(w, { model, messages: question(`Question ${from + i}: what is its answer?`) })
      assert.equal(reply.status, 200, reply.text)
      found[i] = { answer: /answer is (\w+)\.$/.exec(reply.json.choices[0].message.content)[1], id: reply.headers['x-wye-id'] }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, client))
  return found
}

test('answers of yesterday make a threshold for today', async (t) => {
  const truth = await ask_all('a/all_knowing', 0)
  const drafts = await ask_all('auto', 0)
  const reasons = new Map((await w.trace()).map((d) => [d.id, d.reason]))
  const rows = drafts.map((d, i) => ({ score: Number(reasons.get(d.id)), correct: d.answer === truth[i].answer ? 1 : 0, strong: 1 }))
  writeFileSync(path('rows.jsonl'), rows.map((r) => JSON.stringify(r)).join('\n'))
  const { code, stderr } = await calibrate(path('rows.jsonl'), '-o', path('trivia.json'), '--share', '0.3')
  assert.equal(code, 0, stderr)
  const { json } = await calibrate(path('rows.jsonl'), '--with', path('trivia.json'), '--json')
  assert.ok(Math.abs(json.share - 0.3) < 0.005, `share ${json.share} of the rows it was fitted to`)

  w.write({ 'calibrations/trivia.json': readFileSync(path('trivia.json'), 'utf8'), 'route.lua': cascade })
  const reload = await w.cli('reload')
  assert.equal(reload.code, 0, reload.stderr)
  const served = await ask_all('auto', QUESTIONS)
  const said = new Map((await w.trace('-q', 'generation == 2')).map((d) => [d.id, d.reason]))
  const share = served.filter((d) => said.get(d.id) === 'escalated').length / QUESTIONS
  t.diagnostic(`${QUESTIONS} new questions: ${(100 * share).toFixed(1)} % to the strong model, 30 % asked for`)
  assert.ok(Math.abs(share - 0.3) < 4 * Math.sqrt((2 * 0.3 * 0.7) / QUESTIONS), `share ${share}`)
})

test('a calibration that is broken is refused at reload, and the file and field are named', async () => {
  w.write({ 'calibrations/trivia.json': '{"wye":"calibration","version":9}' })
  const { code, stderr } = await w.cli('reload')
  assert.equal(code, 1)
  assert.match(stderr, /calibrations\/trivia\.json: version is 9; a number from 1 to 1 is needed/)
})

test('bad data is refused with its line', async () => {
  const good = Array.from({ length: 40 }, (_, i) => JSON.stringify({ score: i / 40, correct: (i * 7) % 40 < i ? 1 : 0 }))
  const cases = [
    ['', /rows\.jsonl: 0 rows; a calibration needs at least 20/],
    [good.slice(0, 5).join('\n'), /rows\.jsonl: 5 rows; a calibration needs/],
    [good.map((l) => l.replace(/"correct":\d/, '"correct":1')).join('\n'), /'correct' is 1 in every row/],
    [[...good, '{"score":1,"correct":2}'].join('\n'), /rows\.jsonl:41: column 'correct' is 2; it must be 0 or 1/],
    [[...good, '{"score":"high","correct":1}'].join('\n'), /rows\.jsonl:41: column 'score' is "high", not a number/],
    [[...good, '{"scores":1,"correct":1}'].join('\n'), /rows\.jsonl:41: no column 'score' \(did you mean 'scores'\?\); the line has: scores, correct/],
    [[good[0], '{"score":1,', ...good].join('\n'), /rows\.jsonl:2: no valid JSON/],
    [[good[0], '[1]', ...good].join('\n'), /rows\.jsonl:2: the line holds no JSON object/],
    [Buffer.concat([Buffer.from(good.join('\n') + '\n{"score":1,"correct":1,"x":"'), Buffer.from([0xff]), Buffer.from('"}')]), /rows\.jsonl:41: no valid JSON/],
    [`${good.join('\n')}\n{"x":"${'a'.repeat(1 << 20)}"}`, /rows\.jsonl:41: the line is longer than 512 KiB/],
  ]
  for (const [text, words] of cases) {
    writeFileSync(path('rows.jsonl'), text)
    const { code, stderr } = await calibrate(path('rows.jsonl'), '-o', path('out.json'))
    assert.equal(code, 1, stderr)
    assert.match(stderr, words)
  }
  assert.equal((await calibrate(path('rows.jsonl'))).code, 2)
  assert.match((await calibrate(path('rows.jsonl'), '-o', path('out.json'), '--cost', '3')).stderr, /--cost needs --weak-usd and --strong-usd/)
  assert.match((await calibrate(path('rows.jsonl'), '-o', path('out.json'), '--share', '30')).stderr, /--share is '30'; a number from 0 to 1/)
  assert.match((await calibrate(path('rows.jsonl'), '-o', path('out.json'), '--method', 'plat')).stderr, /--method is 'plat' \(did you mean 'platt'\?\)/)
})

test('measures that no route knows are refused; a fit that is worse than the score itself is said to be', async () => {
  // As right as the score says: whatever is fitted to forty of them errs more.
  const good = Array.from({ length: 40 }, (_, i) => ({ score: i % 2 ? 0.9 : 0.2, correct: Number(i % 2 ? i % 20 !== 1 : i % 10 === 2) }))
  writeFileSync(path('good.jsonl'), good.map((r) => JSON.stringify(r)).join('\n'))
  const wrong = await calibrate(path('good.jsonl'), '-o', path('no.json'), '--measure', 'confidense')
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--measure is 'confidense' \(did you mean 'confidence'\?\)/)
  const worse = await calibrate(path('good.jsonl'), '-o', path('worse.json'), '--json')
  assert.equal(worse.code, 0, worse.stderr)
  assert.ok(worse.json.ece > worse.json.ece_before, `${worse.json.ece_before} → ${worse.json.ece}`)
  assert.match(worse.stderr, /the calibration error grew from [\d.]+ to [\d.]+/)
})
