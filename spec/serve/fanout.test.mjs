// What asks several models, or asks in a special way: the overrides of model:ask, gather, first, classify, pick.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chat, chat_and_leave, question } from '../support/client.mjs'
import { SLOW, until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const MODELS = ['good', 'one', 'two', 'three', 'slow', 'hang', 'busy', 'bad', 'judge', 'label']

const routes = {
  'asks.lua': `local one = wye.model "a/one"
return function(req)
  local how = req.metadata and req.metadata.how
  local opts = {
    prompt = { prompt = 'say "hi"', temperature = 0, max_tokens = 5 },
    system = { system = "be brief" },
    messages = { messages = { { role = "user", content = "other" } }, logprobs = true },
    schema = { schema = { type = "object", properties = { a = { type = "string" } } } },
    text = { schema = '{"type":"object"}' },
  }
  if how == "alone" then return assert(one:ask { prompt = "alone", system = "you" }) end
  return assert(one:ask(req, opts[how]))
end
`,
  'misuse.lua': `local one = wye.model "a/one"
return function(req)
  local opts = {
    both = { prompt = "x", messages = {} },
    empty = { messages = {} },
    unknown = { promt = "x" },
    schema = { schema = "{" },
    hot = { temperature = 3 },
  }
  local ok, why = pcall(one.ask, one, req, opts[req.metadata.how])
  assert(not ok)
  return wye.refuse(418, why)
end
`,
  'gather.lua': `local function models(names)
  local list = {}
  for name in names:gmatch "%a+" do list[#list + 1] = all[name] end
  return list
end
return function(req)
  local m = req.metadata
  local opts = { timeout = m.timeout, n = m.n, prompt = m.prompt }
  if m["until"] then
    opts["until"] = function(reply)
      wye.note("seen", { text = reply.text })
      if m["until"] == "raise" then error "deliberate" end
      if m["until"] == "loop" then while true do end end
      if m["until"] == "eat" then local s = "x"; while true do s = s .. s end end
      if m["until"] == "ask" then all.good:ask(req) end
      return reply.text == m["until"]
    end
  end
  local replies, errors = wye.gather(models(m.models), req, opts)
  local told = {}
  for i, r in ipairs(replies) do told[i] = r.text end
  for i, e in ipairs(errors) do told[#told + 1] = e.model .. ":" .. e.kind end
  if #replies == 0 then return wye.refuse(503, table.concat(told, " ")), table.concat(told, " ") end
  return replies[#replies], table.concat(told, " ")
end
`,
  'classify.lua': `return function(req)
  local m = req.metadata
  local ok, label, p = pcall(all.label.classify, all.label, req.prompt, m.labels or { "code", "chat" },
    { timeout = 1, prompt = m.prompt, examples = m.examples, logprobs = m.logprobs })
  if not ok then return wye.refuse(418, label) end
  if not label then return wye.refuse(503, p.kind) end
  return all.good, label .. " " .. ("%.3f"):format(p)
end
`,
  'pick.lua': `return function(req)
  local m, list = req.metadata, {}
  for name in m.models:gmatch "%a+" do list[#list + 1] = all[name] end
  local drafts = wye.gather(list, req)
  local pick, err = all.judge:pick(req, drafts, { swap = m.swap, tie = m.tie, timeout = m.timeout })
  if not pick then return drafts[1], "judge: " .. err.kind end
  return drafts[pick.index], ("%d %.3f %s"):format(pick.index, pick.p, pick.reason)
end
`,
  'first.lua': `return function(req)
  local m, list = req.metadata, {}
  for name in m.models:gmatch "%a+" do list[#list + 1] = all[name] end
  local reply, err = wye.first(list, req, { hedge = m.hedge, timeout = m.timeout })
  if not reply then return wye.refuse(503, err.kind) end
  return reply, "first"
end
`,
}

const table = MODELS.map((name) => `${name} = wye.model "a/${name}"`).join(', ')
for (const route of ['gather.lua', 'first.lua', 'classify.lua', 'pick.lua']) routes[route] = `local all = { ${table} }\n${routes[route]}`

let up, w
before(async () => {
  up = await upstream({
    slow: replies.chat('slow', { gap: 300 }),
    hang: replies.hang(),
    busy: replies.status(429),
    bad: replies.status(400),
    label: replies.chat('{"label":"code"}'),
  })
  const files = project(up, MODELS.map((name) => `a/${name}`), routes)
  files['wye.lua'] = files['wye.lua'].replace('direct = true', `direct = true, limits = { script_ms = ${50 * SLOW} }`)
  w = await serve(files)
})
after(async () => {
  await w?.stop()
  up?.stop()
})

const run = (route, how, more = {}) => chat(w, { model: `wye/${route}`, messages: question(), metadata: { how }, ...more })
const sent = async (how, more) => {
  const reply = await run('asks', how, more)
  assert.equal(reply.status, 200, reply.text)
  return up.calls.at(-1)
}

test('ask: prompt, system, messages and schema replace what is sent, and nothing else', async () => {
  const prompt = await sent('prompt', { max_completion_tokens: 999, seed: 7 })
  assert.equal(
    prompt.body.toString(),
    '{"model":"one","messages":[{"role":"user","content":"say \\"hi\\""}],"metadata":{"how":"prompt"},"seed":7,"temperature":0,"max_tokens":5}',
  )
  const messages = [{ role: 'system', content: 'theirs' }, ...question(), { role: 'assistant', content: 'x' }]
  const system = await sent('system', { messages, stream: true })
  assert.deepEqual(system.json.messages, [{ role: 'system', content: 'be brief' }, ...messages.slice(1)])
  assert.equal(system.json.stream, undefined)
  const other = await sent('messages')
  assert.deepEqual(other.json.messages, [{ role: 'user', content: 'other' }])
  assert.equal(other.json.logprobs, true)
  const schema = { type: 'object', properties: { a: { type: 'string' } } }
  assert.deepEqual((await sent('schema')).json.response_format, { type: 'json_schema', json_schema: { name: 'answer', schema } })
  assert.deepEqual((await sent('text')).json.response_format.json_schema.schema, { type: 'object' })
})

test('ask without req sends nothing of the client', async () => {
  const call = await sent('alone', { seed: 7 })
  assert.deepEqual(call.json, { model: 'one', messages: [{ role: 'system', content: 'you' }, { role: 'user', content: 'alone' }] })
})

test('ask: misuse raises in words', async () => {
  const words = { both: /not both/, empty: /list of tables/, unknown: /did you mean 'prompt'/, schema: /no JSON/, hot: /temperature/ }
  for (const [how, expected] of Object.entries(words)) assert.match((await run('misuse', how)).json.error.message, expected)
})

const attempts = async (reply) => (await w.decision(reply.headers['x-wye-id'])).attempts
const story = async (reply) => (await attempts(reply)).map((a) => [a.model.slice(2), a.purpose, a.completion, a.served])
const gone = (model) => until(`${model} to learn that it lost`, () => up.calls.filter((c) => c.model === model).at(-1)?.gone)

test('gather: the answers in the order of the models, and the errors', async () => {
  const reply = await run('gather', undefined, { metadata: { models: 'slow two busy one' } })
  const record = await w.decision(reply.headers['x-wye-id'])
  assert.equal(record.reason, 'slow two one a/busy:rate_limit')
  assert.equal(reply.json.choices[0].message.content, 'one')
  assert.deepEqual(
    record.attempts.map((a) => [a.model, a.purpose, a.completion, a.served]),
    [
      ['a/slow', 'ask', 'succeeded', false],
      ['a/two', 'ask', 'succeeded', false],
      ['a/busy', 'ask', 'failed', false],
      ['a/one', 'ask', 'succeeded', true],
    ],
  )
  assert.ok(Math.abs(record.usd - 3 * (7 * 1e-6 + 3 * 2e-6)) < 1e-9, `${record.usd}: all three are paid for`)
})

test('gather: at the timeout those that work still are stopped', async () => {
  const reply = await run('gather', undefined, { metadata: { models: 'hang one', timeout: 0.2 } })
  assert.equal((await w.decision(reply.headers['x-wye-id'])).reason, 'one a/hang:timeout')
  assert.deepEqual(await story(reply), [['hang', 'ask', 'timed_out', false], ['one', 'ask', 'succeeded', true]])
  await gone('hang')
})

test('gather: n answers are enough, and the rest are cancelled', async () => {
  const began = Date.now()
  const reply = await run('gather', undefined, { metadata: { models: 'hang busy one two', n: 2 } })
  assert.equal((await w.decision(reply.headers['x-wye-id'])).reason, 'one two a/busy:rate_limit')
  assert.equal((await story(reply))[0][2], 'cancelled')
  assert.ok(Date.now() - began < 5000)
  await gone('hang')
})

test('gather: ends when `until` is true', async () => {
  const reply = await run('gather', undefined, { metadata: { models: 'hang one slow', until: 'slow' } })
  assert.equal((await w.decision(reply.headers['x-wye-id'])).reason, 'one slow')
  await gone('hang')
  const never = await run('gather', undefined, { metadata: { models: 'one two busy', until: 'x' } })
  assert.equal((await w.decision(never.headers['x-wye-id'])).reason, 'one two a/busy:rate_limit')
})

for (const [how, words] of [['raise', /deliberate/], ['loop', /ran longer than/], ['eat', /outgrew its memory/], ['ask', /cannot wait/]])
  test(`gather: an \`until\` that goes wrong (${how}) is a script error with its line`, async () => {
    const reply = await run('gather', undefined, { metadata: { models: 'one hang', until: how } })
    assert.equal(reply.headers['x-wye-cause'], 'script_error')
    const record = await w.decision(reply.headers['x-wye-id'])
    assert.match(record.error, words)
    assert.match(record.error, /gather\.lua:\d+/)
    await gone('hang')
  })

test('gather: none in time gives an empty list, another prompt goes to all', async () => {
  const none = await run('gather', undefined, { metadata: { models: 'hang', timeout: 0.05 } })
  assert.equal(none.json.error.message, 'a/hang:timeout')
  await run('gather', undefined, { metadata: { models: 'one two', prompt: 'both' } })
  assert.deepEqual(up.calls.slice(-2).map((c) => c.json.messages[0].content), ['both', 'both'])
})

test('gather: a client that leaves stops all of it', async () => {
  const before = up.calls.length
  const asked = until('both to be asked', () => up.calls.length === before + 2)
  await chat_and_leave(w, { model: 'wye/gather', messages: question(), metadata: { models: 'hang hang' } }, asked)
  await until('both to learn of it', () => up.calls.slice(before).every((c) => c.gone))
})

test('first: a hedge starts the next, the first answer wins, the loser is cancelled at once', async () => {
  const reply = await run('first', undefined, { metadata: { models: 'hang one', hedge: 0.05 } })
  assert.equal(reply.json.choices[0].message.content, 'one')
  assert.deepEqual(await story(reply), [['hang', 'ask', 'cancelled', false], ['one', 'hedge', 'succeeded', true]])
  await gone('hang')
})

test('first: an answer in time needs no hedge; a failure starts the next without one', async () => {
  assert.deepEqual(await story(await run('first', undefined, { metadata: { models: 'one two', hedge: 5 } })), [['one', 'ask', 'succeeded', true]])
  const failed = await run('first', undefined, { metadata: { models: 'busy two', hedge: 5 } })
  assert.deepEqual(await story(failed), [['busy', 'ask', 'failed', false], ['two', 'hedge', 'succeeded', true]])
  const race = await run('first', undefined, { metadata: { models: 'hang slow one', hedge: 0 } })
  assert.deepEqual((await story(race)).map((a) => a[2]), ['cancelled', 'cancelled', 'succeeded'])
})

test('first: nil and the error when nobody answers', async () => {
  const kind = async (metadata) => (await run('first', undefined, { metadata })).json.error.message
  assert.equal(await kind({ models: 'busy busy' }), 'rate_limit')
  assert.equal(await kind({ models: 'bad one' }), 'bad_request')
  assert.equal(await kind({ models: 'hang hang', hedge: 0.02, timeout: 0.1 }), 'timeout')
})

// A completion whose tokens carry log probabilities: [token, probability].
const sure = (tokens) => (call, out) => {
  const content = tokens.map(([token]) => token).join('')
  const logprobs = { content: tokens.map(([token, p]) => ({ token, logprob: Math.log(p), bytes: [...Buffer.from(token)] })) }
  const choices = [{ index: 0, message: { role: 'assistant', content }, logprobs, finish_reason: 'stop' }]
  const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 }
  out.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model: call.model, choices, usage }))
}
const classify = async (metadata, prompt = 'fix my loop') => {
  const reply = await run('classify', undefined, { metadata, messages: question(prompt) })
  return reply.status === 200 ? (await w.decision(reply.headers['x-wye-id'])).reason : reply.json.error.message
}

