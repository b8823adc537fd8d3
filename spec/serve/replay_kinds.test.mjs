// Whatever a rule leans on, and whatever its client speaks: the same rules over their own record decide the same.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { WYE, run, until } from '../support/process.mjs'
import { SIM } from '../support/replay_project.mjs'
import { cli, place, serve, sim, write } from '../support/wye.mjs'

const MODELS = 'local fast, smart, flaky = wye.model "p/fast", wye.model "p/smart", wye.model "p/flaky"\n'
const route = (body, before = '') => `${MODELS}${before}return function(req)\n${body}\nend\n`
const ROUTES = {
  gather: route(`  local drafts, errors = wye.gather({ flaky, fast, smart, flaky }, req, { n = 2, timeout = 5 })
  if #drafts == 0 then return { fast, smart }, errors[1].kind end
  return drafts[#drafts], #drafts .. " of " .. drafts[1].model .. " " .. #drafts[1].text`),
  first: route(`  local reply, err = wye.first({ flaky, smart, fast }, req, { hedge = 0.002, timeout = 5 })
  if not reply then return fast, err.kind end
  return reply, reply.model .. " " .. reply.ms`),
  hedged: route(`  local reply = wye.first({ smart, fast }, req, { hedge = "p95" })
  return reply or fast`),
  pick: route(`  local drafts = wye.gather({ fast, flaky }, req)
  if #drafts == 0 then return smart, "none" end
  local pick, err = smart:pick(req, drafts, { swap = true, timeout = 5 })
  if not pick then return drafts[1], err.kind end
  return drafts[pick.index], "picked " .. pick.index .. " " .. tostring(pick.reason)`),
  labels: route(`  local label, p = flaky:classify(req.prompt, { "code", "chat", "math" }, { timeout = 5 })
  if not label then return smart, p.kind end
  return label == "code" and smart or fast, label .. " " .. tostring(p)`),
  near: route(`  local label, p, known, near = faq(req.prompt)
  return label == "food" and smart or fast, ("%s %.9f %.9f %d"):format(label, p, known, near and #near or 0)`, 'local faq = wye.similar "faq"\n'),
  intent: route(`  local label, p = intent(req.prompt)
  return label == "food" and smart or fast, label .. " " .. p`, 'local intent = wye.classifier "intent"\n'),
  state: route(`  local n = wye.kv.add("n:" .. req.prompt, 1)
  wye.kv.set("last", n % 2 == 0)
  if wye.kv.get("last") and wye.kv.expire("last", 60) then return smart, "even " .. n end
  return fast, tostring(wye.kv.delete("last")) .. " " .. tostring(wye.kv.get("nothing"))`),
  chance: route(`  if wye.random() < 0.5 then return smart:with { temperature = wye.random() }, "drawn " .. wye.random(6) end
  return { fast, smart }, "not drawn " .. wye.random(10, 20)`),
  clock: route('  return math.floor(wye.now() * 1e6) % 2 == 0 and fast or smart, ("%.6f %.6f"):format(wye.now(), wye.now())'),
  trial: route('  return trial(req)', `local inner = wye.experiment("inner", { unit = "request", { "x", 50, function() return fast, "x" end }, { "y", 50, function() return { fast, smart }, "y" end } })
local trial = wye.experiment("outer", { unit = "user", { "a", 50, function(req) return inner(req) end }, { "b", 50, function(req) return smart, "b" end } })
`),
  bandit: `${MODELS}local trial = wye.experiment("bandit", { unit = "request", metric = "ok", bandit = 1,
  { "v1", 50, function() return fast end },
  { "v2", 50, function() return smart end },
})
return { route = function(req) return trial(req) end, after = function(o) wye.metric("ok", o.served == "p/smart") end }
`,
  shadowed: route('  wye.shadow(rule, req)\n  return fast, "primary"', 'local function rule() return smart, "shadow" end\n'),
  fields: route(`  local seen = { req.id, tostring(req.user), tostring(req.conversation), req.prompt, #req.messages, req.tokens, tostring(req.has_image), tostring(req.has_tools), tostring(req.stream), req.model }
  return fast, table.concat(seen, "|")`),
}
const CLIENTS = {
  chat: (n) => [{ user: `u-${n % 9}`, messages: question(`cheese on bread ${n % 4}`) }, {}],
  streamed: (n) => [{ stream: true, messages: question(`a pointer ${n % 4}`) }, { headers: { 'x-wye-conversation': `c-${n % 5}` } }],
  messages: (n) => [{ max_tokens: 20, system: 'Be brief.', metadata: { user_id: `u-${n % 9}` }, messages: question(`soup ${n % 4}`) }, { path: '/v1/messages' }],
  responses: (n) => [{ input: [{ role: 'user', content: [{ type: 'input_text', text: `function ${n % 4}` }] }], safety_identifier: `u-${n % 9}` }, { path: '/v1/responses' }],
  embeddings: (n) => [{ input: [`cheese ${n % 4}`, 'bread'], user: `u-${n % 9}` }, { path: '/v1/embeddings' }],
}
const EACH = 12

