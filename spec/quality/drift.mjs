// A change of traffic: questions of another data set. How soon it is flagged, and how often questions like the training's are.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { WYE } from '../support/process.mjs'
import { figure, halves, mean, part, path, rows, shuffled, write } from './frame.mjs'

const ROUNDS = 10

const classify = (items) => execFileSync(WYE, ['classify', path('model')], { input: readFileSync(write('asked', items.map(({ text }) => ({ text })))), maxBuffer: 1 << 28 })
  .toString().trim().split('\n').map((line) => JSON.parse(line))

// The reading at which the change was first flagged; 0 for never. `wye drift` exits 1 when it finds one.
function flagged(readings) {
  const run = () => execFileSync(WYE, ['drift', path('model'), '--readings', write('readings', readings), '--json'])
  let report
  try { report = run() } catch (e) { report = e.stdout }
  const at = JSON.parse(report).sources[0].parts.map((p) => p.flagged).filter(Boolean)
  return at.length ? Math.min(...at) : 0
}

export default async function () {
  await part('Drift: a router trained on half of MMLU; the other half, then GSM8K', ['mmlu.pairs.jsonl', 'gsm8k.pairs.jsonl'], () => {
    const [train, same] = halves(rows('mmlu.pairs.jsonl'), 1)
    execFileSync(WYE, ['train', '--pairs', write('train', train), '-o', path('model'), '--json'])
    const before = classify(same), after = classify(rows('gsm8k.pairs.jsonl'))
    let alarms = 0, readings = 0
    const delays = []
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const calm = shuffled(before, seed)
      alarms += flagged(calm) > 0 ? 1 : 0
      readings += calm.length
      const start = calm.slice(0, 500)
      const at = flagged([...start, ...shuffled(after, seed)])
      delays.push(at > 500 ? at - 500 : Infinity)
    }
    figure({ name: 'requests after the change until it is flagged (mean)', value: mean(delays), interval: [Math.min(...delays), Math.max(...delays)], next: 200, goal: 100, least: true })
    figure({ name: 'false alarms per request', value: alarms / readings, next: 1e-4, goal: 1e-5, least: true, note: `${alarms} in ${readings} requests, ${ROUNDS} orders of ${same.length}` })
  })
}