test('classify: structured output asks for one of the labels', async () => {
  up.models.label = replies.chat('{"label":"code"}')
  const examples = [{ text: 'hello', label: 'chat' }]
  assert.equal(await classify({ examples, prompt: 'What is it?' }), 'code 0.800')
  const { json } = up.calls.filter((c) => c.model === 'label').at(-1)
  assert.deepEqual(json.response_format.json_schema.schema.properties.label, { type: 'string', enum: ['code', 'chat'] })
  assert.equal(json.response_format.json_schema.strict, true)
  assert.equal(json.temperature, 0)
  assert.equal(json.logprobs, true)
  assert.ok(json.max_tokens > 0 && json.max_tokens < 50)
  assert.match(json.messages[0].content, /^What is it\?.*"code", "chat"\.$/)
  assert.deepEqual(json.messages.slice(1), [
    { role: 'user', content: 'hello' },
    { role: 'assistant', content: '{"label":"chat"}' },
    { role: 'user', content: 'fix my loop' },
  ])
  assert.equal(json.metadata, undefined, 'nothing of the client is sent')
})

test('classify: p is the probability of the label as the tokens tell it', async () => {
  up.models.label = sure([['{"', 0.9], ['label', 0.9], ['":"', 0.9], ['ch', 0.5], ['at', 0.8], ['"}', 0.9]])
  assert.equal(await classify({}), 'chat 0.400')
  const record = (await w.trace('-n', '1'))[0]
  assert.deepEqual(record.attempts.map((a) => [a.purpose, a.completion]), [['classify', 'succeeded'], ['serve', 'succeeded']])
  assert.ok(record.attempts[0].usd > 0)
})

