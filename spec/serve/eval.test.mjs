// wye eval: sets through routes, grading, judges, budgets, going on, baselines, recorded replies, and what a wrong set is told.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ROOT, WYE, run, start, until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { place, write } from '../support/wye.mjs'

let up
const asked = (call) => call.json.messages.at(-1).content
before(async () => {
  up = await upstream({
    // Knows two things; a request for something else gets an error.
    clever: (call, out) => {
      const text = { capital: 'It is Lisbon.', sum: 'That makes $1,391.50 in all', json: '{"n": 1}' }[asked(call)]
      return (text ? replies.chat(text) : replies.status(500))(call, out)
    },
    // Agrees with what contains "Lisbon".
    judge: (call, out) => {
      const { answer } = JSON.parse(asked(call))
      return replies.chat(JSON.stringify({ reason: 'looked', verdict: answer.includes('Lisbon') ? 'pass' : 'fail' }))(call, out)
    },
  })
})
after(() => up.stop())

const lines = (cases) => cases.map((c) => JSON.stringify(c) + '\n').join('')
const made = (sets, files = {}) => {
  const evals = Object.fromEntries(Object.entries(sets).map(([route, cases]) => [`evals/${route}.jsonl`, typeof cases === 'string' ? cases : lines(cases)]))
  return place(project(up, ['a/clever', 'b/judge'], { ...files, ...evals }))
}
const evaluate = ({ home }, ...args) => run(WYE, ['eval', ...args], { cwd: home })
const report = async (p, ...args) => {
  const { code, stdout, stderr } = await evaluate(p, '--json', ...args)
  assert.ok(stdout, stderr)
  return { code, stderr, ...JSON.parse(stdout) }
}
const verdicts = (r) => Object.fromEntries(r.routes[0].results.map((c) => [c.id, c.verdict === 'failed' ? `failed: ${c.expectation}` : c.verdict]))

test('every kind of expectation can hold and can fail', async () => {
  const p = made({
    route: [
      { id: 'exact', prompt: 'capital', expect: { exact: ['Porto.', 'It is Lisbon. '] } },
      { id: 'not-exact', prompt: 'capital', expect: { exact: 'Lisbon' } },
      { id: 'contains', prompt: 'capital', expect: { contains: ['It', 'Lisbon'] } },
      { id: 'not-contains', prompt: 'capital', expect: { contains: ['It', 'Porto'] } },
      { id: 'regex', prompt: 'capital', expect: { regex: '(?i)lisbon\\.$' } },
      { id: 'not-regex', prompt: 'capital', expect: { regex: '^Lisbon' } },
      { id: 'numeric', prompt: 'sum', expect: { numeric: { value: 1391, tolerance: 0.5 } } },
      { id: 'not-numeric', prompt: 'sum', expect: { numeric: 1391 } },
      { id: 'schema', prompt: 'json', expect: { schema: 'schemas/n.json' } },
      { id: 'not-schema', prompt: 'json', expect: { schema: { type: 'object', required: ['m'] } } },
      { id: 'model', prompt: 'capital', expect: { model: ['a/clever'] } },
      { id: 'not-model', prompt: 'capital', expect: { model: 'b/judge' } },
      { id: 'lua', prompt: 'capital', expect: { lua: 'return reply.text:find("Lisbon") and req.prompt == "capital" and reply.model == "a/clever"' } },
      { id: 'lua-function', prompt: 'capital', expect: { lua: 'return function(reply, req) return #reply.text > 99, "too short" end' } },
      { id: 'lua-raises', prompt: 'capital', expect: { lua: 'return reply.txt == "x"' } },
      { id: 'judge', prompt: 'capital', expect: { judge: { criterion: 'names Lisbon', model: 'b/judge' } } },
      { id: 'not-judge', prompt: 'sum', expect: { judge: { criterion: 'names Lisbon', model: 'b/judge' } } },
      { id: 'both', prompt: 'capital', expect: { contains: 'Lisbon', model: 'b/judge' } },
      { id: 'error', prompt: 'what?', expect: { contains: 'x' } },
    ],
  }, { 'schemas/n.json': '{"type":"object","required":["n"]}' })
  const r = await report(p)
  assert.deepEqual(verdicts(r), {
    exact: 'passed', 'not-exact': 'failed: exact', contains: 'passed', 'not-contains': 'failed: contains', regex: 'passed', 'not-regex': 'failed: regex',
    numeric: 'passed', 'not-numeric': 'failed: numeric', schema: 'passed', 'not-schema': 'failed: schema', model: 'passed', 'not-model': 'failed: model',
    lua: 'passed', 'lua-function': 'failed: lua', 'lua-raises': 'failed: lua', judge: 'passed', 'not-judge': 'failed: judge', both: 'failed: model', error: 'failed: answer',
  })
  const [whole] = r.routes
  const by_id = Object.fromEntries(whole.results.map((c) => [c.id, c]))
  assert.match(by_id['lua-function'].why, /too short/)
  assert.match(by_id['lua-raises'].why, /txt.* \(called from routes\/evals\/route\.jsonl:\d+\)$/)
  assert.match(by_id['not-judge'].why, /looked/)
  assert.equal(by_id['not-exact'].file, 'routes/evals/route.jsonl')
  assert.equal(by_id['not-exact'].line, 2)
  assert.deepEqual([r.code, whole.passed, whole.failed, whole.complete], [0, 8, 11, true])
  // 8 of 19, Wilson: computed by hand from the formula.
  assert.ok(Math.abs(whole.low - 0.2314) < 1e-3 && Math.abs(whole.high - 0.6372) < 1e-3, `${whole.low} ${whole.high}`)
  // 7 tokens in, 3 out, at 1 and 2 dollars a million.
  assert.ok(Math.abs(by_id.exact.usd - 13e-6) < 1e-12)
  assert.ok(Math.abs(whole.judge_usd - 26e-6) < 1e-12)
})

