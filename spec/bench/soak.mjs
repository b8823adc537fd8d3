// `make soak`: mixed load for SOAK seconds, a reload each ten, then the slope of the workers' memory after the first fifth.
import { readFileSync } from 'node:fs'
import { constant_load } from '../support/load.mjs'
import { project, replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'

const seconds = Number(process.env.SOAK ?? 600)
const allowed = 2048 // KB from the end of the warm-up to the end

const up = await upstream({ good: replies.chat('one two three four'), flaky: (call, out) => replies[Math.random() < 0.5 ? 'reset' : 'not_json']()(call, out) })
const files = project(up, ['a/good', 'b/flaky'])
files['route.lua'] = 'return function() return { wye.model "b/flaky", wye.model "a/good" }, "soak" end\n'
const w = await serve(files, { workers: 2 })
const load = constant_load(w, { plain: 8, streamed: 8 })

async function resident() {
  const pids = (await w.workers()).map((worker) => worker.pid)
  return pids.reduce((sum, pid) => sum + Number(/^Pss_Anon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]), 0)
}

// Least squares over (second, KB).
function slope(points) {
  const mean = (at) => points.reduce((sum, p) => sum + p[at], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  return points.reduce((sum, p) => sum + (p[0] - x) * (p[1] - y), 0) / points.reduce((sum, p) => sum + (p[0] - x) ** 2, 0)
}

const points = []
for (let second = 0; second < seconds; second++) {
  await new Promise((done) => setTimeout(done, 1000))
  if (second % 10 === 9) {
    w.write({ 'route.lua': `${files['route.lua']}-- ${second}\n` })
    await w.ask('/reload', { method: 'POST' })
  }
  if (second >= seconds / 5) points.push([second, await resident()])
}
await load.stop()
const growth = slope(points) * (points.at(-1)[0] - points[0][0])
const total = load.counts.plain + load.counts.streamed
console.log(`${total} requests, ${load.failures.length} failed; ${points.at(-1)[1]} KB in the workers, ${growth.toFixed(0)} KB grown in ${points.length} s`)
load.failures.slice(0, 5).forEach((failure) => console.log(failure))
await w.stop()
up.stop()
process.exit(load.failures.length === 0 && growth <= allowed ? 0 : 1)
