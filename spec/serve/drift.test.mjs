// drift: what a route's calibration says, read from the trace and from lines, beside what it was fitted to.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { WYE, run, until } from '../support/process.mjs'
import { folder, place, serve } from '../support/wye.mjs'

const home = folder()
const path = (name) => join(home, name)
const lines = (items) => items.map((item) => JSON.stringify(item) + '\n').join('')
const wye = (...args) => run(WYE, args)

// Numbers that fill [0, 1) evenly in no order (Weyl).
const even = (i) => (i * 0.6180339887498949) % 1
const drift = async (...args) => {
  const { code, stdout, stderr } = await wye('drift', ...args, '--json')
  return { code, stderr, json: stdout ? JSON.parse(stdout) : undefined }
}

// A calibration fitted to scores from 0 to `most`, as text.
async function fitted(most) {
  writeFileSync(path('rows.jsonl'), lines(Array.from({ length: 2000 }, (_, i) => ({ score: even(i) * most, correct: even(7 * i + 3) < even(i) ? 1 : 0 }))))
  await wye('calibrate', path('rows.jsonl'), '-o', path('sure.json'), '--share', '0.4')
  return readFileSync(path('sure.json'), 'utf8')
}
const CONFIG = 'return { models = { ["sim/fast"] = {} }, providers = { sim = { kind = "sim" } }, default = "sim/fast" }\n'
const serve_with = (calibration) =>
  serve({
    'wye.lua': CONFIG,
    'calibrations/sure.json': calibration,
    'route.lua': `local fast, sure = wye.model "sim/fast", wye.calibration "sure"
return function(req)
  sure(tonumber(req.prompt) or 0)
  return fast
end\n`,
  }, { demo: true })

let w
before(async () => (w = await serve_with(await fitted(1))))
after(() => w?.stop())

const send = (to, scores) => Promise.all(scores.map((score) => chat(to, { model: 'auto', messages: question(String(score)) })))
async function send_all(to, scores) {
  for (let i = 0; i < scores.length; i += 16) await send(to, scores.slice(i, i + 16))
}
const of_trace = () => drift(w.dir, '--trace', join(w.home, 'trace'))

test('traffic like that of the training does not drift, other traffic does, and the threshold that moved is named', async () => {
  await send_all(w, Array.from({ length: 300 }, (_, i) => even(i + 5)))
  const calm = await of_trace()
  assert.equal(calm.code, 0, calm.stderr)
  const [source] = calm.json.sources
  assert.deepEqual([source.kind, source.name, source.readings, source.drifted], ['calibration', 'sure', 300, false])
  assert.ok(source.parts[0].psi < 0.1 && Math.abs(source.share_now - 0.4) < 0.05, JSON.stringify(source))

  await send_all(w, Array.from({ length: 200 }, (_, i) => even(i) * 0.4))
  const moved = await of_trace()
  assert.equal(moved.code, 1)
  const [after] = moved.json.sources
  assert.ok(after.drifted && after.parts[0].flagged > 300 && after.parts[0].flagged <= 500, JSON.stringify(after))
  assert.ok(after.share_now > 0.6 && after.again < after.threshold, JSON.stringify(after))
  const { stdout } = await wye('trace', '--trace', join(w.home, 'trace'), '--json')
  assert.ok(stdout.includes(after.parts[0].at), 'the decision is in the trace')
  const { stdout: metrics } = await wye('drift', w.dir, '--trace', join(w.home, 'trace'), '--metrics')
  assert.match(metrics, /^wye_drift\{kind="calibration",name="sure"\} 1$/m)
  assert.match(metrics, /^wye_drift_psi\{kind="calibration",name="sure",of="score"\} [\d.]+$/m)
})

test("the trace is that of the project's server, wherever it lies, and not that of another project's", async () => {
  const readings = async (args, cwd) => {
    const { stdout, stderr } = await run(WYE, ['drift', ...args, '--admin', w.admin, '--json'], { cwd })
    assert.ok(stdout, stderr)
    return JSON.parse(stdout).sources[0].readings
  }
  mkdirSync(join(w.dir, '.wye/trace'), { recursive: true })
  const here = await readings(['.'], w.dir)
  assert.ok(here > 0)
  assert.deepEqual([await readings([], w.dir), await readings([w.dir]), await readings([], w.home)], [here, here, here])
  const { dir } = place({ 'wye.lua': CONFIG, 'calibrations/sure.json': readFileSync(join(w.dir, 'calibrations/sure.json'), 'utf8') })
  mkdirSync(join(dir, '.wye/trace'), { recursive: true })
  assert.equal(await readings([dir]), 0)
})

