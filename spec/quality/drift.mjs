// A change of traffic: texts of another data set. How soon it is flagged, and how often texts like the training's are.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { WYE } from '../support/process.mjs'
import { figure, halves, mean, part, path, rows, shuffled, write } from './frame.mjs'

const MODELS = 3, ORDERS = 110, CHANGES = 10, CALM = 500

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

// Each model is trained on a half of its own and reads the other in many orders: an alarm there is false.
function measure(items, other, ...options) {
  let alarms = 0, readings = 0
  const delays = []
  for (let seed = 1; seed <= MODELS; seed++) {
    const [train, same] = halves(items, seed)
    execFileSync(WYE, ['train', ...options, write('train', train), '-o', path('model'), '--json'], { stdio: ['ignore', 'ignore', 'ignore'] })
    const before = classify(same), after = classify(other)
    for (let order = 1; order <= ORDERS; order++) {
      const calm = shuffled(before, order)
      alarms += flagged(calm) > 0 ? 1 : 0
      readings += calm.length
      if (order > CHANGES) continue
      const at = flagged([...calm.slice(0, CALM), ...shuffled(after, order)])
      delays.push(at > CALM ? at - CALM : Infinity)
    }
  }
  figure({ name: 'requests after the change until it is flagged (mean)', value: mean(delays), interval: [Math.min(...delays), Math.max(...delays)], next: 200, goal: 100, least: true })
  figure({ name: 'false alarms per request', value: alarms / readings, next: 1e-4, goal: 1e-5, least: true,
    note: `${alarms} in ${readings} requests: ${MODELS} models, ${ORDERS} orders each` })
}

export default async function () {
  await part('Drift: a router trained on half of MMLU; the other half, then GSM8K', ['mmlu.pairs.jsonl', 'gsm8k.pairs.jsonl'],
    () => measure(rows('mmlu.pairs.jsonl'), rows('gsm8k.pairs.jsonl'), '--pairs'))
  await part('Drift: intents trained on half of HWU64; the other half, then SNIPS', ['hwu64.train.jsonl', 'snips.valid.jsonl'],
    () => measure(rows('hwu64.train.jsonl'), rows('snips.valid.jsonl')))
}
