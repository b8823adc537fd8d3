// wye.experiment: who gets which arm, what the trace says of it, and what is refused at load.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { cli, place, serve } from '../support/wye.mjs'

const rule = (model, reason) => `local m = wye.model "a/${model}"\nreturn function(req) return m, "${reason}" end\n`
const trial = (weights = [80, 20], more = '') => `local trial = wye.experiment("short-to-mini", {
  unit = "user", metric = "task_ok", guard = { "cost", "latency" }, ${more}
  { "v1", ${weights[0]}, require "rules.v1" },
  { "v2", ${weights[1]}, require "rules.v2" },
})
return function(req) return trial(req) end
`
const files = {
  'route.lua': trial(),
  'rules/v1.lua': rule('good', 'first'),
  'rules/v2.lua': rule('mini', 'second'),
  'ask.lua': `local m = wye.model "a/mini"
local asking = wye.experiment("asking", { unit = "header:x-shop", salt = "pepper",
  { "plain", 50, function() return m, "plain" end },
  { "asked", 50, function(req)
    local reply = m:ask(req)
    return reply or m, "asked"
  end },
})
return function(req)
  if req.prompt == "mine" then asking(req) return { m }, "mine" end
  return asking(req)
end
`,
}

const share = (salt, unit) => Number.parseInt(createHash('sha1').update(`${salt}.arm.${unit}`).digest('hex').slice(0, 13), 16) / 2 ** 52
const hash = (salt, unit) => createHash('sha1').update(`${salt}.arm.${unit}`).digest('hex').slice(0, 15)

