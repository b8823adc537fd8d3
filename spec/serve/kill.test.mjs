// Workers die by SIGKILL under load: what a client was answered is in the trace, and the worker is back within a second.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { constant_load } from '../support/load.mjs'
import { SLOW, until } from '../support/process.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { place, serve } from '../support/wye.mjs'

const KILLS = Number(process.env.KILLS ?? 100)

let up
const files = () => project(up, ['a/good'])
before(async () => (up = await upstream({ good: replies.chat('one two three', { gap: 1 }) })))
after(() => up.stop())

function missing(answered, records) {
  const known = new Map(records.map((record) => [record.id, record]))
  return answered.filter((id) => known.get(id)?.served !== 'a/good')
}

test(`${KILLS} kills of workers under load`, async () => {
  const w = await serve(files(), { workers: 2 })
  const answered = []
  let kills = 0
  // A request whose worker dies has no reply: that is the one failure a kill may cause.
  const forgive = (reply) => kills > 0 && (reply.cut || /ECONNRESET|EPIPE|socket hang up/.test(`${reply.error?.code} ${reply.error?.message}`))
  const load = constant_load(w, { each: (reply) => answered.push(reply.headers['x-wye-id']), forgive })
  const back = []
  let worst = 0
  for (; kills < KILLS; ) {
    const serving = (await w.workers()).filter((worker) => worker.state === 'serving')
    if (serving.length < 2) {
      await new Promise((done) => setTimeout(done, 5))
      continue
    }
    const victim = serving[kills % 2]
    const had = answered.length
    await until('requests to be answered between two kills', () => answered.length > had + 10)
    const at = Date.now()
    w.kill(victim.pid)
    kills++
    await until(`worker ${victim.slot} to be back`, async () =>
      (await w.workers()).some((worker) => worker.slot === victim.slot && worker.pid !== victim.pid && worker.state === 'serving'),
    )
    back.push(Date.now() - at)
    worst = Math.max(worst, back.at(-1))
  }
  await load.stop()
  assert.deepEqual(load.failures, [])
  assert.ok(worst < 1000 * SLOW, `back after ${worst} ms at worst`)
  assert.ok(answered.length > KILLS * 10)
  assert.equal((await chat(w, { model: 'auto', messages: question() })).status, 200)
  assert.deepEqual(missing(answered, await w.trace('-n', '1000000')), [], 'answered and not in the trace')
  await w.stop()
})

test('kill -9 of everything at once: the trace is there afterwards, and to the next server', async () => {
  const at = place(files())
  const w = await serve(at, { workers: 2 })
  const answered = []
  const load = constant_load(w, { each: (reply) => answered.push(reply.headers['x-wye-id']), forgive: () => true })
  await until('some answers', () => answered.length > 200)
  for (const pid of [w.child.pid, ...(await w.workers()).map((worker) => worker.pid)]) w.kill(pid)
  await w.child.ended
  await load.stop()
  assert.deepEqual(missing(answered, await w.trace('-n', '1000000')), [])
  const next = await serve(at, { workers: 2 })
  const reply = await chat(next, { model: 'auto', messages: question() })
  assert.deepEqual(missing([...answered, reply.headers['x-wye-id']], await next.trace('-n', '1000000')), [])
  await next.stop()
})

test('a worker that hangs is killed by the watchdog, replaced, and its generation blamed', async () => {
  const w = await serve(files(), { workers: 1 })
  const [before] = await w.workers()
  w.kill(before.pid, 'SIGSTOP')
  const [now] = await until('a new worker', async () => {
    const all = await w.workers()
    return all[0].pid !== before.pid && all[0].state === 'serving' && all
  })
  assert.equal(now.restarts, before.restarts + 1)
  assert.equal((await chat(w, { model: 'auto', messages: question() })).status, 200)
  await w.stop()
})
