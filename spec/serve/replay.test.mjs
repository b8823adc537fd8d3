// Recorded decisions by the same rules come out as they did; by others, what changes is told.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { WYE, line, run, start, stop, until } from '../support/process.mjs'
import { SIM, project } from '../support/replay_project.mjs'
import { place, serve, sim, write } from '../support/wye.mjs'

const DECISIONS = Number(process.env.REPLAYS ?? 2000)

async function load(w, count, clients = 16) {
  const models = ['auto', 'wye/cascade', 'wye/race', 'wye/broken', 'auto']
  let sent = 0
  const client = async () => {
    while (sent < count) {
      const n = sent++
      const headers = n % 11 === 0 ? { 'x-tenant': 'gold' } : {}
      const body = { model: models[n % models.length], user: `u-${n % 20}`, stream: n % 3 === 0, messages: question(`question ${n}`) }
      const reply = await chat(w, body, { headers })
      assert.ok(reply.status, reply.text)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
}

async function replay(w, ...args) {
  const { code, stdout, stderr } = await run(WYE, ['replay', ...args, '--json', '--trace', join(w.home, 'trace')])
  return { code, stderr, ...JSON.parse(stdout || '{}') }
}

test(`the same rules over their own record: 0 differences in ${DECISIONS} decisions`, async (t) => {
  const models = await sim({ script: SIM })
  const w = await serve(project(models.url), { workers: 2 })
  await load(w, DECISIONS)
  const kinds = new Set((await w.trace('-n', '500')).map((d) => `${d.route} ${d.cause} ${d.attempts.length}`))
  assert.ok(kinds.size > 5, [...kinds].join(', '))
  await w.stop()
  const r = await replay(w, w.dir)
  assert.equal(r.code, 0, r.stderr)
  assert.equal(r.decisions, DECISIONS)
  assert.deepEqual(r.changes, [])
  assert.equal(r.replayed, DECISIONS, JSON.stringify(r.skipped))
  assert.equal(r.same, DECISIONS)
  assert.equal(r.reworded, 0)
  assert.equal(r.usd.now, r.usd.was)
  assert.equal(r.quality.support, 1)
  t.diagnostic(`${Math.round(r.decisions / r.seconds)} decisions a second`)
  await models.stop()
})

const CONFIG = (capture = '{ share = 1 }') => `return { models = { ["sim/fast"] = { price = { input = 1, output = 1 } }, ["sim/smart"] = { price = { input = 10, output = 10 } } }, default = "sim/fast", capture = ${capture} }\n`
const BY_LENGTH = `local fast, smart = wye.model "sim/fast", wye.model "sim/smart"
return function(req)
  if #req.prompt > 10 then return smart, "long" end
  return fast, "short"
end
`
async function served(files, contents, options = {}) {
  const w = await serve(files, { demo: true })
  for (const content of contents) assert.equal((await chat(w, { model: 'auto', messages: question(content), ...options })).status, 200)
  return w
}

test('another rule: what changes, with examples, cost and support', async () => {
  const w = await served({ 'wye.lua': CONFIG(), 'route.lua': BY_LENGTH, 'rules/v2.lua': BY_LENGTH.replace('> 10', '> 20') }, ['hi', 'a question of some words', 'fifteen letters', 'fifteen letters'])
  w.write({ 'route.lua': 'error "the file on disk is not what decides a rule file"' })
  const r = await replay(w, join(w.dir, 'rules/v2.lua'))
  assert.equal(r.code, 0, r.stderr)
  assert.deepEqual([r.replayed, r.same, r.changed, r.percent], [4, 2, 2, 50])
  const [change] = r.changes
  assert.deepEqual([change.was, change.now, change.count], ['sim/smart', 'sim/fast', 2])
  const [example] = change.examples
  assert.deepEqual([example.was_line, example.was_reason, example.now_line, example.now_reason], ['routes/route.lua:3', 'long', 'routes/rules/v2.lua:4', 'short'])
  assert.equal((await w.decision(example.id)).reason, 'long')
  assert.ok(r.usd.now < r.usd.was && r.usd.now > r.usd.was / 10, JSON.stringify(r.usd))
  assert.deepEqual([r.quality.support, r.quality.effective, r.quality.now], [0.5, 2, undefined])
  assert.match(r.quality.refused, /50\.0 % of the decisions have support, 95 % are needed: 'sim\/fast' was brought by chance 0 times/)

  const text = await run(WYE, ['replay', join(w.dir, 'rules/v2.lua'), '--trace', join(w.home, 'trace')])
  assert.match(text.stdout, /4 of 4 decisions .* replayed by .*v2\.lua/)
  assert.match(text.stdout, /2 {2}sim\/smart\n\s+-> sim\/fast\n\s+\S+ {2}routes\/route\.lua:3 \(long\) -> routes\/rules\/v2\.lua:4 \(short\)/)

  const strict = await replay(w, join(w.dir, 'rules/v2.lua'), '--max-change', '49%')
  assert.equal(strict.code, 1)
  assert.match(strict.stderr, /50\.00 % of the decisions change; --max-change allows 49 %/)
  assert.match(strict.error.message, /50\.00 % of the decisions change/)
  assert.equal((await replay(w, join(w.dir, 'rules/v2.lua'), '--max-change', '50')).code, 0)
  assert.equal((await replay(w, w.dir, '--since', 'yesterday')).code, 2)
  const broken = await replay(w, w.dir)
  assert.equal(broken.code, 1)
  assert.match(broken.stderr, /routes\/route\.lua:1: the file on disk/)
  await w.stop()
})

test('quality by another rule comes from what an experiment tried, or is refused', async () => {
  const route = `local trial = wye.experiment("t", { unit = "request",
  { "a", 70, function() return wye.model "p/good" end }, { "b", 30, function() return wye.model "p/bad" end } })
return function(req) return trial(req) end
`
  const models = await sim({ script: 'return { models = { good = { latency_ms = 1 }, bad = { latency_ms = 1, error_rate = 0.5 } } }' })
  const config = `return { providers = { p = { kind = "openai", base_url = "${models.url}/v1" } }, models = { ["p/good"] = {}, ["p/bad"] = {} }, capture = { share = 1 } }\n`
  const w = await serve({ 'wye.lua': config, 'route.lua': route })
  for (let i = 0; i < 300; i++) await chat(w, { model: 'auto', messages: question(`question ${i}`) })
  write(w.dir, { 'rules/bad.lua': 'return function() return wye.model "p/bad" end', 'rules/other.lua': 'return function() return { wye.model "p/bad", wye.model "p/good" } end' })
  const same = await replay(w, w.dir)
  assert.equal(same.quality.dr.toFixed(9), same.quality.was.toFixed(9))
  assert.equal(same.quality.snips.toFixed(9), same.quality.was.toFixed(9)) /* the experiment goes on dealing as it did */
  const { quality } = await replay(w, join(w.dir, 'rules/bad.lua'))
  assert.equal(quality.refused, undefined)
  const bad = (await w.trace('-q', 'requested == auto')).filter((d) => d.arms[0].arm === 'b')
  const truth = bad.filter((d) => d.status === 200).length / bad.length
  assert.ok(Math.abs(quality.snips - truth) < 1e-6, `${quality.snips} ${truth}`)
  assert.ok(quality.dr < quality.was && quality.support === 1 && Math.abs(quality.effective - bad.length) < 1e-6, JSON.stringify(quality))
  const never = await replay(w, join(w.dir, 'rules/other.lua'))
  assert.match(never.quality.refused, /'p\/bad, p\/good' was brought by chance 0 times/)
  await w.stop()
  await models.stop()
})

test('what changes in an arm is shown at the lines of its rule', async () => {
  const w = await serve({
    'wye.lua': CONFIG(),
    'route.lua': 'local trial = wye.experiment("t", { unit = "user", { "a", 50, require "rules.a" }, { "b", 50, require "rules.b" } })\nreturn function(req) return trial(req) end\n',
    'rules/a.lua': BY_LENGTH, 'rules/b.lua': BY_LENGTH,
  }, { demo: true })
  const { headers } = await chat(w, { model: 'auto', user: 'u', messages: question('a question of some words') })
  const { arms: [{ arm }] } = await w.decision(headers['x-wye-id'])
  await w.stop()
  write(w.dir, { 'rules/a.lua': '\n' + BY_LENGTH.replace('smart, "long"', 'fast, "cheap"'), 'rules/b.lua': '\n' + BY_LENGTH.replace('smart, "long"', 'fast, "cheap"') })
  const { changes: [{ examples: [example] }] } = await replay(w, w.dir)
  assert.deepEqual([example.was_line, example.now_line], [`routes/rules/${arm}.lua:3`, `routes/rules/${arm}.lua:4`])
})

test('quality by feedback, over the decisions that were scored', async () => {
  const route = `local trial = wye.experiment("t", { unit = "request",
  { "a", 50, function() return wye.model "sim/fast" end }, { "b", 50, function() return wye.model "sim/smart" end } })
return { route = function(req) return trial(req) end, after = function(o) wye.metric("stars", o.served == "sim/smart" and 5 or 2) end }
`
  const w = await serve({ 'wye.lua': CONFIG(), 'route.lua': route }, { demo: true })
  for (let i = 0; i < 200; i++) {
    const reply = await chat(w, { model: 'auto', messages: question(`question ${i}`) })
    if (i % 2) await chat(w, { id: reply.headers['x-wye-id'], metric: 'task_ok', value: reply.headers['x-wye-model'] === 'sim/smart' }, { path: '/v1/feedback' })
  }
  write(w.dir, { 'rules/smart.lua': 'return function() return wye.model "sim/smart" end' })
  const { quality } = await replay(w, join(w.dir, 'rules/smart.lua'))
  const [stars, ok] = quality.feedback
  assert.deepEqual([quality.metric, stars.metric, ok.metric], ['answered', 'stars', 'task_ok'])
  assert.ok(Math.abs(stars.now - 5) < 1e-9 && stars.was > 2.5 && stars.was < 4.5, JSON.stringify(stars))
  assert.ok(stars.decisions > 190 && ok.decisions === 100 && Math.abs(ok.now - 1) < 1e-9, JSON.stringify(ok))
  assert.match((await run(WYE, ['replay', join(w.dir, 'rules/smart.lua'), '--trace', join(w.home, 'trace')])).stdout, /task_ok of 100 that were scored: 0\.\d+ as recorded; by this rule 1, between 0\.\d+ and 1 \(95 %; no other value was seen\)/)
  await w.stop()
})

test('what there is to replay is said where there is nothing: routes, times, captures', async () => {
  const w = await served({ 'wye.lua': CONFIG(), 'route.lua': BY_LENGTH, 'cascade.lua': BY_LENGTH }, ['hi'])
  const wrong = await replay(w, w.dir, '--route', 'cascad')
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /--route: no route 'cascad' \(did you mean 'cascade'\?\); the project has cascade, route/)
  const file = await replay(w, join(w.dir, 'route.lua'), '--route', 'cascad')
  assert.equal(file.code, 1)
  assert.match(file.stderr, /no route 'cascad' \(did you mean 'cascade'/)
  const none = await replay(w, w.dir, '--route', 'cascade')
  assert.deepEqual([none.code, none.replayed], [0, 0])
  assert.match(none.stderr, /nothing to replay of route cascade/)
  await w.stop()
  await until('a second later', async () => (await replay(w, w.dir, '--since', '1s')).decisions === 0)
  const late = await replay(w, w.dir, '--since', '1s')
  assert.match(late.stderr, new RegExp(`no decision in the last 1s: the newest of \\S+ began at ${(await w.trace())[0].ts.slice(0, 19)}.* seconds ago`))
})

test("without a server a project's own trace is replayed", async () => {
  const at = place({ 'wye.lua': CONFIG(), 'route.lua': BY_LENGTH })
  const child = start(WYE, ['serve', at.dir, '--demo', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'])
  const [, url] = await line(child, /wye: ready (http:\/\/\S+)/)
  assert.equal((await chat({ url }, { model: 'auto', messages: question() })).status, 200)
  await stop(child)
  const { code, stdout, stderr } = await run(WYE, ['replay', at.dir, '--json'], { cwd: at.home })
  assert.equal(code, 0, stderr)
  assert.deepEqual([JSON.parse(stdout).replayed, JSON.parse(stdout).changed], [1, 0])
})

test('a rule from anywhere joins the project; reasons that change are counted apart', async () => {
  const w = await served({ 'wye.lua': CONFIG(), 'route.lua': BY_LENGTH }, ['hi', 'there'])
  write(w.home, { 'route.lua': BY_LENGTH.replace('"short"', '"brief"'), 'loose/other.lua': BY_LENGTH.replace('fast, "short"', 'smart') })
  const at = (file) => run(WYE, ['replay', file, '--json', '--trace', join(w.home, 'trace')], { cwd: w.home })
  const reworded = JSON.parse((await at('route.lua')).stdout)
  assert.deepEqual([reworded.replayed, reworded.changed, reworded.reworded], [2, 0, 2])
  const other = JSON.parse((await at('loose/other.lua')).stdout)
  assert.deepEqual([other.replayed, other.changed], [2, 2])
  await w.stop()
})

test('what cannot be replayed is counted by its reason', async () => {
  const route = `local fast, smart = wye.model "sim/fast", wye.model "sim/smart"
return function(req)
  if req.stream then return fast, "streamed" end
  if req.user == "reads" then return fast, #req.prompt .. "" end
  return smart:ask(req)
end
`
  const w = await serve({ 'wye.lua': CONFIG('{ share = 1, mask = { "/messages/*/content" } }'), 'route.lua': route, 'other.lua': BY_LENGTH.replace('if #req.prompt > 10 then return smart, "long" end', '') }, { demo: true })
  const ask = (body) => chat(w, { model: 'auto', messages: question(), ...body })
  await ask({})
  await ask({ stream: true })
  await ask({ user: 'reads' })
  await ask({ model: 'wye/other' })
  await ask({ model: 'sim/fast' })
  await w.stop()
  const same = await replay(w, w.dir)
  assert.deepEqual([same.decisions, same.replayed, same.changed], [5, 3, 0])
  assert.deepEqual([same.skipped.masked, same.skipped.no_route], [1, 1])
  write(w.dir, { 'other.lua': 'return function(req) return wye.model("sim/smart"):ask(req) end', 'route.lua': route.replace('return smart:ask(req)', 'wye.kv.get("x") return fast') })
  const other = await replay(w, w.dir)
  assert.equal(other.skipped.masked, 2) /* its ask may hold what was masked */
  assert.deepEqual([other.replayed, other.changed, other.unrecorded.kv], [2, 1, 1])
  const one = await replay(w, w.dir, '--route', 'other')
  assert.deepEqual([one.replayed, one.skipped.gone], [0, 3])
})

test('torn, damaged and newer segments are said and counted, the rest is replayed', async () => {
  const w = await served({ 'wye.lua': CONFIG(), 'route.lua': BY_LENGTH }, Array(50).fill('hi'))
  await w.stop()
  const dir = join(w.home, 'trace')
  const [name] = readdirSync(dir).filter((f) => f.endsWith('.seg'))
  const bytes = readFileSync(join(dir, name))
  const newer = Buffer.from(bytes)
  newer.writeUInt32LE(99, 8)
  writeFileSync(join(dir, '7-00000001.seg'), newer)
  let end = bytes.length
  while (bytes[end - 1] === 0) end--
  truncateSync(join(dir, name), Math.floor(end * 0.6))
  const r = await replay(w, w.dir)
  assert.equal(r.code, 0, r.stderr)
  assert.ok(r.replayed > 10 && r.replayed < 50, `${r.replayed}`)
  assert.equal(r.changed, 0)
  assert.match(r.problems, /1 file passed over: .*written by a newer wye: version 99/)
  const none = await run(WYE, ['replay', w.dir, '--trace', join(w.home, 'nowhere')])
  assert.equal(none.code, 1)
})

test('trace save makes a spec that passes, and fails once the rule is another', async () => {
  const route = `local fast, smart = wye.model "sim/fast", wye.model "sim/smart"
return function(req)
  local draft = fast:ask(req)
  if req.headers["x-tenant"] == "gold" then return { smart:with { temperature = 0 }, fast, first_token = 4 }, "gold" end
  return draft, "draft of " .. #draft.text
end
`
  const w = await serve({ 'wye.lua': CONFIG(), 'route.lua': route }, { demo: true })
  const ask = (options) => chat(w, { model: 'auto', stop: null, logit_bias: {}, metadata: { and: 'x\n"y"\\]]' }, messages: question('hello "there"') }, options)
  const plain = await ask(), gold = await ask({ headers: { 'x-tenant': 'gold' } })
  const pinned = await chat(w, { model: 'sim/fast', messages: question() })
  const save = (reply) => w.cli('trace', 'save', reply.headers['x-wye-id'], w.dir)
  for (const reply of [plain, gold]) {
    const saved = await save(reply)
    assert.equal(saved.code, 0, saved.stderr)
    assert.match(saved.stdout, new RegExp(`${reply.headers['x-wye-id']}_spec\\.lua\n$`))
  }
  assert.match((await save(plain)).stderr, /File exists/)
  assert.match((await w.cli('trace', 'save', plain.headers['x-wye-id'])).stderr, new RegExp(`cannot write ${w.dir}/specs/.*File exists`), "the server's project unless named")
  assert.match((await save(pinned)).stderr, /does not exist|no route decided it/)
  assert.equal((await w.cli('trace', 'sav', 'x')).code, 2)
  await w.stop()
  const passed = await run(WYE, ['test', w.dir, '--json'])
  assert.equal(passed.code, 0, passed.stdout)
  assert.equal(JSON.parse(passed.stdout).successes.length, 2)
  const text = readFileSync(join(w.dir, `specs/${gold.headers['x-wye-id']}_spec.lua`), 'utf8')
  assert.match(text, /assert\.are\.equal\("sim\/smart#[0-9a-f]{4}, sim\/fast \(first_token 4000\)", d\.decision\)/)
  write(w.dir, { 'route.lua': route.replace('first_token = 4', 'first_token = 5') })
  assert.equal(JSON.parse((await run(WYE, ['test', w.dir, '--json'])).stdout).failures.length, 1)
  write(w.dir, { 'route.lua': route.replace('"gold"', '"silver"') })
  const failed = await run(WYE, ['test', w.dir, '--json'])
  assert.equal(failed.code, 1)
  assert.equal(JSON.parse(failed.stdout).failures.length, 1)
})

test('inside of a project, replay and trace save find it', async () => {
  const w = await serve({ 'wye.lua': CONFIG(), 'route.lua': 'return function() return wye.model "sim/fast" end\n' }, { demo: true })
  const { headers } = await chat(w, { model: 'auto', messages: question() })
  await w.stop()
  const inside = (...args) => run(WYE, [...args, '--trace', join(w.home, 'trace')], { cwd: w.dir })
  const replayed = await inside('replay', '--json')
  assert.equal(replayed.code, 0, replayed.stderr)
  assert.equal(JSON.parse(replayed.stdout).replayed, 1)
  const saved = await inside('trace', 'save', headers['x-wye-id'])
  assert.equal(saved.code, 0, saved.stderr)
  assert.match(readFileSync(join(w.dir, `specs/${headers['x-wye-id']}_spec.lua`), 'utf8'), /t:decide\("route"/)
})

test('what a stopped experiment served is decided the same again', async () => {
  const route = `local trial = wye.experiment("t", { unit = "user",
  { "a", 50, function() return wye.model "sim/fast", "a" end }, { "b", 50, function() return wye.model "sim/smart", "b" end } })
return function(req) return trial(req) end
`
  const w = await serve({ 'wye.lua': CONFIG('{ share = 1 }'), 'route.lua': route }, { demo: true })
  const users = async () => {
    for (let i = 0; i < 12; i++) await chat(w, { model: 'auto', user: `u${i}`, messages: question('hello') })
  }
  await users()
  assert.equal((await w.cli('ab', 'stop', 't', 'b')).code, 0)
  await users()
  await chat(w, { model: 'auto', messages: question('of nobody') })
  const same = await replay(w, w.dir)
  assert.deepEqual([same.decisions, same.replayed, same.changed], [25, 25, 0])
  await w.stop()
})

test('a mask that took nothing out of a request hides nothing of it', async () => {
  const route = 'local fast = wye.model "sim/fast"\nreturn function(req) return fast, #req.prompt .. "" end\n'
  const w = await serve({ 'wye.lua': CONFIG('{ share = 1, mask = { "/messages/*/name", "/user" } }'), 'route.lua': route }, { demo: true })
  const plain = await chat(w, { model: 'auto', messages: question('hello') })
  const named = await chat(w, { model: 'auto', messages: [{ role: 'user', name: 'Ada', content: 'hello' }] })
  assert.deepEqual((await w.decision(plain.headers['x-wye-id'])).masked, [])
  assert.deepEqual((await w.decision(named.headers['x-wye-id'])).masked, ['/messages/*/name'])
  await w.stop()
  const same = await replay(w, w.dir)
  assert.deepEqual([same.decisions, same.replayed, same.changed, same.skipped.masked], [2, 1, 0, 1])
})

test('what a mask took out, and what was not captured, is no spec', async () => {
  const route = 'local fast = wye.model "sim/fast"\nreturn function(req)\n  if req.prompt == "ask" then return fast:ask(req) end\n  return fast, "plain"\nend\n'
  const refusal = async (capture, body, options) => {
    const w = await serve({ 'wye.lua': CONFIG(capture), 'route.lua': route }, { demo: true })
    const { headers } = await chat(w, { model: 'auto', ...body }, options)
    const saved = await w.cli('trace', 'save', headers['x-wye-id'], w.dir)
    await w.stop()
    return saved
  }
  const plain = { messages: question() }
  assert.match((await refusal('{ share = 0 }', plain)).stderr, /was not captured: capture = \{ share = 1 \}/)
  assert.match((await refusal('{ share = 1, mask = { "/messages/*/content" } }', plain)).stderr, /a mask took out .*\(\/messages\/\*\/content\)/)
  assert.match((await refusal('{ share = 1, mask = { "/input" } }', { input: 'hello' }, { path: '/v1/responses' })).stderr, /a mask took out .*\(\/input\)/)
  assert.match((await refusal('{ share = 1, mask = { "/choices/*/message/content" } }', { messages: question('ask') })).stderr, /a mask took out .*a model's answer/)
  assert.equal((await refusal('{ share = 1, mask = { "/metadata/*" } }', plain)).code, 0)
})

test('an ask that was not recorded is counted; --sim answers it', async () => {
  const w = await served({ 'wye.lua': CONFIG(), 'route.lua': BY_LENGTH }, ['hi', 'a question of some words'])
  write(w.dir, { 'route.lua': 'local fast = wye.model "sim/fast"\nreturn function(req)\n  local reply, err = fast:ask(req)\n  if not reply then return wye.model "sim/smart", err.kind end\n  return reply, reply.text\nend\n' })
  const counted = await replay(w, w.dir)
  assert.deepEqual([counted.replayed, counted.skipped.unrecorded, counted.changed], [0, 2, 0])
  const answered = await replay(w, w.dir, '--sim')
  assert.deepEqual([answered.replayed, answered.changed, answered.unrecorded.asks], [2, 2, 2])
  assert.ok(answered.changes.every((c) => c.now === 'reply of sim/fast' && c.examples[0].now_reason.length > 10))
  await w.stop()
})

test('--live: providers answer what was not recorded, within its budget', async () => {
  const models = await sim({ script: SIM })
  const config = `return { providers = { p = { kind = "openai", base_url = "${models.url}/v1" } }, models = { ["p/fast"] = { price = { input = 1000, output = 1000 } } }, default = "p/fast", capture = { share = 1 } }\n`
  const w = await served({ 'wye.lua': config, 'route.lua': 'return wye.model "p/fast" and function() return wye.model "p/fast" end' }, ['one', 'two', 'three'])
  write(w.dir, { 'route.lua': 'return function(req)\n  local reply = wye.model("p/fast"):ask(req)\n  return reply, reply.text\nend\n' })
  const all = await replay(w, w.dir, '--live')
  assert.deepEqual([all.code, all.replayed, all.changed, all.answered.asks, all.answered.stopped], [0, 3, 3, 3, null], all.stderr)
  assert.ok(all.answered.usd > 0 && all.changes[0].examples[0].now_reason.length > 3)
  const some = await replay(w, w.dir, '--live', '--usd', String(all.answered.usd / 2))
  assert.ok(some.answered.asks < 3 && some.answered.asks > 0, JSON.stringify(some.answered))
  assert.equal(some.skipped.unrecorded, 3 - some.answered.asks)
  assert.match(some.answered.stopped, /--usd/)
  assert.equal((await replay(w, w.dir, '--seconds', '3')).code, 2)
  assert.equal((await replay(w, w.dir, '--live', '--sim')).code, 2)
  await w.stop()
  await models.stop()
  const gone = await replay(w, w.dir, '--live')
  assert.deepEqual([gone.answered.asks, gone.answered.failed, gone.answered.usd], [3, 3, 0])
  const { stdout } = await run(WYE, ['replay', w.dir, '--live', '--trace', join(w.home, 'trace')])
  assert.match(stdout, /3 of them with an error, the first: p\/fast: connect: /)
})

test('--live: an interrupt ends what is under way and tells what is known', async () => {
  const models = await sim({ script: 'return { faults = { { model = "*", kind = "hang", after = 1 } } }' })
  const config = `return { providers = { p = { kind = "openai", base_url = "${models.url}/v1" } }, models = { ["p/fast"] = {}, ["sim/fast"] = {} }, capture = { share = 1 } }\n`
  const w = await served({ 'wye.lua': config, 'route.lua': 'return function() return wye.refuse(402, "no") end\n' }, [])
  for (let i = 0; i < 3; i++) assert.equal((await chat(w, { model: 'auto', messages: question() })).status, 402)
  write(w.dir, { 'route.lua': 'return function(req) return wye.model("p/fast"):ask(req) end\n' })
  const child = start(WYE, ['replay', w.dir, '--live', '--json', '--trace', join(w.home, 'trace')])
  const stats = async () => (await (await fetch(`${models.url}/sim/stats`)).json())
  await until('the second ask to hang', async () => JSON.stringify(await stats()).match(/"requests":2/))
  child.kill('SIGINT')
  assert.equal((await child.ended).code, 130)
  const r = JSON.parse(child.out)
  assert.deepEqual([r.decisions, r.replayed, r.changed, r.answered.asks, r.answered.stopped], [2, 1, 1, 1, 'interrupted'])
  await w.stop()
  await models.stop()
})

const ODD = `return function(req)
  if req.user == "odd" then local t = nil; return t.x end
  return wye.model "sim/fast"
end
`
const CLIENTS = {
  chat: [{ user: 'odd', messages: question() }, {}],
  messages: [{ max_tokens: 9, metadata: { user_id: 'odd' }, messages: question() }, { path: '/v1/messages' }],
  responses: [{ input: 'hello' }, { path: '/v1/responses', headers: { 'x-wye-user': 'odd' } }],
  embeddings: [{ input: 'hello', user: 'odd' }, { path: '/v1/embeddings' }],
}
for (const [name, [body, options]] of Object.entries(CLIENTS))
  test(`check tries recorded requests of ${name} clients too`, async () => {
    const w = await serve({ 'wye.lua': CONFIG(), 'route.lua': ODD }, { demo: true })
    const odd = await chat(w, { model: 'auto', ...body }, options)
    assert.equal((await w.decision(odd.headers['x-wye-id'])).cause, 'script_error')
    await w.stop()
    assert.equal((await run(WYE, ['check', w.dir])).code, 0)
    const found = await run(WYE, ['check', w.dir, '--trace', join(w.home, 'trace')])
    assert.equal(found.code, 1)
    assert.match(found.stdout, new RegExp(`routes/route\\.lua:2:.*\\n(.*\\n)+.*for the recorded request '${odd.headers['x-wye-id']}'`))
  })

test('a reload is refused for a recorded request on which the new rules fail, not for one on which the old did', async () => {
  const fine = ODD.replace('local t = nil; return t.x', 'return wye.model "sim/smart"').replace('"odd"', '"fine"')
  const w = await serve({ 'wye.lua': CONFIG(), 'route.lua': fine }, { demo: true })
  const [body, options] = CLIENTS.messages
  const { headers } = await chat(w, { model: 'auto', ...body }, options)
  w.write({ 'route.lua': ODD })
  const refused = await w.cli('reload')
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, new RegExp(`routes/route\\.lua:2: .*recorded request '${headers['x-wye-id']}'`))
  assert.equal((await w.cli('reload', '--skip', 'check')).code, 0)
  await chat(w, { model: 'auto', ...body, messages: question('another') }, options)
  w.write({ 'route.lua': ODD.replace('if req', 'if #req.prompt == 7 and req') })
  assert.equal((await w.cli('reload')).code, 0)
  await w.stop()
})

test('of each route the newest requests are tried, however many another has', async () => {
  const w = await serve({ 'wye.lua': CONFIG(), 'route.lua': 'return function() return wye.model "sim/fast" end\n', 'rare.lua': ODD }, { demo: true })
  const [body, options] = CLIENTS.chat
  const odd = await chat(w, { model: 'wye/rare', ...body }, options)
  for (let i = 0; i < 60; i++) await chat(w, { model: 'auto', messages: question(`question ${i}`) })
  await w.stop()
  const { findings } = JSON.parse((await run(WYE, ['check', w.dir, '--json', '--trace', join(w.home, 'trace')])).stdout)
  assert.deepEqual(findings.map((f) => [f.route, f.request]), [['rare', odd.headers['x-wye-id']]])
  write(w.dir, { 'route.lua': 'return function(req)\n  if req.prompt == "question 59" then return nil end\n  return wye.model "sim/fast"\nend\n' })
  const newest = JSON.parse((await run(WYE, ['check', w.dir, '--json', '--trace', join(w.home, 'trace')])).stdout)
  assert.deepEqual(newest.findings.map((f) => f.route).sort(), ['rare', 'route'])
})
