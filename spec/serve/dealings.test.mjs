// wye ab report: what it takes together and what it leaves aside. Salts, units, arms whose rule raises, requests without a unit.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { cli, place, serve, serve_args, write } from '../support/wye.mjs'

const route = (options, second = 'return mini') => `local good, mini = wye.model "a/good", wye.model "a/mini"
local trial = wye.experiment("trial", { ${options}
  { "v1", 50, function() return good end },
  { "v2", 50, function(req) ${second} end },
})
return function(req) return trial(req) end
`
const FIRST = 'unit = "user", metric = "ok", guard = { "error" },'

let up, w
before(async () => {
  up = await upstream({ good: replies.chat('well'), mini: replies.chat('quick') })
  w = await serve(project(up, ['a/good', 'a/mini'], { 'route.lua': route(FIRST) }))
})
after(async () => {
  await w?.stop()
  up?.stop()
})

async function visit(count, prefix, at = w) {
  for (let i = 0; i < count; i++) await chat(at, { model: 'auto', user: `${prefix}-${i}`, messages: question() })
}

async function reload(text, code = 0) {
  w.write({ 'route.lua': text })
  const result = await w.cli('reload', '--force')
  assert.equal(result.code, code, result.stderr)
  return result.stderr
}

const report = async (...args) => JSON.parse((await w.cli('ab', 'report', 'trial', '--json', ...args)).stdout)

test('another unit under one name and salt is refused, with the line and the way out', async () => {
  const said = await reload(route(FIRST.replace('"user"', '"request"')), 1)
  assert.match(said, /route\.lua:2: experiment 'trial': its unit was 'user' and is 'request' under one name and salt/)
  assert.match(said, /a salt of its own \(salt = "trial-2"\)/)
})

test('a new salt begins a new report, and the one before is named', async () => {
  await visit(40, 'old')
  assert.deepEqual((await report()).earlier, [])
  await reload(route(`salt = "trial-2", ${FIRST}`).replaceAll('"v2"', '"w2"'))
  await visit(60, 'new')
  const { salt, earlier, versions } = await report()
  assert.equal(salt, 'trial-2')
  assert.deepEqual(earlier.map((d) => [d.salt, d.decisions, d.units]), [['trial', 40, 40]])
  assert.deepEqual(versions.map((v) => [v.decisions, v.arms.map((a) => a.arm)]), [[60, ['v1', 'w2']]])
  assert.equal(versions[0].arms.reduce((sum, a) => sum + a.units, 0), 60)
  assert.match((await w.cli('ab', 'report', 'trial')).stdout, /dealt anew by salt 'trial-2': not in this report are 40 decisions of 40 units dealt by salt 'trial'/)
  assert.doesNotMatch((await w.cli('ab', 'what-if', 'trial', 'w2', '--metric', 'valid')).stderr, /is no arm/)
})

test('the list tells experiments of one name by their salts', async () => {
  const { stdout } = await w.cli('ab', 'list')
  assert.match(stdout, /^trial +v1 +50 %/m)
  assert.match(stdout, /^trial \(salt trial-2\) +v1 +50 %/m)
})

test('the advice names a salt that has dealt nothing yet', async () => {
  assert.match(await reload(route(`salt = "trial-2", ${FIRST}`), 1), /salt = "trial-3"/)
})

test('an arm whose rule raises has errors, and the page says how many and where', async () => {
  const mine = await serve(project(up, ['a/good', 'a/mini'], { 'route.lua': route(FIRST, 'return mini, req.metadata.topic') }))
  await visit(120, 'raised', mine)
  const { versions: [v] } = JSON.parse((await mine.cli('ab', 'report', 'trial', '--json')).stdout)
  const [control, treated] = v.arms
  assert.deepEqual([control.means.error, control.means.valid, control.raised], [0, 1, 0])
  assert.deepEqual([treated.means.error, treated.means.valid, treated.raised], [1, 0, treated.decisions])
  assert.ok(treated.decisions > 30)
  assert.equal(v.verdicts[0].verdict, 'harm')
  assert.match((await mine.cli('ab', 'report', 'trial')).stdout, new RegExp(`^v2: ${treated.decisions} of its ${treated.decisions} decisions raised and count as errors, the last at routes/route\\.lua:4:`, 'm'))
  await mine.stop()
})

test('requests without a unit are counted where nothing was exposed; a header or the metadata give a conversation', async () => {
  await reload(route('salt = "talks", unit = "conversation",').replace('"trial"', '"talks"'))
  await visit(7, 'silent')
  const none = await w.cli('ab', 'report', 'talks')
  assert.equal(none.code, 1)
  assert.match(none.stderr, /no exposure of 'talks' in this trace: since the server began 7 requests came without its unit and got the control/)
  await chat(w, { model: 'auto', messages: question() }, { headers: { 'x-wye-conversation': 'c1' } })
  await chat(w, { model: 'auto', messages: question(), metadata: { conversation: 'c1' } })
  await chat(w, { model: 'auto', messages: question(), metadata: { conversation_id: 'c1' } })
  const { stdout } = await w.cli('ab', 'report', 'talks', '--json')
  const { unitless, versions: [v] } = JSON.parse(stdout)
  assert.deepEqual([unitless, v.decisions, v.units], [7, 3, 1])
})

for (const [what, text, words] of [
  ['is no JSON', '[{"name":', /experiments\.json cannot be read: .*: move it away to begin anew, with the weights of the source/],
  ['holds something else', '[{"name":1}]', /experiments\.json holds something else than experiments: move it away/],
])
  test(`a state file that ${what} is named with what to do`, async () => {
    const at = place(project(up, ['a/good'], {}))
    write(at.home, { 'state/experiments.json': text })
    const { code, stderr } = await cli(serve_args(at))
    assert.equal(code, 1)
    assert.match(stderr, words)
  })