let up, w
before(async () => {
  up = await upstream({ good: replies.chat('well'), mini: replies.chat('quick') })
  w = await serve(project(up, ['a/good', 'a/mini'], files), { workers: 2 })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

async function decide(body, headers = {}, at = w) {
  const reply = await chat(at, { messages: question(), ...body }, { headers: { connection: 'close', ...headers } })
  assert.equal(reply.status, 200, reply.text)
  return { reply, record: await at.decision(reply.headers['x-wye-id']) }
}

test('a user gets the arm that SHA-1 says, whichever worker serves, and the trace says with what probability', async () => {
  const arms = { v1: 0, v2: 0 }
  for (let i = 0; i < 30; i++) {
    const user = `user-${i}`
    const arm = share('short-to-mini', user) < 0.8 ? 'v1' : 'v2'
    const { reply, record } = await decide({ model: 'auto', user })
    arms[arm]++
    assert.equal(reply.headers['x-wye-cause'], 'experiment')
    assert.equal(record.cause, 'experiment')
    assert.equal(record.served, arm === 'v1' ? 'a/good' : 'a/mini')
    assert.equal(record.arms.length, 1)
    const { source, ...rest } = record.arms[0]
    assert.deepEqual(rest, { experiment: 'short-to-mini', arm, p: arm === 'v1' ? 0.8 : 0.2, unit: hash('short-to-mini', user) })
    assert.match(source, /^[0-9a-f]{16}$/)
  }
  assert.ok(arms.v1 > 0 && arms.v2 > 0)
})

test('without a unit the control serves and nobody is exposed', async () => {
  const { record } = await decide({ model: 'auto' })
  assert.deepEqual([record.served, record.cause, record.arms], ['a/good', 'script', []])
  const { text } = await w.ask('/metrics')
  assert.match(text, /^wye_experiment_unitless_total\{experiment="short-to-mini",salt="short-to-mini"\} 1$/m)
  const exposed = [...text.matchAll(/^wye_experiment_exposures_total\{experiment="short-to-mini".*\} (\d+)$/gm)]
  assert.equal(exposed.reduce((sum, [, n]) => sum + Number(n), 0), 30)
})

test('a header is a unit, a salt moves the arms, and an arm may ask', async () => {
  for (const shop of ['paris', 'rome', 'oslo', 'bern', 'riga', 'kyiv']) {
    const { record } = await decide({ model: 'wye/ask' }, { 'x-shop': shop })
    const arm = share('pepper', shop) < 0.5 ? 'plain' : 'asked'
    assert.equal(record.arms[0].arm, arm, shop)
    assert.equal(record.reason, arm)
    assert.equal(record.attempts[0].purpose, arm === 'plain' ? 'serve' : 'ask')
    assert.equal(record.cause, 'experiment')
  }
})

test('why shows the rule of the arm that decided under its own lines', async () => {
  const v2 = Array.from({ length: 40 }, (_, i) => `user-${i}`).find((user) => share('short-to-mini', user) >= 0.8)
  const { record } = await decide({ model: 'auto', user: v2 })
  assert.match(record.line, /^routes\/route\.lua:\d+$/)
  assert.equal(record.rule_line, 'routes/rules/v2.lua:2')
  const { stdout } = await w.cli('why', record.id)
  assert.match(stdout, /because experiment: second, at routes\/route\.lua:\d+, by routes\/rules\/v2\.lua:2\n/)
  assert.match(stdout, /routes\/rules\/v2\.lua\n(.*\n)*> +2 \| return function\(req\) return m, "second" end\n.*\^ returned: second\n/)
  assert.match(stdout, /> +\d+ \| return function\(req\) return trial\(req\) end\n.*\^ returned what the arm at routes\/rules\/v2\.lua:2 did\n/)
  assert.match((await decide({ model: 'wye/ask' }, { 'x-shop': 'x' })).record.rule_line, /^routes\/ask\.lua:[36]$/)
  const mine = await decide({ model: 'wye/ask', messages: question('mine') }, { 'x-shop': 'x' })
  assert.deepEqual([mine.record.cause, mine.record.rule_line], ['script', null])
})

test('a route that decides by itself after all is no experiment, but its exposure counts', async () => {
  const { record } = await decide({ model: 'wye/ask', messages: question('mine') }, { 'x-shop': 'rome' })
  assert.deepEqual([record.cause, record.reason, record.arms.length], ['script', 'mine', 1])
})

async function sources(user, at = w) {
  return (await decide({ model: 'auto', user }, {}, at)).record.arms[0].source
}

test('the checksum of an arm follows its code, not its comments, lines or the other arm', async () => {
  const treated = [...Array(100).keys()].map((i) => `user-${i}`).find((user) => share('short-to-mini', user) >= 0.8)
  const first = [await sources('user-0'), await sources(treated)]
  const reload = async (changes) => {
    w.write(changes)
    const { code, stdout, stderr } = await w.cli('reload')
    assert.equal(code, 0, stdout + stderr)
    return [await sources('user-0'), await sources(treated)]
  }
  assert.deepEqual(await reload({ 'rules/v2.lua': `-- says why\n\n${files['rules/v2.lua']}`, 'rules/more.lua': 'return 1\n' }), first)
  const changed = await reload({ 'rules/v2.lua': rule('mini', 'another') })
  assert.equal(changed[0], first[0])
  assert.notEqual(changed[1], first[1])
  assert.notEqual((await reload({ 'rules/v1.lua': rule('mini', 'first') }))[0], first[0])
  assert.deepEqual(await reload({ 'rules/v1.lua': files['rules/v1.lua'], 'rules/v2.lua': files['rules/v2.lua'] }), first)
})

const refused = {
  'an arm added': [trial().replace('})', '  { "v3", 0, require "rules.v2" },\n})'), /route\.lua:1: experiment 'short-to-mini': arm 'v3' was added under one name and salt/],
  'an arm renamed': [trial().replace('"v2", 20', '"w2", 20'), /route\.lua:1: .*arm 'w2' was added/],
  'another order': [trial().replace('"v1", 80, require "rules.v1"', '"v2", 80, require "rules.v2"').replace('"v2", 20', '"v1", 20'), /route\.lua:1: .*was reordered/],
}
for (const [what, [text, words]] of Object.entries(refused))
  test(`${what} under one name is refused`, async () => {
    const generation = (await w.status()).generation
    w.write({ 'route.lua': text })
    const { code, stderr } = await w.cli('reload')
    assert.equal(code, 1)
    assert.match(stderr, words)
    assert.equal((await w.status()).generation, generation)
  })
test('another salt allows other arms', async () => {
  w.write({ 'route.lua': refused['an arm added'][0].replace('unit =', 'salt = "anew", unit =') })
  const { code, stderr } = await w.cli('reload')
  assert.equal(code, 0, stderr)
  const few = await w.cli('ab', 'ramp', 'short-to-mini', '70,30')
  assert.deepEqual([few.code, /has 3 arms: give as many weights/.test(few.stderr)], [1, true], few.stderr)
  assert.match((await w.cli('ab', 'ramp', 'short-to-mini', '70,20,10')).stdout, /v1 70 %, v2 20 %, v3 10 %/)
  w.write({ 'route.lua': trial() })
})

const wrong = {
  'weights that do not add up': [trial([90, 5]), /route\.lua:1:31: error: experiment 'short-to-mini': the weights of its arms add up to 95; they must add up to 100/],
  'weights that are shares': [trial([0.8, 0.2]), /the weights of its arms add up to 1; they must add up to 100/],
  'an unknown unit': [trial().replace('"user"', '"users"'), /unit cannot be 'users' \(did you mean 'user'\?\)/],
  'a misspelt option': [trial([80, 20], 'metrics = "x",'), /unknown field 'metrics' of an experiment's options \(did you mean 'metric'\?\)/],
  'one arm': ['wye.experiment("x", { { "a", 100, function() end } })\nreturn function() end\n', /experiment 'x' has 1 arm; 2 to 16 are possible/],
  'a rule that is none': ['local x = wye.experiment("x", { { "a", 50, 1 }, { "b", 50, 2 } })\nreturn x\n', /the rule of arm 'a' is a number, not a function/],
  'one made while serving': ['local m = wye.model "a/good"\nreturn function() wye.experiment("x", {}) return m end\n', /wye\.experiment works at the top of a route file/],
}
for (const [what, [text, words]] of Object.entries(wrong))
  test(`${what}: check says so in words`, async () => {
    const { dir } = place(project(up, ['a/good', 'a/mini'], { ...files, 'route.lua': text }))
    const { code, stdout, stderr } = await cli(['check', dir])
    assert.equal(code, 1)
    assert.match(stdout + stderr, words)
  })

test('after a restart the arms are still known', async () => {
  const mine = await serve(project(up, ['a/good', 'a/mini'], files))
  const first = await decide({ model: 'auto', user: 'ada' }, {}, mine)
  await mine.cli('reload', '--force')
  await mine.stop()
  mine.write({ 'route.lua': refused['an arm added'][0] })
  const again = await serve({ home: mine.home, dir: mine.dir })
  assert.match(again.child.said, /arm 'v3' was added under one name and salt/)
  const { record } = await decide({ model: 'auto', user: 'ada' }, {}, again)
  assert.deepEqual(record.arms, first.record.arms)
  await again.stop()
})