test('a server tells of drift itself: metrics, status and the log, once when it begins and once when it is over', async () => {
  const narrow = await serve_with(await fitted(0.4))
  const gauge = async (name) => (await narrow.ask('/metrics')).text.match(new RegExp(`^${name}{kind="calibration",name="sure"(?:,of="score")?} (\\S+)$`, 'm'))?.[1]
  const times = (pattern) => [...narrow.child.said.matchAll(pattern)].length
  // A new generation is looked at at once.
  const change = async (files) => {
    narrow.write(files)
    const { code, stderr } = await narrow.cli('reload')
    assert.equal(code, 0, stderr)
  }
  await until('the first look', async () => (await gauge('wye_drift_readings')) === '0')
  assert.equal(await gauge('wye_drift'), '0')

  await send_all(narrow, Array.from({ length: 300 }, (_, i) => even(i)))
  await change({ 'wye.lua': `-- another generation\n${CONFIG}` })
  await until('drift', async () => (await gauge('wye_drift')) === '1')
  assert.equal(await gauge('wye_drift_readings'), '300')
  const psi = Number(await gauge('wye_drift_psi'))
  assert.ok(psi > 0.25, String(psi))
  const [source] = (await narrow.status()).drift.sources
  assert.ok(source.name === 'sure' && source.drifted && Math.abs(source.psi - psi) < 1e-4, JSON.stringify(source))
  assert.match((await narrow.cli('status')).stdout, /^calibration +sure +300 +[\d.]+ +true$/m)

  await until('the warning', () => times(/calibration 'sure' has drifted: PSI [\d.]+ over 300 readings/g) === 1)
  await change({ 'calibrations/sure.json': await fitted(1) })
  await until('the end of it', async () => (await gauge('wye_drift')) === '0')
  await until('its line', () => times(/calibration 'sure' no longer drifts/g) === 1)
  assert.equal(times(/has drifted/g), 1)

  await change({ 'calibrations/odd.json': '{}', 'wye.lua': CONFIG })
  await until('why there is no new result', async () => /odd\.json/.test((await narrow.status()).drift.failure))
  assert.equal(await gauge('wye_drift_readings'), '300')
  await narrow.stop()
})

test('what classify printed is compared with the model that printed it', async () => {
  const kinds = ['apples and pears', 'rings and fields', 'dates and treaties']
  const letter = (n) => String.fromCharCode(97 + Math.floor(26 * even(n)))
  const ask = (i, kind) => `${[2, 3, 5, 7].map((k) => letter(i * k) + letter(i + k)).join(' ')} about ${kinds[kind]}`
  const pairs = Array.from({ length: 600 }, (_, i) => ({ text: ask(i, i % 3), weak: i % 3 === 1 ? 0 : Number(even(i) < 0.9), strong: Number(even(3 * i) < 0.95) }))
  writeFileSync(path('pairs.jsonl'), lines(pairs))
  assert.equal((await wye('train', '--pairs', path('pairs.jsonl'), '-o', path('router.model'), '--share', '0.33')).code, 0)
  const read = async (name, kind) => {
    writeFileSync(path(name), lines(Array.from({ length: 300 }, (_, i) => ({ text: ask(i + 600, kind(i)) }))))
    writeFileSync(path(`${name}.said`), (await run('sh', ['-c', `${WYE} classify ${path('router.model')} < ${path(name)}`])).stdout)
    return (await drift(path('router.model'), '--readings', path(`${name}.said`))).json.sources[0]
  }
  const labels = (source) => source.parts.find((part) => part.of === 'labels')
  const same = await read('same', (i) => i % 3)
  assert.ok(labels(same).psi < 0.05 && labels(same).flagged === 0, JSON.stringify(same))
  const other = await read('other', () => 1)
  assert.ok(other.drifted && labels(other).flagged > 0 && labels(other).flagged < 100, JSON.stringify(other))
  assert.ok(other.label === 'weak' && other.share_now > 0.9, JSON.stringify(other))
})

test('what cannot be compared is said', async () => {
  const empty = await wye('drift', folder())
  assert.equal(empty.code, 1)
  assert.match(empty.stderr, /has no classifiers\/NAME\.model and no calibrations\/NAME\.json/)
  writeFileSync(path('bad'), '{"score":1}\n{"p":1}\n')
  assert.match((await wye('drift', path('sure.json'), '--readings', path('bad'))).stderr, /bad:2: no "score"/)
  assert.match((await wye('drift', path('bad'), '--readings', path('bad'))).stderr, /bad.*not a model/)
  assert.equal((await wye('drift', '--readings', path('bad'))).code, 2)
})
