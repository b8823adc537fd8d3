// The eval sets of the shipped routes: well-formed, and served by the models that they expect.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { ROOT } from '../support/process.mjs'
import { serve } from '../support/wye.mjs'

const dir = join(ROOT, 'routes')
const KNOWN = ['exact', 'contains', 'regex', 'schema', 'numeric', 'judge', 'lua', 'model']
const cases = (route) => readFileSync(join(dir, 'evals', `${route}.jsonl`), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line))
const routes = readdirSync(join(dir, 'evals')).map((name) => name.replace('.jsonl', ''))

let w
before(async () => (w = await serve(dir, { demo: true })))
after(() => w?.stop())

for (const route of routes) {
  test(`${route}: at least 12 cases, each with an id of its own and something to hold it to`, () => {
    const all = cases(route)
    assert.ok(all.length >= 12)
    assert.equal(new Set(all.map((c) => c.id)).size, all.length)
    for (const c of all) {
      assert.ok(c.prompt ?? c.request.messages, c.id)
      assert.ok(Object.keys(c.expect).length > 0, c.id)
      for (const key of Object.keys(c.expect)) assert.ok(KNOWN.includes(key), `${c.id}: ${key}`)
    }
  })

  test(`${route}: the models that it expects serve`, async () => {
    for (const c of cases(route)) {
      const reply = await chat(w, { messages: question(c.prompt), ...c.request, model: `wye/${route}` })
      assert.equal(reply.status, 200, `${c.id}: ${reply.text}`)
      if (c.expect.model) assert.equal(reply.headers['x-wye-model'], c.expect.model, c.id)
    }
  })
}