test('classify: a bare label and one in a fence count; anything else is nil, err', async () => {
  for (const text of ['code', ' Code\n', '```json\n{"label": "code"}\n```']) {
    up.models.label = replies.chat(text)
    assert.equal(await classify({}), 'code 0.800', text)
  }
  for (const text of ['{"label":"poem"}', 'no idea', '{"label":7}', '{"label":"co', '']) {
    up.models.label = replies.chat(text)
    assert.equal(await classify({}), 'malformed', text)
  }
  up.models.label = replies.status(429)
  assert.equal(await classify({}), 'rate_limit')
  up.models.label = replies.hang()
  assert.equal(await classify({}), 'timeout')
})

test('classify: wrong labels raise', async () => {
  assert.match(await classify({ labels: ['one'] }), /2 to 64 labels/)
  assert.match(await classify({ labels: ['a', 'a'] }), /given twice/)
  assert.match(await classify({ labels: ['a', ''] }), /1 to 200 bytes/)
  assert.match(await classify({ labels: ['a', 7] }), /not a string/)
  assert.match(await classify({ examples: [{ text: 'x', label: 'poem' }] }), /none of the labels/)
})

// A judge that prefers the answer with this text, wherever it stands.
const prefers = (text) => (call, out) => {
  const letter = call.json.messages[1].content.match(new RegExp(`<answer id="(.)">\n${text}\n`))[1]
  return replies.chat(JSON.stringify({ reason: `liked ${text}`, best: letter }))(call, out)
}
const pick = (metadata, more) => run('pick', undefined, { metadata: { models: 'one two three', ...metadata }, ...more })
const reason = async (reply) => (await w.decision(reply.headers['x-wye-id'])).reason

