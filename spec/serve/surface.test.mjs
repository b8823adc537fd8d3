// The routes that the design page shows run as they are written there, in the example project, for clients of every protocol.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ROOT } from '../support/process.mjs'
import { folder, serve } from '../support/wye.mjs'

const page = join(process.env.WYE_SHARED ?? join(ROOT, '..', 'shared'), 'ROUTES.md')
const skip = existsSync(page) ? false : `${page} is not there`
const shown = skip ? {} : Object.fromEntries([...readFileSync(page, 'utf8').matchAll(/```lua\n(-- routes\/(\w+)\.lua[^]*?)```/g)].map(([, text, name]) => [name, text]))

let w
before(async () => {
  if (skip) return
  const dir = folder()
  cpSync(join(ROOT, 'routes'), dir, { recursive: true })
  for (const [name, text] of Object.entries(shown)) writeFileSync(join(dir, `${name}.lua`), text)
  w = await serve(dir, { demo: true })
})
after(() => w?.stop())

const BODIES = {
  'chat/completions': (model, stream) => ({ model, stream, messages: [{ role: 'user', content: 'Write a short function in C.' }] }),
  messages: (model, stream) => ({ model, stream, max_tokens: 200, messages: [{ role: 'user', content: 'Write a short function in C.' }] }),
  responses: (model, stream) => ({ model, stream, input: 'Write a short function in C.' }),
}

test('the page shows the five routes', { skip }, () => {
  assert.deepEqual(Object.keys(shown).sort(), ['cascade', 'failover', 'judge', 'route', 'trial'])
})

for (const name of Object.keys(shown))
  test(`${name}.lua, as it is shown`, { skip }, async () => {
    for (const [path, body] of Object.entries(BODIES))
      for (const stream of [false, true]) {
        const reply = await fetch(`http://127.0.0.1:${w.port}/v1/${path}`, { method: 'POST', body: JSON.stringify(body(`wye/${name}`, stream)) })
        const text = await reply.text(), id = reply.headers.get('x-wye-id')
        assert.equal(reply.status, 200, `${path}: ${text}`)
        const { route, cause, line, error } = await w.decision(id)
        assert.deepEqual({ route, error, cause }, { route: name, error: null, cause: 'script' }, path) // no user, so no experiment
        assert.match(line, new RegExp(`(${name}|rules/v\\d)\\.lua:\\d+$`))
      }
  })