test('by model and by tag; the report for people names the case and the line of the route', async () => {
  const p = made({
    route: [
      { id: 'a', prompt: 'capital', expect: { contains: 'Lisbon' }, tags: ['geo', 'easy'] },
      { id: 'b', prompt: 'sum', expect: { contains: 'Lisbon' }, tags: ['easy'] },
    ],
  })
  const r = await report(p, 'route')
  assert.deepEqual(r.routes[0].models.map((m) => [m.model, m.cases, m.passed]), [['a/clever', 2, 1]])
  assert.deepEqual(r.routes[0].tags.map((t) => [t.tag, t.cases, t.passed]), [['geo', 1, 1], ['easy', 2, 1]])
  const { stdout } = await evaluate(p, 'routes/route.lua')
  assert.match(stdout, /^FAIL routes\/evals\/route\.jsonl:2: b: contains: expected what contains "Lisbon", got 'That makes/m)
  assert.match(stdout, /served by a\/clever because script: only, at routes\/route\.lua:1/)
})

test('a baseline: broken cases are a regression, by the paired test', async () => {
  const cases = Array.from({ length: 6 }, (_, i) => ({ id: `c${i}`, prompt: 'capital', expect: { contains: 'Lisbon' } }))
  const p = made({ route: cases })
  const saved = await report(p, '--save')
  assert.equal(saved.code, 0)
  const same = await report(p)
  assert.deepEqual([same.code, same.routes[0].baseline.compared, same.routes[0].baseline.broken], [0, 6, 0])
  write(p.dir, { 'route.lua': 'return function() return wye.model "b/judge", "worse" end\n' })
  up.models.judge = replies.chat('no idea')
  const worse = await report(p)
  assert.deepEqual([worse.code, worse.regressed, worse.routes[0].baseline.broken], [1, true, 6])
  assert.deepEqual([worse.error, same.error], [{ message: 'worse than the baseline' }, undefined])
  assert.ok(Math.abs(worse.routes[0].baseline.p - 1 / 64) < 1e-9)
  assert.match(worse.stderr, /worse than the baseline/)
  // One of six may be chance where models answer; where answers are recorded it is none.
  const kept = lines(cases.map((c, i) => ({ id: c.id, text: i === 3 ? 'Porto' : 'Lisbon' })))
  write(p.home, { 'kept.jsonl': kept })
  write(p.home, { 'all.jsonl': lines(cases.map((c) => ({ id: c.id, text: 'Lisbon' }))) })
  assert.equal((await report(p, '--replies', 'all.jsonl', '--save')).code, 0)
  const recorded = await report(p, '--replies', 'kept.jsonl')
  assert.deepEqual([recorded.code, recorded.routes[0].baseline.broken], [1, 1])
  assert.ok(recorded.routes[0].baseline.p === 0.5)
})

test('cases without an answer are no baseline, and a run of nothing else fails', async () => {
  const failing = { id: 'b', prompt: 'what?', expect: { contains: 'x' } }
  const p = made({ route: [{ id: 'a', prompt: 'capital', expect: { contains: 'Lisbon' } }, failing] })
  const baseline = join(p.dir, 'evals/route.baseline.json')
  up.models.clever = (call, out) => (asked(call) === 'capital' ? replies.chat('Lisbon') : replies.status(500))(call, out)
  assert.equal((await report(p)).code, 0)
  const refused = await evaluate(p, '--save')
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /route: 1 of 2 cases ended without an answer, the first of them 'b': status 50\d: .*; no baseline was saved/)
  assert.ok(!existsSync(baseline))
  const none = await report(made({ route: [failing] }))
  assert.equal(none.code, 1)
  assert.match(none.error.message, /^route: no case was answered, the first of them 'b': status 50\d: /)
  assert.match(none.stderr, /no case was answered/)
})