test('pick: a judge that agrees with itself in both orders', async () => {
  up.models.judge = prefers('three')
  const reply = await pick({})
  assert.equal(await reason(reply), '3 0.800 liked three')
  assert.equal(reply.json.choices[0].message.content, 'three')
  const told = await attempts(reply)
  assert.deepEqual(told.map((a) => [a.model.slice(2), a.purpose, a.served]), [
    ['one', 'ask', false], ['two', 'ask', false], ['three', 'ask', true], ['judge', 'judge', false], ['judge', 'judge', false],
  ])
  assert.ok(told.every((a) => a.usd > 0))
  const [there, back] = up.calls.filter((c) => c.model === 'judge').slice(-2).map((c) => c.json.messages[1].content.match(/\n(one|two|three)\n/g).join(''))
  assert.equal(there.replace(/\s+/g, ' '), ' one two three ')
  assert.equal(back.replace(/\s+/g, ' '), ' three two one ')
})

test('pick: a judge that goes by the position disagrees with itself', async () => {
  up.models.judge = replies.chat('{"reason":"first","best":"A"}')
  assert.equal(await reason(await pick({})), '1 0.450 judges disagreed')
  assert.equal(await reason(await pick({ tie: 2 })), '2 0.100 judges disagreed')
  assert.equal(await reason(await pick({ swap: false })), '1 0.800 first')
})

