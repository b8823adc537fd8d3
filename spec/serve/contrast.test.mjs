// why ID ID: two decisions of one request under two versions of a route.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const V1 = 'return function(req)\n  wye.note("size", { n = #req.prompt })\n  return { wye.model "a/limited", wye.model "b/good" }, "in turn"\nend\n'
const V2 = V1.replace('{ wye.model "a/limited", wye.model "b/good" }', 'wye.model "b/good"').replace('in turn', 'at once')

test('names what differs, and the rules that made it so', async () => {
  const up = await upstream({ limited: replies.status(429) })
  const files = project(up, ['a/limited', 'b/good'], { 'route.lua': V1 })
  files['wye.lua'] = files['wye.lua'].replace('direct = true,', 'direct = true,\n  capture = { share = 1 },')
  const w = await serve(files)
  const id = async (content) => (await chat(w, { model: 'auto', messages: question(content) })).headers['x-wye-id']
  const first = await id('one')
  w.write({ 'route.lua': V2 })
  assert.equal((await w.cli('reload')).code, 0)
  const second = await id('other')
  const third = await id('other')

  const out = await w.cli('why', first, second)
  assert.equal(out.code, 0, out.stderr)
  assert.match(out.stdout, /^ {2}reason +in turn +at once$/m)
  assert.match(out.stdout, /^ {2}cause +failover +script$/m)
  assert.match(out.stdout, /^ {2}attempt 1 error +rate_limit +-$/m)
  assert.match(out.stdout, /^ {2}attempt 2 +b\/good serve succeeded +-$/m)
  assert.match(out.stdout, /^ {2}note 1 data +\{"n":3\} +\{"n":5\}$/m)
  assert.match(out.stdout, /^ {2}request messages +\[\{.*"one".*"other"\}\]$/m)
  assert.match(out.stdout, /^- {2}return \{ wye\.model "a\/limited".*\n\+ {2}return wye\.model "b\/good", "at once"$/m)

  const json = JSON.parse((await w.cli('why', first, second, '--json')).stdout)
  assert.deepEqual([json.a, json.b, json.alike], [first, second, false])
  assert.deepEqual(json.differences.find((d) => d.what === 'generation'), { what: 'generation', a: '1', b: '2' })
  assert.deepEqual([json.generations.a, json.generations.files[0].path], [1, 'route.lua'])

  const alike = JSON.parse((await w.cli('why', second, third, '--json')).stdout)
  assert.deepEqual([alike.alike, alike.generations, alike.differences.filter((d) => d.what !== 'ms' && d.what !== 'usd')], [true, null, []])
  assert.match((await w.cli('why', second, third)).stdout, /both decided alike/)
  const unknown = await w.cli('why', first, 'zzzz')
  assert.deepEqual([unknown.code, /no decision zzzz/.test(unknown.stderr)], [1, true])
  await w.stop()
  up.stop()
})
