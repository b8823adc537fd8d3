// wye.shadow with answers: the rule's decision is answered for nobody, the route's once more beside it, and the client notices nothing: not in bytes, time, money or health.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { join } from 'node:path'
import { chat, question } from '../support/client.mjs'
import { until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { cli, serve } from '../support/wye.mjs'

const USD = 13 / 1e6 // of each answer of the upstream
const names = ['a/good', 'a/mini', 'a/wavers', 'a/hangs', 'a/fails', 'a/calls']
const models = `local good, mini, wavers = wye.model "a/good", wye.model "a/mini", wye.model "a/wavers"
local hangs, fails, calls = wye.model "a/hangs", wye.model "a/fails", wye.model "a/calls"
`
const route = (rule, { options = 'answers = true', primary = 'good', more = '' } = {}) => `${models}
return function(req)
  wye.shadow(function(req) ${rule} end, req, { ${options} })
  ${more}
  return ${primary}, "primary"
end
`
const files = {
  'plain.lua': route('return mini, "cheaper"'),
  'same.lua': route('return good, "the same"'),
  'asks.lua': route('local reply = mini:ask(req) return reply, "asked"'),
  'falls.lua': route('return { fails, mini }, "falls"'),
  'fails.lua': route('return fails'),
  'raises.lua': route('error("not here")'),
  'refuses.lua': route('return wye.refuse(403, "no")'),
  'hangs.lua': route('return hangs'),
  'tools.lua': route('return calls', { primary: 'calls' }),
  'wavers.lua': route('return good', { primary: 'wavers' }),
  'limited.lua': route('return good', { options: 'answers = true, usd = 0.0000001' }),
  'kv.lua': route('return good, tostring(wye.kv.get("n")) .. " " .. wye.kv.add("n")', { more: 'wye.kv.add("n") wye.note("here") wye.metric("m", 1)' }),
  'experiment.lua': `${models}local trial = wye.experiment("trial", { unit = "user", metric = "ok", { "v1", 50, function() return good end }, { "v2", 50, function() return mini end } })
return function(req)
  wye.shadow(function() return good end, req, { answers = true })
  return trial(req)
end
`,
}

let up, w, wavered = 0
before(async () => {
  up = await upstream({
    good: replies.chat('The answer is 4.'),
    mini: replies.chat('the answer IS 4!'),
    wavers: (call, out) => replies.chat(`It may be ${wavered++}`)(call, out),
    hangs: replies.hang(),
    fails: replies.status(500),
    calls: replies.tool('weather', '{"city": "Rome", "days": 2}'),
  })
  const made = project(up, names, files)
  made['wye.lua'] = made['wye.lua'].replaceAll('kind = "openai",', 'kind = "openai", responses = false,')
  w = await serve(made, { args: ['--skip', 'check'] })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

async function decide(name, more = {}, at = w) {
  const reply = await chat(at, { model: `wye/${name}`, messages: question(), ...more })
  assert.equal(reply.status, 200, reply.text)
  return { reply, id: reply.headers['x-wye-id'] }
}

const told = (id, at = w) => until(`the shadow of ${id}`, async () => ((found) => found.shadows.length > 0 && found)(await at.decision(id)))

async function metric(name, at = w) {
  const { text } = await at.ask('/metrics')
  return Number(text.match(new RegExp(`^${name} ([\\d.e-]+)`, 'm'))[1])
}

test('rule and route are answered once the client has its answer, and compared with it', async () => {
  const calls = up.calls.length
  const { id, reply } = await decide('plain')
  assert.equal(reply.json.choices[0].message.content, 'The answer is 4.')
  const record = await told(id)
  const [shadow] = record.shadows
  assert.deepEqual([shadow.answers, shadow.status, shadow.copy_status, shadow.differs, shadow.copy_differs], ['answered', 200, 200, true, false])
  assert.deepEqual([shadow.decision, shadow.primary, shadow.reason], ['a/mini', 'a/good', 'cheaper'])
  assert.deepEqual([shadow.exact, shadow.alike, shadow.overlap], [false, true, 1])
  assert.deepEqual([shadow.copy_exact, shadow.copy_alike, shadow.copy_overlap], [true, true, 1])
  assert.deepEqual([shadow.usd, shadow.copy_usd], [USD, USD])
  assert.ok(shadow.ms > 0 && shadow.copy_ms > 0)
  assert.equal(up.calls.length, calls + 3)
  assert.deepEqual(up.calls.slice(calls).map((c) => c.model).sort(), ['good', 'good', 'mini'])
  assert.ok(up.calls[calls].headers.traceparent, 'the client\'s')
  assert.ok(up.calls.slice(calls + 1).every((c) => !c.headers.traceparent), 'no part of its trace')
})

test('its costs stay apart: in the record, in metrics, of the key and for readers', async () => {
  const before = { attempts: await metric('wye_attempts_total'), usd: await metric('wye_shadow_usd_total'), calls: await metric('wye_shadow_attempts_total'), requests: await metric('wye_requests_total') }
  const { id } = await decide('plain')
  const record = await told(id)
  assert.equal(record.usd, USD)
  assert.deepEqual(record.attempts.map((a) => [a.n, a.purpose, a.served]), [[1, 'serve', true], [2, 'shadow', false], [3, 'shadow', false]])
  assert.deepEqual(record.attempts.map((a) => a.usd), [USD, USD, USD])
  assert.equal(await metric('wye_attempts_total'), before.attempts + 1)
  assert.equal(await metric('wye_requests_total'), before.requests + 1)
  assert.equal(await metric('wye_shadow_attempts_total'), before.calls + 2)
  assert.ok(Math.abs((await metric('wye_shadow_usd_total')) - before.usd - 2 * USD) < 1e-9)
  const by_model = JSON.parse((await w.cli('top', '--by', 'model', '--json')).stdout)
  assert.equal(by_model.rows.find((row) => row.value === 'a/mini'), undefined, 'no request called it')
  assert.equal((await w.trace('-g', 'attempt', '-q', `id == "${id}" and attempt.purpose == shadow`)).length, 2)
  const { stdout } = await w.cli('why', id)
  assert.match(stdout, /Total: 1 attempt, 7 tokens in, 3 out, \$0\.000013/)
  assert.match(stdout, /Shadows\n.*otherwise: a\/mini, cheaper.*\n +answered: 200 in [\d.]+ ms, \$0\.000013, alike; the route again: 200 in [\d.]+ ms, \$0\.000013, exact/)
})

test('a stream is compared by what it said, and its shadow is not streamed', async () => {
  const calls = up.calls.length
  const { id } = await decide('plain', { stream: true, stream_options: { include_usage: true } })
  const [shadow] = (await told(id)).shadows
  assert.deepEqual([shadow.answers, shadow.exact, shadow.alike, shadow.copy_exact], ['answered', false, true, true])
  assert.deepEqual(up.calls.slice(calls).map((c) => [c.json.stream, c.json.stream_options]), [[true, { include_usage: true }], [undefined, undefined], [undefined, undefined]])
})

test('clients of other protocols have their answers compared in them', async () => {
  for (const [path, body] of [['/v1/messages', { max_tokens: 20, messages: question() }], ['/v1/responses', { input: 'hello' }]])
    for (const stream of [false, true]) {
      const reply = await chat(w, { model: 'wye/plain', stream, ...body }, { path })
      assert.equal(reply.status, 200, reply.text)
      const [shadow] = (await told(reply.headers['x-wye-id'])).shadows
      assert.deepEqual([shadow.answers, shadow.alike, shadow.copy_exact], ['answered', true, true], `${path} ${stream}`)
    }
})

test('tools that are called are a part of what an answer says', async () => {
  for (const stream of [false, true]) {
    const { id } = await decide('tools', { stream, tools: [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }] })
    const [shadow] = (await told(id)).shadows
    assert.deepEqual([shadow.answers, shadow.exact, shadow.copy_exact], ['answered', true, true])
  }
})

test('two answers of one rule may differ: that is the noise floor', async () => {
  const { id } = await decide('wavers')
  const [shadow] = (await told(id)).shadows
  assert.deepEqual([shadow.exact, shadow.alike, shadow.copy_exact, shadow.copy_alike], [false, false, false, false])
  assert.ok(Math.abs(shadow.copy_overlap - 0.75) < 1e-12, 'three of four words')
  assert.ok(shadow.overlap < 0.3)
})

test('a shadow asks, falls over to the next model, and refuses', async () => {
  const asked = (await told((await decide('asks')).id)).shadows[0]
  assert.deepEqual([asked.decision, asked.answers, asked.alike, asked.usd, asked.asks], ['reply of a/mini', 'answered', true, USD, null])
  const fell = await told((await decide('falls')).id)
  assert.deepEqual([fell.shadows[0].answers, fell.shadows[0].alike], ['answered', true])
  assert.deepEqual(fell.attempts.map((a) => a.error ?? 'none').sort(), ['none', 'none', 'none', 'server_error'])
  const refused = (await told((await decide('refuses')).id)).shadows[0]
  assert.deepEqual([refused.answers, refused.status, refused.decision, refused.exact], ['failed', 403, 'refuse 403: no', null])
  const raised = (await told((await decide('raises')).id)).shadows[0]
  assert.match(raised.error, /raises\.lua:5: not here/)
  assert.deepEqual([raised.answers, raised.copy_exact], ['failed', true])
})

test('its failures are no news of a model: nothing cools, nothing is retried', async () => {
  for (let i = 0; i < 12; i++) {
    const [shadow] = (await told((await decide('fails')).id)).shadows
    assert.deepEqual([shadow.answers, shadow.status], ['failed', 500])
  }
  assert.match((await w.ask('/metrics')).text, /^wye_model_cooling\{model="a\/fails"\} 0$/m)
  assert.equal(await metric('wye_retries_total'), 0)
  const errors = await metric('wye_script_errors_total')
  await told((await decide('raises')).id)
  assert.equal(await metric('wye_script_errors_total'), errors, 'and no script error of a request')
})

test('it has no hands: wye.kv is read, nobody is exposed, nothing is noted or scored', async () => {
  const one = await told((await decide('kv')).id)
  assert.equal(one.shadows[0].reason, '1 2')
  const two = await told((await decide('kv')).id)
  assert.equal(two.shadows[0].reason, '2 3')
  assert.deepEqual([two.notes.length, two.feedback.length], [1, 1])
  const { id } = await decide('experiment', { user: 'u1' })
  const [shadow] = (await told(id)).shadows
  assert.equal(shadow.copy_differs, false, 'the same arm')
  const { text } = await w.ask('/metrics')
  const exposures = [...text.matchAll(/^wye_experiment_exposures_total\{.*\} (\d+)$/gm)].reduce((sum, m) => sum + Number(m[1]), 0)
  assert.equal(exposures, 1)
})

test('an answer that would cost more than it may is not asked for', async () => {
  const calls = up.calls.length
  const [shadow] = (await told((await decide('limited', { max_tokens: 100 })).id)).shadows
  assert.deepEqual([shadow.answers, shadow.status, shadow.copy_status, shadow.usd], ['failed', 402, 402, 0])
  assert.equal(up.calls.length, calls + 1)
})

test('ab shadows tells how far they agree, beside the noise of the route; ab report of its own', async () => {
  for (let i = 0; i < 10; i++) await told((await decide('plain')).id)
  const { shadows } = JSON.parse((await w.cli('ab', 'shadows', '--json')).stdout)
  const plain = shadows.find((s) => s.line === 'routes/plain.lua:5')
  assert.deepEqual([plain.decisions.alike, plain.failed, plain.undecided], [0, 0, 0])
  assert.ok(plain.decisions.n >= 13 && plain.decisions.low === 0 && plain.decisions.high < 0.6)
  const { exact, alike, usd, decision } = plain.answers
  assert.deepEqual([exact.shadow, exact.again, alike.difference], [0, 1, 0])
  assert.ok(Math.abs(usd.shadow - USD) < 1e-12 && Math.abs(usd.request - USD) < 1e-12)
  assert.deepEqual([decision.shadow, decision.again], [0, 1])
  assert.ok(exact.high < 0 && alike.low < 0 && alike.high > 0)
  const { stdout } = await w.cli('ab', 'shadows', '-q', 'route == plain')
  assert.match(stdout, /^shadow routes\/plain\.lua:5, rule (?!0{16})[0-9a-f]{16}\n  decisions  compared  alike/)
  assert.match(stdout, /\n  exact +\d+ +0 +1 +-1 +-\S+ +-\S+ *\n/)
  assert.ok(!stdout.includes('wavers'))
  await told((await decide('experiment', { user: 'u2' })).id)
  const report = JSON.parse((await w.cli('ab', 'report', 'trial', '--json')).stdout)
  assert.deepEqual(report.shadows.map((s) => [s.line, s.shadows, s.answers.n]), [['routes/experiment.lua:5', 2, 2]])
  assert.match((await w.cli('ab', 'report', 'trial')).stdout, /shadow routes\/experiment\.lua:5/)
  assert.deepEqual(report.versions[0].arms.map((a) => a.means.tokens).filter((n) => n !== undefined && n !== null && n !== 10), [], 'without the tokens of shadows')
})

test('a request that was not answered has nothing to compare with', async () => {
  const reply = await chat(w, { model: 'wye/plain', messages: question(), max_tokens: 5 }, { headers: { 'x-none': '1' } })
  assert.equal(reply.status, 200)
  up.models.good = replies.status(400)
  const failed = await chat(w, { model: 'wye/plain', messages: question() })
  up.models.good = replies.chat('The answer is 4.')
  assert.equal(failed.status, 400)
  const [shadow] = (await told(failed.headers['x-wye-id'])).shadows
  assert.deepEqual([shadow.answers, shadow.decision, shadow.status], ['the request got no answer', 'a/mini', null])
})

test('what is spent a day is bounded over all workers', async () => {
  const made = project(up, names, files)
  made['wye.lua'] = made['wye.lua'].replace('direct = true', `direct = true, limits = { shadow_usd = ${1.5 * USD} }`)
  const mine = await serve(made, { workers: 2, args: ['--skip', 'check'] })
  const outcomes = []
  for (let i = 0; i < 4; i++) outcomes.push((await told((await decide('plain', {}, mine)).id, mine)).shadows[0])
  assert.deepEqual(outcomes.map((s) => s.answers), ['answered', ...Array(3).fill('limits.shadow_usd is spent')])
  assert.ok(outcomes.every((s) => s.decision === 'a/mini' && s.differs), 'they decide all the same')
  assert.equal(await metric('wye_shadow_answers_dropped_total', mine), 3)
  assert.ok(Math.abs((await metric('wye_shadow_usd_total', mine)) - 2 * USD) < 1e-9)
  await mine.stop()
})

test('shadows that hang delay no request, are bounded, and end with the server', async () => {
  const mine = await serve(project(up, names, files), { args: ['--skip', 'check'] })
  const bare = await decide('same', {}, mine)
  await told(bare.id, mine)
  const times = []
  for (let i = 0; i < 60; i++) {
    const began = performance.now()
    const { reply } = await decide('hangs', {}, mine)
    times.push(performance.now() - began)
    assert.equal(reply.text, bare.reply.text)
  }
  times.sort((a, b) => a - b)
  assert.ok(times[57] < 250, `p95 ${times[57]} ms`)
  assert.ok((await metric('wye_shadow_answers_dropped_total', mine)) >= 40, 'two run and sixteen wait')
  assert.equal(up.calls.filter((c) => c.model === 'hangs' && !c.gone).length, 2)
  const dropped = (await mine.trace('-q', 'shadow.answers == "too many wait"'))[0].shadows[0]
  assert.equal(dropped.decision, 'a/hangs', 'those only decide')
  const began = Date.now()
  await mine.stop()
  assert.ok(Date.now() - began < 5000, `${Date.now() - began} ms`)
  assert.equal(mine.child.exitCode, 0)
  await until('its calls to end', () => up.calls.every((c) => c.model !== 'hangs' || c.gone))
  const left = (await cli(['trace', '--json', '--trace', join(mine.home, 'trace'), '-q', 'shadow.answers == "the server stops"'])).stdout
  assert.equal(left.split('\n').filter(Boolean).length, 2)
})

test('a reload and a worker that dies lose no request, and no record', async () => {
  const mine = await serve(project(up, names, files), { args: ['--skip', 'check'] })
  const first = await decide('hangs', {}, mine)
  await until('its calls', () => up.calls.some((c) => c.model === 'hangs' && !c.gone))
  mine.write({ 'plain.lua': files['plain.lua'].replace('cheaper', 'dearer') })
  assert.equal((await mine.cli('reload', '--skip', 'check')).code, 0)
  assert.equal((await told((await decide('plain', {}, mine)).id, mine)).shadows[0].reason, 'dearer')
  const [worker] = await mine.workers()
  mine.kill(worker.pid)
  await until('another worker', async () => (await mine.workers())[0].pid !== worker.pid)
  const { id } = await until('an answer', () => decide('plain', {}, mine).catch(() => undefined))
  assert.equal((await told(id, mine)).shadows[0].answers, 'answered')
  assert.equal((await mine.decision(first.id)).shadows.length, 0, 'it was not over')
  await mine.stop()
})
