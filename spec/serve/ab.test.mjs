// wye ab: what it lists, reports and changes, on a live server and on the files of one that is gone.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cpSync, readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chat, question } from '../support/client.mjs'
import { until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { cli, serve } from '../support/wye.mjs'

const files = {
  'route.lua': `local good, mini = wye.model "a/good", wye.model "a/mini"
local trial = wye.experiment("trial", { unit = "user", metric = "ok", guard = { "cost", "latency", "error" },
  { "v1", 50, function() return good, "first" end },
  { "v2", 50, require "rules.v2" },
})
return function(req) return trial(req) end
`,
  'rules/v2.lua': 'local mini = wye.model "a/mini"\nreturn function() return mini, "second" end\n',
}

let up, w
const users = [...Array(90).keys()].map((i) => `user-${i}`)
const arms = {}
before(async () => {
  up = await upstream({ good: replies.chat('well'), mini: replies.chat('quick') })
  w = await serve(project(up, ['a/good', 'a/mini'], files), { workers: 2 })
  for (const user of users) await visit(user)
})
after(async () => {
  await w?.stop()
  up?.stop()
})

// v2 pleases two users in three, v1 everyone.
async function visit(user) {
  const reply = await chat(w, { model: 'auto', user, messages: question() }, { headers: { connection: 'close' } })
  const arm = reply.headers['x-wye-model'] === 'a/good' ? 'v1' : 'v2'
  arms[user] ??= arm
  const value = arm === 'v1' || Number(user.slice(5)) % 3 > 0
  const scored = await chat(w, { id: reply.headers['x-wye-id'], metric: 'ok', value }, { path: '/v1/feedback' })
  assert.equal(scored.status, 200)
  return arm
}

const ab = async (...args) => {
  const { code, stdout, stderr } = await w.cli('ab', ...args)
  if (args.includes('--json')) assert.equal(code, 0, stderr)
  return { code, stdout, stderr, json: args.includes('--json') ? JSON.parse(stdout) : undefined }
}
const count = (arm) => users.filter((user) => arms[user] === arm).length

test('list shows each experiment with its weights and exposures', async () => {
  const { json } = await ab('list', '--json')
  const [x] = json.experiments
  assert.deepEqual([x.name, x.origin, x.design.metric, x.design.unit, x.arms.map((a) => a.weight)], ['trial', 'source', 'ok', 'user', [50, 50]])
  assert.deepEqual(x.arms.map((a) => a.exposures), [count('v1'), count('v2')])
  assert.match((await ab('list')).stdout, /experiment +arm +weight +exposures +weights by\ntrial +v1 +50 % +\d+ +source/)
})

test('a report counts units, compares the metric by assigned arm and watches the guards', async () => {
  const { json } = await ab('report', 'trial', '--json')
  assert.equal(json.experiment, 'trial')
  assert.equal(json.versions.length, 1)
  const [v] = json.versions
  assert.deepEqual(v.sample_ratio.units, [count('v1'), count('v2')])
  assert.equal(v.sample_ratio.is_void, false)
  assert.deepEqual([v.arms[0].means.error, v.arms[0].means.valid, v.arms[1].means.refused], [0, 1, 0])
  const treated = users.filter((user) => arms[user] === 'v2')
  const happy = treated.filter((user) => Number(user.slice(5)) % 3 > 0).length / treated.length
  assert.ok(Math.abs(v.primary.v2.effect - (happy - 1)) < 1e-12)
  assert.ok(v.primary.v2.low < v.primary.v2.effect && v.primary.v2.effect < v.primary.v2.high)
  assert.deepEqual(v.guards.map((g) => [g.guard, g.is_worse]), [['cost', false], ['latency', false], ['error', false]])
  assert.match(v.verdicts[0].words, /^v2(:| is)/)
})

test('the page holds the numbers of the JSON, without colour where there is no terminal', async () => {
  const { stdout } = await ab('report', 'trial')
  assert.match(stdout, /^experiment trial, 95 % intervals that may be looked at any time/)
  assert.match(stdout, /sample ratio: p = \S+, fine/)
  assert.match(stdout, /guard latency p95/)
  assert.ok(!stdout.includes('\x1b'))
})

test('what-if weighs what was logged, and refuses what was never tried', async () => {
  const all = (await ab('what-if', 'trial', 'v1', '--json')).json
  assert.equal(all.snips, 1)
  assert.equal(all.dr, 1)
  assert.ok(Math.abs(all.ess - count('v1')) < 1e-9)
  const half = (await ab('what-if', 'trial', 'v1=50,v2=50', '--json')).json
  assert.ok(Math.abs(half.dr - (1 + (await ab('what-if', 'trial', 'v2', '--json')).json.dr) / 2) < 1e-9)
  assert.match((await ab('what-if', 'trial', 'v2')).stdout, /doubly robust/)
  for (const [args, words, status = 1] of [
    [['v3'], /'v3' is no arm of 'trial': v1, v2/],
    [['v1=50,v2=20'], /the weights add up to 70; they must add up to 100/, 2],
    [['v2', '-q', 'model =='], /model/, 2],
    [['v1', '--metric', 'stars'], /no decision of 'trial' has a value of stars/],
  ]) {
    const { code, stderr } = await ab('what-if', 'trial', ...args)
    assert.equal(code, status)
    assert.match(stderr, words)
  }
})

test('a ramp moves units one way, in every worker, and holds over reload and restart', async () => {
  const { stdout } = await ab('ramp', 'trial', 'v2=70')
  assert.match(stdout, /trial: v1 30 %, v2 70 %/)
  const check = async () => {
    for (const user of users) {
      const arm = await visit(user)
      assert.ok(arms[user] === 'v1' || arm === 'v2', `${user} went back`)
    }
  }
  await check()
  const { record } = { record: await w.decision((await chat(w, { model: 'auto', user: users.find((u) => arms[u] === 'v2'), messages: question() })).headers['x-wye-id']) }
  assert.equal(record.arms[0].p, 0.7)
  w.write({ 'rules/v2.lua': `${files['rules/v2.lua']}-- the same\n` })
  assert.equal((await w.cli('reload')).code, 0)
  assert.deepEqual((await ab('list', '--json')).json.experiments[0].arms.map((a) => a.weight), [30, 70])
  await w.stop()
  w = await serve({ home: w.home, dir: w.dir }, { workers: 2 })
  const [x] = (await ab('list', '--json')).json.experiments
  assert.deepEqual([x.origin, x.arms.map((a) => a.weight)], ['ramp', [30, 70]])
  await check()
  assert.match((await ab('ramp', 'trial', '20')).stdout, /some units move back to an earlier arm/)
})

test('weights of the source win when they change', async () => {
  w.write({ 'route.lua': files['route.lua'].replace('"v1", 50', '"v1", 40').replace('"v2", 50', '"v2", 60') })
  assert.equal((await w.cli('reload')).code, 0)
  const [x] = (await ab('list', '--json')).json.experiments
  assert.deepEqual([x.origin, x.arms.map((a) => a.weight)], ['source', [40, 60]])
})

test('a report splits where the source of an arm changed, and a dead server can be read', async () => {
  w.write({ 'rules/v2.lua': files['rules/v2.lua'].replace('second', 'another') })
  assert.equal((await w.cli('reload')).code, 0)
  for (const user of users) await visit(user)
  const { json } = await ab('report', 'trial', '--json')
  assert.equal(json.versions.length, 2)
  assert.equal(json.versions[1].decisions, users.length)
  w.child.kill('SIGKILL')
  await w.child.ended
  const dead = await cli(['ab', 'report', 'trial', '--json', '--trace', join(w.home, 'trace')])
  assert.equal(dead.code, 0, dead.stderr)
  assert.deepEqual(JSON.parse(dead.stdout), json)
  w = await serve({ home: w.home, dir: w.dir }, { workers: 2 })
})

test('stop gives all units one arm and ends exposure', async () => {
  assert.match((await ab('stop', 'trial')).stdout, /trial: v1 100 %, v2 0 %/)
  for (const user of users.slice(0, 10)) {
    const reply = await chat(w, { model: 'auto', user, messages: question() })
    const record = await w.decision(reply.headers['x-wye-id'])
    assert.deepEqual([record.served, record.cause, record.arms], ['a/good', 'script', []])
  }
})

test('the report of a stopped experiment says so, and since when, with and without its server', async () => {
  const [{ since }] = (await ab('list', '--json')).json.experiments
  const { json } = await ab('report', 'trial', '--json')
  assert.deepEqual(json.stopped, { arm: 'v1', since })
  assert.match((await ab('report', 'trial')).stdout, new RegExp(`^stopped at ${since}: every unit gets v1, and nothing is exposed since$`, 'm'))
  const dead = await cli(['ab', 'report', 'trial', '--json', '--trace', join(w.home, 'trace')])
  assert.deepEqual(JSON.parse(dead.stdout), json)
})

for (const [args, code, words] of [
  [['ramp', 'trail', '20'], 1, /there is no experiment 'trail' \(did you mean 'trial'\?\)/],
  [['ramp', 'trial', '80,30'], 1, /would add up to 110; they must add up to 100/],
  [['ramp', 'trial', '20,30,50'], 1, /experiment 'trial' has 2 arms: give as many weights, or NAME=WEIGHT/],
  [['ramp', 'trial', 'v3=10'], 1, /'v3' is no arm of experiment 'trial'/],
  [['ramp', 'trial', 'many'], 2, /'many' is no weight/],
  [['stop', 'trial', 'v9'], 1, /'v9' is no arm of experiment 'trial'/],
  [['report', 'other'], 1, /no exposure of 'other' in this trace; `wye ab list`/],
  [['report', 'trail'], 1, /no exposure of 'trail' in this trace \(did you mean 'trial'\?\)/],
  [['what-if', 'trail', 'v1'], 1, /did you mean 'trial'/],
  [['ramp', 'trial'], 2, /say list, report NAME/],
])
  test(`wye ab ${args.join(' ')} says what is wrong`, async () => {
    const result = await ab(...args)
    assert.equal(result.code, code)
    assert.match(result.stderr, words)
  })

test('a bandit moves the weights at the end of a period, never below the floor, and probabilities follow', async () => {
  const mine = await serve(project(up, ['a/good', 'a/mini'], {
    'route.lua': `local good, mini = wye.model "a/good", wye.model "a/mini"
local trial = wye.experiment("bandit", { unit = "request", metric = "ok", bandit = 1,
  { "v1", 50, function() return good end },
  { "v2", 50, function() return mini end },
})
return { route = function(req) return trial(req) end, after = function(o) wye.metric("ok", o.served == "a/mini") end }
`,
  }))
  const weights = async () => {
    const [x] = JSON.parse((await mine.cli('ab', 'list', '--json')).stdout).experiments
    return x.origin === 'bandit' && x.arms.map((a) => a.weight)
  }
  for (let i = 0; i < 120; i++) await chat(mine, { model: 'auto', messages: question() })
  const [low, high] = await until('the next period', weights)
  assert.ok(Math.abs(low - 5) < 1e-6 && Math.abs(high - 95) < 1e-6)
  const last = await mine.decision((await chat(mine, { model: 'auto', messages: question() })).headers['x-wye-id'])
  assert.ok(Math.abs(last.arms[0].p - (last.arms[0].arm === 'v2' ? 0.95 : 0.05)) < 1e-9)
  await mine.stop()
})

test('a torn tail and a segment of a newer wye cost what cannot be read, are said, and change nothing', async () => {
  const mine = await serve(project(up, ['a/good', 'a/mini'], { ...files, 'route.lua': files['route.lua'].replace('return trial(req)', 'wye.shadow(function() return mini end, req) return trial(req)') }))
  for (let i = 0; i < 60; i++) {
    const reply = await chat(mine, { model: 'auto', user: `u${i}`, messages: question() })
    await chat(mine, { id: reply.headers['x-wye-id'], metric: 'ok', value: true }, { path: '/v1/feedback' })
  }
  await until('all shadows', async () => (await mine.trace()).every((d) => d.shadows.length === 1))
  await mine.stop()
  const whole = join(mine.home, 'trace'), [name] = readdirSync(whole).filter((f) => f.startsWith('0-'))
  const bytes = readFileSync(join(whole, name))
  const read = async (dir, ...more) => {
    const { code, stdout, stderr } = await cli(['ab', ...more, '--json', '--trace', dir])
    assert.equal(code, 0, stderr)
    return { ...JSON.parse(stdout), stderr }
  }
  const all = await read(whole, 'report', 'trial')
  assert.deepEqual([all.versions[0].decisions, all.shadows[0].shadows, all.stderr], [60, 60, ''])

  const newer = Buffer.from(bytes), other = join(mine.home, 'newer')
  newer.writeUInt32LE(99, 8)
  cpSync(whole, other, { recursive: true })
  writeFileSync(join(other, '7-00000001.seg'), newer)
  const beside = await read(other, 'report', 'trial')
  assert.match(beside.stderr, /1 file passed over: .*written by a newer wye: version 99/)
  assert.deepEqual(beside.versions, all.versions, 'nothing of the others is lost')

  const torn = join(mine.home, 'torn')
  cpSync(whole, torn, { recursive: true })
  truncateSync(join(torn, name), Math.floor(bytes.findLastIndex((byte) => byte !== 0) * 0.6))
  const left = await read(torn, 'report', 'trial'), lines = await cli(['trace', '--json', '--trace', torn])
  const decisions = lines.stdout.split('\n').filter(Boolean).map((text) => JSON.parse(text))
  assert.match(left.stderr, /torn/)
  assert.ok(left.versions[0].decisions > 10 && left.versions[0].decisions < 60)
  assert.equal(left.versions[0].decisions, decisions.length)
  const noted = decisions.filter((d) => d.shadows.length === 1).length
  assert.ok(noted >= decisions.length - 2, 'all but those that were on their way')
  assert.equal((await read(torn, 'shadows')).shadows[0].shadows, noted)
  assert.ok(readFileSync(join(whole, name)).equals(bytes), 'reading writes nothing')
})
