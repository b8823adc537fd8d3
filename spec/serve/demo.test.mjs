// The first minute, as `make run` shows it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROOT, start, until } from '../support/process.mjs'
import { chat, question } from '../support/client.mjs'
import { folder, serve } from '../support/wye.mjs'

test('make run: three requests, why of each, what to try next, Ctrl-C', async () => {
  const home = folder() // somebody may have `make run` open
  const env = { WYE_LISTEN: '127.0.0.1:0', WYE_ADMIN: '127.0.0.1:0', WYE_TRACE: `${home}/trace`, WYE_STATE: `${home}/state` }
  const child = start('.ci/demo', [], { env })
  await until('the last lines', () => /Edit: .*routes\/\w+\.lua/.test(child.said) || child.exitCode !== null)
  assert.equal(child.exitCode, null, child.said)
  const places = child.said.match(/^routes\/\w+\.lua\n(.*\n)*?> +\d+ \|/gm) ?? []
  assert.equal(places.length, 3, child.said)
  assert.equal(child.said.match(/^# /gm).length, 3)
  assert.match(child.said, /curl -i http:\/\/127\.0\.0\.1:\d+\/v1\/chat\/completions/)
  process.kill(-child.pid, 'SIGINT') // as a terminal does: to all of its processes
  assert.deepEqual(await child.ended, { code: 0, signal: null })
})

test('the shipped routes serve every kind of request from the simulator', async () => {
  const w = await serve(`${ROOT}/routes`, { demo: true })
  const { json } = await chat(w, undefined, { path: '/v1/models', method: 'GET' })
  const routes = json.data.map((model) => model.id).filter((id) => id === 'auto' || id.startsWith('wye/'))
  assert.ok(routes.length > 1)
  for (const model of routes)
    for (const stream of [false, true]) {
      const reply = await chat(w, { model, stream, messages: question('Write a haiku about rivers.') })
      assert.equal(reply.status, 200, `${model}: ${reply.text}`)
      assert.notEqual(reply.headers['x-wye-cause'], 'script_error', model)
      if (stream) assert.ok(reply.done)
    }
  await w.stop()
})
