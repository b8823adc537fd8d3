// trace and why against a running server, and against the files that it left.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { WYE, line, run, start } from '../support/process.mjs'
import { serve } from '../support/wye.mjs'

const PROJECT = {
  'wye.lua': 'return { models = { ["sim/fast"] = {}, ["sim/smart"] = {} }, default = "sim/fast" }\n',
  'route.lua': 'return function(req)\n  wye.note("asked", { tokens = req.tokens })\n  return wye.model "sim/smart", "because"\nend\n',
}

test('lists, queries, follows and tells the story', async () => {
  const w = await serve(PROJECT, { demo: true, workers: 2 })
  const first = await chat(w, { model: 'auto', messages: question('one') })
  assert.equal(first.status, 200, first.text)
  const id = first.headers['x-wye-id']

  const follower = start(WYE, ['trace', '-f', '--json', '--admin', w.admin])
  const listed = await w.cli('trace', '-q', 'served == sim/smart and attempt.status == 200', '--json')
  const decision = JSON.parse(listed.stdout)
  assert.equal(decision.id, id)
  assert.equal(decision.attempts[0].usage.output > 0, true)
  assert.equal(decision.notes[0].text, 'asked')
  assert.match(decision.line, /route\.lua:3$/)

  const story = await w.cli('why', id)
  assert.equal(story.code, 0, story.stderr)
  assert.match(story.stdout, />\s+3 \|   return wye\.model "sim\/smart", "because"\n\s+\|   \^ returned: because/)
  assert.match(story.stdout, /\^ note at [\d.]+ ms: asked/)
  assert.equal((await w.cli('why')).stdout, story.stdout)
  assert.equal((await w.ask(`/decisions/${id}`)).json.id, id)

  const second = await chat(w, { model: 'auto', messages: question('two') })
  const followed = JSON.parse((await line(follower, /^\{.*\}$/m))[0])
  assert.equal(followed.id, second.headers['x-wye-id'])
  follower.kill('SIGINT')
  await follower.ended
  await w.stop()
})

test('reads the files of a server that was killed, and says what is wrong', async () => {
  const w = await serve(PROJECT, { demo: true })
  const reply = await chat(w, { model: 'auto', messages: question('one') })
  const pids = [w.child.pid, ...(await w.workers()).map((worker) => worker.pid)]
  pids.forEach((pid) => w.kill(pid))
  await w.child.ended
  const dir = join(w.home, 'trace')
  const [decision] = await w.trace()
  assert.equal(decision.id, reply.headers['x-wye-id'])
  assert.equal((await run(WYE, ['why', decision.id, '--trace', dir])).code, 0)

  const unknown = await run(WYE, ['why', 'zzzz', '--trace', dir])
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /no decision zzzz .*wye trace/)
  const bad = await run(WYE, ['trace', '-q', 'cuase == x', '--trace', dir])
  assert.equal(bad.code, 2)
  assert.match(bad.stderr, /no field cuase \(did you mean cause\?\)\n {2}cuase == x\n {2}\^/)
  assert.equal((await run(WYE, ['trace', '--admin', '127.0.0.1:1'])).code, 3)
})
