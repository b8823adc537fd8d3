// A disk that fills while wye serves: serving goes on, and what could not be kept is counted and said.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { WYE, run, until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { folder, place, serve, serve_args } from '../support/wye.mjs'

const mounted = []
function small_disk(size) {
  const dir = folder()
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir], { stdio: 'ignore' })
  mounted.push(dir)
  return dir
}

function why_not() {
  try {
    small_disk('1m')
  } catch {
    return 'only root may mount a small disk'
  }
}
const skip = why_not()

// Notes as large as they may be, so that few requests fill a segment.
const noting = `local data = { text = ("x"):rep(15000) }
return function()
  for _ = 1, 20 do wye.note("big", data) end
  return wye.model "a/good"
end
`

let up
before(async () => (up = await upstream({ good: replies.chat('fine') })))
after(() => {
  up.stop()
  mounted.forEach((dir) => execFileSync('umount', ['-l', dir]))
})

const ask = async (w) => {
  const reply = await chat(w, { model: 'auto', messages: question() })
  assert.equal(reply.status, 200, reply.text)
  assert.equal(reply.headers['x-wye-cause'], 'script')
}

async function dropped(w) {
  const { text } = await w.ask('/metrics')
  return Number(/^wye_trace_dropped_total (\d+)$/m.exec(text)[1])
}

test('a disk too small to begin is refused', { skip }, async () => {
  const home = small_disk('1m')
  const { dir } = place(project(up, ['a/good']))
  const { code, stderr } = await run(WYE, serve_args({ home, dir }))
  assert.equal(code, 1)
  assert.match(stderr, /full.*--trace DIR/)
})

test('the disk of the trace fills: every request is served, and what is not kept is counted', { skip }, async () => {
  const home = small_disk('24m')
  const { dir } = place(project(up, ['a/good'], { 'route.lua': noting }))
  const w = await serve({ home, dir })
  for (let i = 0; i < 80; i++) await ask(w)
  await until('drops in the metrics', async () => (await dropped(w)) > 0)
  assert.ok((await w.status()).trace.dropped > 0)
  assert.match(w.child.said, /No space left.*--trace.*serving goes on/)
  assert.ok((await w.trace()).length > 0, 'what was kept can be read')
  assert.equal((await w.workers())[0].restarts, 0)
  assert.equal((await w.ask('/health')).status, 200)
  await w.stop()
})

test('the disk of the state fills: a reload says so or goes on, and nothing breaks', { skip }, async () => {
  const home = small_disk('1m')
  const at = place(project(up, ['a/good']))
  const args = ['--state', join(home, 'state')]
  const w = await serve(at, { args })
  const filler = join(home, 'filler')
  try {
    writeFileSync(filler, Buffer.alloc(2 << 20))
  } catch {} // as much as there is room for
  w.write({ 'route.lua': 'return function() return wye.model "a/good", "edited" end\n' })
  const reply = await w.ask('/reload', { method: 'POST' })
  await ask(w)
  const said = reply.text + w.child.said
  assert.match(said, /state directory.*(space|full)/i)
  rmSync(filler)
  w.write({ 'route.lua': 'return function() return wye.model "a/good", "edited twice" end\n' })
  assert.equal((await w.ask('/reload', { method: 'POST' })).status, 200)
  assert.ok(readdirSync(join(home, 'state', 'generations')).every((name) => !name.startsWith('.')), 'nothing half written stays')
  await w.stop()
})