let w, models
before(async () => {
  models = await sim({ script: SIM })
  const config = `return { providers = { p = { kind = "openai", base_url = "${models.url}/v1" } }, models = { ["p/fast"] = {}, ["p/smart"] = {}, ["p/flaky"] = {} }, default = "p/fast", capture = { share = 1 } }\n`
  const at = place({ 'wye.lua': config, 'route.lua': route('  return fast'), ...Object.fromEntries(Object.entries(ROUTES).map(([name, text]) => [`${name}.lua`, text])) })
  mkdirSync(join(at.dir, 'classifiers'))
  const rows = ['pointer', 'function', 'compile'].map((word) => [word, 'code']).concat(['soup', 'bread', 'cheese'].map((word) => [word, 'food']))
  write(at.home, { 'rows.jsonl': rows.flatMap(([word, label]) => [1, 2, 3, 4].map((n) => JSON.stringify({ text: `${word} on ${'the '.repeat(n)}table`, label }) + '\n')).join('') })
  for (const [option, file] of [[[], 'intent.model'], [['--similar'], 'faq.similar']])
    assert.equal((await cli(['train', ...option, join(at.home, 'rows.jsonl'), '-o', join(at.dir, 'classifiers', file)])).code, 0)
  w = await serve(at, { workers: 2, args: ['--skip', 'check'] })
  const jobs = Object.keys(ROUTES).flatMap((name) => Object.values(CLIENTS).flatMap((client) => Array.from({ length: EACH }, (_, n) => [name, ...client(n)])))
  const work = async () => {
    for (let job; (job = jobs.pop());) assert.ok((await chat(w, { model: `wye/${job[0]}`, ...job[1] }, job[2])).status)
  }
  await Promise.all(Array.from({ length: 12 }, work))
})
after(async () => {
  await w?.stop()
  await models?.stop()
})

async function replay(...args) {
  const { code, stdout, stderr } = await run(WYE, ['replay', w.dir, ...args, '--json', '--trace', join(w.home, 'trace')])
  return { code, stderr, ...JSON.parse(stdout || '{}') }
}

for (const name of Object.keys(ROUTES))
  test(`${name}: 0 differences`, async () => {
    const count = EACH * Object.keys(CLIENTS).length
    const r = await replay('--route', name)
    assert.deepEqual(r.changes, [])
    assert.deepEqual([r.code, r.replayed, r.reworded], [0, count, 0], JSON.stringify(r.skipped) + r.stderr)
    const all = await w.trace('-q', `route == ${name} and captured == true`)
    assert.deepEqual([...new Set(all.map((d) => d.api))].sort(), ['chat', 'embeddings', 'messages', 'responses'])
    const outcomes = new Set(all.map((d) => `${d.reason} ${d.served}`))
    assert.ok(outcomes.size > 1 || name === 'shadowed' || name === 'hedged', [...outcomes].join(', '))
  })

test('a bandit whose weights have moved since: 0 differences', async () => {
  const weights = async () => JSON.parse((await w.cli('ab', 'list', '--json')).stdout).experiments.find((x) => x.name === 'bandit')
  for (let i = 0; i < 100; i++) await chat(w, { model: 'wye/bandit', messages: question() })
  await until('the next period', async () => (await weights()).origin === 'bandit')
  for (let i = 0; i < 20; i++) await chat(w, { model: 'wye/bandit', messages: question() })
  const r = await replay('--route', 'bandit')
  assert.deepEqual([r.changed, r.reworded, r.replayed], [0, 0, EACH * 5 + 120])
})

test('decisions of every kind saved as specs pass on the same rules, at any time', async () => {
  const saved = []
  for (const name of Object.keys(ROUTES)) {
    const all = await w.trace('-q', `route == ${name} and captured == true`)
    const by_outcome = new Map(all.map((d) => [`${d.api} ${d.served} ${d.attempts.map((a) => `${a.model} ${a.completion}`)}`, d.id]))
    saved.push(...[...by_outcome.values()].slice(0, 12))
  }
  for (const id of saved) {
    const { code, stderr } = await w.cli('trace', 'save', id, w.dir)
    assert.equal(code, 0, stderr)
  }
  const { code, stdout } = await run(WYE, ['test', w.dir, '--json'])
  const { successes, failures, errors } = JSON.parse(stdout)
  assert.deepEqual([...failures, ...errors].map((f) => [f.name, f.message]).slice(0, 3), [])
  assert.deepEqual([code, successes.length], [0, saved.length])
})