test('a baseline is compared with what answered as it did, and with cases that it knows', async () => {
  up.models.clever = replies.chat('Lisbon')
  const p = made({ route: [{ id: 'a', prompt: 'capital', expect: { contains: 'Lisbon' } }] })
  const baseline = join(p.dir, 'evals/route.baseline.json')
  assert.equal((await report(p, '--save')).code, 0)
  assert.equal(JSON.parse(readFileSync(baseline, 'utf8')).answered_by, "the project's providers")
  const others = await report(p, '--demo')
  assert.deepEqual([others.code, others.routes[0].baseline.compared, others.routes[0].baseline.answered_by_others], [0, 0, "the project's providers"])
  assert.match((await evaluate(p, '--demo')).stdout, /the baseline was answered by the project's providers: compared with nothing; --save replaces it/)
  // Written before baselines said who answered.
  write(p.dir, { 'evals/route.baseline.json': readFileSync(baseline, 'utf8').replace(/"answered_by":"[^"]*",/, '') })
  assert.equal((await report(p, '--demo')).routes[0].baseline.compared, 1)
  write(p.dir, { 'evals/route.jsonl': lines([{ id: 'new', prompt: 'other', expect: { contains: 'Lisbon' } }]) })
  const { stdout } = await evaluate(p)
  assert.match(stdout, /the baseline has no graded case in common/)
  assert.doesNotMatch(stdout, /then/)
})

test('recorded replies: no request is made, the same each time', async () => {
  const p = made({ route: [{ id: 'a', prompt: 'capital', expect: { contains: 'Lisbon' } }, { id: 'b', prompt: 'sum', expect: { numeric: 2 } }] })
  await report(p)
  const [kept] = readdirSync(join(p.dir, '.wye/state/evals'))
  const calls = up.calls.length
  const once = await report(p, '--replies', join('routes/.wye/state/evals', kept))
  const twice = await report(p, '--replies', join('routes/.wye/state/evals', kept))
  assert.equal(up.calls.length, calls)
  const results = (r) => r.routes[0].results
  assert.deepEqual(results(once), results(twice))
  assert.deepEqual(results(once).map((c) => [c.verdict, c.model]), [['passed', 'a/clever'], ['failed', 'a/clever']])
})

test('recorded replies go through the route: another rule, other outcomes, without a request', async () => {
  const cascade = (good) => `local first, second = wye.model "a/clever", wye.model "b/judge"
return function(req)
  local reply, err = first:ask(req)
  if not reply then return second, err.kind end
  if ${good} then return reply, "kept" end
  return { second, first }, "climbed"
end
`
  up.models.clever = replies.chat('short')
  up.models.judge = replies.chat('a long answer')
  const p = made({ route: ['x', 'y'].map((id) => ({ id, prompt: id, expect: { contains: 'long' } })) }, { 'route.lua': cascade('#reply.text > 9') })
  const live = await report(p)
  assert.deepEqual([live.routes[0].passed, live.routes[0].results[0].model], [2, 'b/judge'])
  const [kept] = readdirSync(join(p.dir, '.wye/state/evals')), file = join('routes/.wye/state/evals', kept)
  const calls = up.calls.length
  const same = await report(p, '--replies', file)
  const facts = (r) => r.routes[0].results.map((c) => [c.id, c.verdict, c.model, c.cause, c.reason, c.at, c.usd.toFixed(9)])
  assert.deepEqual(facts(same), facts(live))
  write(p.dir, { 'route.lua': cascade('#reply.text > 2') })
  const other = await report(p, '--replies', file)
  assert.deepEqual(other.routes[0].results.map((c) => [c.verdict, c.model, c.reason]), Array(2).fill(['failed', 'a/clever', 'kept']))
  assert.ok(other.routes[0].usd < same.routes[0].usd)
  // Written by hand: a failure, and what nobody recorded.
  const by_hand = [{ id: 'x', model: 'a/clever', error: 'timeout' }, { id: 'x', model: 'b/judge', text: 'long' }, { id: 'y', model: 'b/judge', text: 'long' }]
  write(p.home, { 'hand.jsonl': lines(by_hand), 'bad.jsonl': lines([{ id: 'x', error: 'time' }]) })
  const hand = await report(p, '--replies', 'hand.jsonl')
  assert.deepEqual(hand.routes[0].results.map((c) => [c.id, c.verdict, c.reason]), [['x', 'passed', 'timeout']])
  assert.equal(hand.complete, false)
  assert.match(hand.stderr, /1 of 2 cases want an answer that is not recorded, the first of them 'y': a\/clever has no answer/)
  assert.match((await evaluate(p, '--replies', 'bad.jsonl')).stderr, /bad\.jsonl:1: field 'error'/)
  assert.equal(up.calls.length, calls)
})

test('a run that stops at its budget or at Ctrl-C goes on where it stopped', async () => {
  const cases = Array.from({ length: 30 }, (_, i) => ({ id: `c${i}`, prompt: 'capital', expect: { contains: 'Lisbon' } }))
  const p = made({ route: cases })
  const first = await report(p, '--usd', '0.0001', '--parallel', '1')
  assert.deepEqual([first.code, first.complete], [1, false])
  assert.equal(first.routes[0].cases, 8) // 13 millionths each: the eighth passes the budget
  assert.match(first.stderr, /the same command goes on/)
  const before = up.calls.length
  up.models.clever = replies.chat('Lisbon', { gap: 50 })
  const child = start(WYE, ['eval', '--parallel', '2'], { cwd: p.home })
  await until('two more answers', () => up.calls.length >= before + 4)
  child.kill('SIGINT')
  assert.equal((await child.ended).code, 130)
  const stopped = up.calls.length - before
  assert.ok(stopped < 22, `${stopped}`)
  up.models.clever = replies.chat('Lisbon')
  const last = await report(p)
  assert.deepEqual([last.complete, last.routes[0].cases, up.calls.length - before], [true, 30, 22])
})

test('a time budget ends what is under way', async () => {
  up.models.clever = replies.hang()
  const p = made({ route: [{ id: 'a', prompt: 'x', expect: { contains: 'y' } }] })
  const r = await report(p, '--seconds', '0.5')
  assert.deepEqual([r.code, r.complete, r.routes[0].cases], [1, false, 0])
})

test('what is wrong with a set is told by file, line, field and the near name', async () => {
  const good = '{"id":"a","prompt":"x","expect":{"contains":"y"}}\n'
  const wrong = {
    '{"id":"b","prompt":"x","expect":{"contians":"y"}}': /:2: unknown field 'expect\.contians' \(did you mean 'contains'\?\)/,
    '{"id":"b","promt":"x","expect":{"contains":"y"}}': /:2: unknown field 'promt' \(did you mean 'prompt'\?\)/,
    '{"id":"a","prompt":"x","expect":{"contains":"y"}}': /:2: the id 'a' is that of line 1 too/,
    '{"id":"b","expect":{"contains":"y"}}': /:2: field 'prompt' .* is missing/,
    '{"id":"b","prompt":"x"}': /:2: field 'expect'/,
    '{"id":"b","prompt":"x","expect":{}}': /:2: field 'expect' is empty/,
    '{"id":"b","prompt":"x","expect":{"regex":"("}}': /:2: expect\.regex: missing closing parenthesis/,
    '{"id":"b","prompt":"x","expect":{"schema":{"type":"strin"}}}': /:2: expect\.schema: .*'strin'/,
    '{"id":"b","prompt":"x","expect":{"schema":"schemas/none.json"}}': /:2: expect\.schema: cannot read routes\/schemas\/none\.json/,
    '{"id":"b","prompt":"x","expect":{"model":"a/clevr"}}': /:2: expect\.model: the project has no model 'a\/clevr' \(did you mean 'a\/clever'\?\)/,
    '{"id":"b","prompt":"x","expect":{"lua":"return ("}}': /routes\/evals\/route\.jsonl:2: expect\.lua: /,
    '{"id":"b","prompt":"x","expect":{"numeric":{"valeu":1}}}': /:2: unknown field 'expect\.numeric\.valeu' \(did you mean 'value'\?\)/,
    '{"id":"b","request":{"messages":[]},"expect":{"contains":"y"}}': /:2: field 'request': .*messages/,
    '{"id":"b","request":{"model":"x","messages":[{"role":"user","content":"x"}]},"expect":{"contains":"y"}}': /:2: field 'request\.model'/,
    '{"id": oops}': /:2: no valid JSON/,
    [`{"id":"b","prompt":"${'x'.repeat(1 << 20)}"}`]: /:2: the line is longer than 512 KiB/,
  }
  for (const [line, words] of Object.entries(wrong)) {
    const { code, stderr } = await evaluate(made({ route: good + line + '\n' }))
    assert.equal(code, 1, line.slice(0, 80))
    assert.match(stderr, words)
  }
  assert.match((await evaluate(made({ route: '\n' }))).stderr, /routes\/evals\/route\.jsonl holds no case/)
  assert.match((await evaluate(made({ route: good }), 'rout')).stderr, /no route 'rout' \(did you mean 'route'\?\)/)
  assert.match((await evaluate(made({}))).stderr, /no eval set/)
  assert.equal((await evaluate(made({ route: good }), '--usd', 'much')).code, 2)
})

test('the shipped sets pass with the simulator', async () => {
  const { home } = made({})
  const { code, stdout } = await run(WYE, ['eval', join(ROOT, 'routes'), '--demo', '--json', '--state', join(home, 'state')])
  const r = JSON.parse(stdout)
  assert.equal(code, 0)
  const sets = readdirSync(join(ROOT, 'routes/evals')).filter((name) => name.endsWith('.jsonl')).map((name) => name.replace('.jsonl', ''))
  assert.deepEqual(r.routes.map((x) => x.route), sets.sort())
  for (const x of r.routes) {
    assert.ok(x.complete && x.passed > 0)
    for (const c of x.results) assert.notEqual(c.verdict, 'failed', `${x.route} ${c.id}: ${c.why}`)
  }
  assert.ok(existsSync(join(home, 'state/evals')))
  assert.ok(!readFileSync(join(ROOT, 'routes/wye.lua'), 'utf8').includes('eval-judge'))
})

test('the frontier of a weak and a strong model, and where the route stands', async () => {
  // The strong model knows all, the weak one what is easy; the route sends what is hard to the strong one, and one question too many.
  const knows = (what) => (call, out) => replies.chat(what(asked(call)) ? 'right' : 'wrong')(call, out)
  Object.assign(up.models, { clever: knows(() => true), judge: knows((text) => text.startsWith('easy')) })
  const prompts = ['easy 1', 'easy 2', 'easy but long', 'hard 1', 'hard 2']
  const route = `local weak, strong = wye.model "b/judge", wye.model "a/clever"
return function(req) return (req.prompt:find("hard") or req.prompt:find("long")) and strong or weak, "by difficulty" end
`
  const p = made({ route: [...prompts.map((prompt) => ({ id: prompt, prompt, expect: { exact: 'right' } })), { id: 'm', prompt: 'x', expect: { model: 'b/judge' } }] }, { 'route.lua': route })
  const r = await report(p, '--frontier', '--weak', 'b/judge', '--strong', 'a/clever')
  const { frontier } = r.routes[0]
  assert.deepEqual([frontier.cases, frontier.route.share, frontier.route.quality], [5, 0.6, 1])
  const { weak, strong, curve, matching } = frontier.measured
  assert.deepEqual([weak, strong], [0.6, 1])
  // Three leave for the strong model in no order among themselves; two of them gain.
  const at = (share) => curve.find(([s]) => s === share)[1]
  assert.ok(Math.abs(at(0.3) - 0.8) < 1e-6 && Math.abs(at(0.6) - 1) < 1e-6 && Math.abs(at(1) - 1) < 1e-6)
  assert.ok(matching.value > 0.59 && matching.value <= 0.6)
  const { code, stderr } = await evaluate(p, '--frontier', '--weak', 'b/jugde')
  assert.equal(code, 1)
  assert.match(stderr, /--weak: the project has no model 'b\/jugde' \(did you mean 'b\/judge'\?\)/)
})

test('the frontier of a trained router over data', async () => {
  const { home } = made({})
  const pairs = (seed) => lines(Array.from({ length: 200 }, (_, i) => {
    const is_hard = (i * 7 + seed) % 3 === 0
    return { text: `${is_hard ? 'prove the theorem' : 'say hello'} ${i + seed}`, weak: is_hard ? 0 : 1, strong: 1 - ((i + seed) % 50 === 0) }
  }))
  write(home, { 'train.jsonl': pairs(0), 'test.jsonl': pairs(1000) })
  assert.equal((await run(WYE, ['train', '--pairs', 'train.jsonl', '-o', 'r.model'], { cwd: home })).code, 0)
  const { code, stdout } = await run(WYE, ['eval', '--frontier', 'test.jsonl', '--router', 'r.model', '--json'], { cwd: home })
  const f = JSON.parse(stdout)
  assert.equal(code, 0)
  assert.ok(f.apgr.value > 0.7 && f.cpt50.value < 0.25 && f.curve.length === 21, stdout)
  assert.equal((await run(WYE, ['eval', '--frontier', 'test.jsonl'], { cwd: home })).code, 2)
  assert.match((await run(WYE, ['eval', '--frontier', 'test.jsonl', '--router', 'train.jsonl'], { cwd: home })).stderr, /train\.jsonl/)
})

test('wye check reads the sets', async () => {
  const p = made({ route: '{"id":"b","prompt":"x","expect":{"lua":"return ("}}\n' })
  const { code, stdout } = await run(WYE, ['check', '--json'], { cwd: p.home })
  const [finding] = JSON.parse(stdout).findings
  assert.deepEqual([code, finding.file, finding.line], [1, 'routes/evals/route.jsonl', 1])
  assert.match(finding.message, /expect\.lua/)
})