test('pick: one draft needs no judge; a conversation is shown whole', async () => {
  const before = up.calls.filter((c) => c.model === 'judge').length
  assert.equal(await reason(await pick({ models: 'one' })), '1 1.000 the only draft')
  assert.equal(up.calls.filter((c) => c.model === 'judge').length, before)
  await pick({}, { messages: [...question('earlier'), { role: 'assistant', content: 'x' }, ...question('later')] })
  assert.match(up.calls.at(-1).json.messages[1].content, /earlier.*later/)
})

test('pick: nil and the error when a judge fails', async () => {
  up.models.judge = replies.status(529)
  assert.equal(await reason(await pick({})), 'judge: overloaded')
  up.models.judge = replies.chat('{"reason":"?","best":"Z"}')
  assert.equal(await reason(await pick({})), 'judge: malformed')
  up.models.judge = replies.hang()
  assert.equal(await reason(await pick({ timeout: 0.05 })), 'judge: timeout')
})

test('the judge of the example project, with every model simulated', async () => {
  const dir = fileURLToPath(new URL('../../routes', import.meta.url))
  const demo = await serve(dir, { demo: true })
  try {
    for (const text of ['What is a wye?', 'Name a tree.', 'Why is the sky blue?']) {
      const reply = await chat(demo, { model: 'wye/judge', messages: question(text) })
      assert.equal(reply.status, 200, reply.text)
      const record = await demo.decision(reply.headers['x-wye-id'])
      assert.deepEqual(record.attempts.map((a) => a.purpose), ['ask', 'ask', 'judge', 'judge'])
      assert.ok(record.attempts.every((a) => a.completion === 'succeeded'))
      assert.doesNotMatch(record.reason, /disagreed|judge:/, 'a simulated judge goes by the text, not the position')
    }
  } finally {
    await demo.stop()
  }
})
