// A provider with several keys: they take turns; one that is refused or limited rests, and its call goes on with the next.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const KEYS = { KEY_ONE: 'sk-one', KEY_TWO: 'sk-two', KEY_THREE: 'sk-three' }
const refusals = {} // model → key → the status that the provider answers that key with
const key_of = (call) => call.headers.authorization?.replace('Bearer ', '')
const by_key = (call, out) => {
  const status = refusals[call.model]?.[key_of(call)]
  return (status ? replies.status(status, { headers: { 'retry-after': '30' } }) : replies.chat(`by ${key_of(call)}`))(call, out)
}

const MODELS = ['turns', 'limited', 'limited_stream', 'refused', 'refused_stream', 'asked', 'none', 'listed', 'spare']
const provider = (name, up, keys) => `    ${name} = { kind = "openai", base_url = "${up.url}", ${keys} },`

function files(up) {
  const three = 'keys = { { env = "KEY_ONE" }, { env = "KEY_TWO" }, { env = "KEY_THREE" } }'
  return {
    'wye.lua': `return {
  providers = {
${MODELS.filter((name) => name !== 'spare').map((name) => provider(name, up, three)).join('\n')}
${provider('holed', up, 'keys = { { env = "KEY_ONE" }, { env = "NOT_SET_AT_ALL" } }')}
${provider('spare', up, 'key = { env = "KEY_ONE" }')}
  },
  models = { ${[...MODELS, 'holed'].map((name) => `["${name}/${name}"] = {}`).join(', ')} },
  direct = true,
}
`,
    'route.lua': 'return function() return wye.model "turns/turns" end\n',
    'asked.lua': `local m = wye.model "asked/asked"
return function(req)
  local reply, err = m:ask(req)
  return reply or wye.refuse(502, err.kind)
end
`,
    'listed.lua': 'return function() return { wye.model "listed/listed", wye.model "spare/spare" } end\n',
  }
}

let up, w
before(async () => {
  up = await upstream(Object.fromEntries([...MODELS, 'holed'].map((name) => [name, by_key])))
  w = await serve(files(up), { env: KEYS })
})
after(async () => {
  await w?.stop()
  up?.stop()
})

const ask = (model, stream = false) => chat(w, { model, stream, messages: question() })
const told = async (reply) => (await w.decision(reply.headers['x-wye-id'])).attempts.map(({ key, error, next }) => [key, error, next])
const keys_seen = (model) => up.calls.filter((call) => call.model === model).map(key_of)

test('keys take turns', async () => {
  for (let i = 0; i < 6; i++) assert.equal((await ask('turns/turns')).status, 200)
  const seen = keys_seen('turns')
  for (const key of Object.values(KEYS)) assert.equal(seen.filter((k) => k === key).length, 2, `${key} among ${seen}`)
})

for (const [model, status, error] of [['limited', 429, 'rate_limit'], ['refused', 401, 'auth']])
  for (const stream of [false, true])
    test(`${error}: the next key serves, and the bad one rests, ${stream ? 'streamed' : 'plain'}`, async () => {
      const name = stream ? `${model}_stream` : model
      refusals[name] = { 'sk-two': status }
      const all = []
      for (let i = 0; i < 6; i++) all.push(await ask(`${name}/${name}`, stream))
      for (const reply of all) assert.equal(reply.status, 200, reply.text)
      const stories = await Promise.all(all.map(told))
      const moved = stories.filter((story) => story.length > 1)
      assert.deepEqual(moved, [[[2, error, 'next_key'], [3, null, 'stop']]], 'one call met the bad key, and none after it')
      assert.ok((await w.ask('/metrics')).text.includes(`wye_key_cooling{provider="${name}",key="2"} 1`))
      assert.ok(!(await w.ask('/metrics')).text.includes('sk-'), 'a key is never shown')
    })

test('an ask goes on with the next key, too', async () => {
  refusals.asked = { 'sk-one': 401, 'sk-two': 429 }
  const reply = await ask('wye/asked')
  assert.equal(reply.json.choices[0].message.content, 'by sk-three')
  assert.deepEqual(await told(reply), [[1, 'auth', 'next_key'], [2, 'rate_limit', 'next_key'], [3, null, 'script']])
  const again = await ask('wye/asked')
  assert.deepEqual(await told(again), [[3, null, 'script']])
})

test('keys come before models: the next model serves when every key was tried', async () => {
  refusals.listed = { 'sk-one': 429, 'sk-two': 401, 'sk-three': 429 }
  const reply = await ask('wye/listed')
  assert.equal(reply.headers['x-wye-model'], 'spare/spare')
  assert.deepEqual(await told(reply), [[1, 'rate_limit', 'next_key'], [2, 'auth', 'next_key'], [3, 'rate_limit', 'next_model'], [null, null, 'stop']])
})

test('all keys resting: the one that may come back first is tried', async () => {
  refusals.none = { 'sk-one': 401, 'sk-two': 401, 'sk-three': 401 }
  assert.equal((await ask('none/none')).status, 401)
  const before = keys_seen('none').length
  delete refusals.none
  assert.equal((await ask('none/none')).status, 200)
  assert.equal(keys_seen('none').length, before + 1)
})

test('a key that is missing is told at start and never used', async () => {
  for (let i = 0; i < 3; i++) assert.equal((await ask('holed/holed')).json.choices[0].message.content, 'by sk-one')
  assert.match(w.child.said, /provider holed: NOT_SET_AT_ALL is not set/)
})
