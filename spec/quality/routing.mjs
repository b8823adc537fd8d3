// A learned router on RouteLLM's data (Ong et al. 2024): which questions a weak model can take, from the question alone. Rows are trained on or measured,
// never both.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { WYE } from '../support/process.mjs'
import { figure, mean, part, path, rows, shuffled, write, wye_json } from './frame.mjs'

const FOLDS = 4
const SEEDS = [1, 2, 3, 4]
const LABELS = 1500
const SHARES = [0.2, 0.5, 0.8]

// Probabilities as they are: what `calibrate` needs to measure a curve without fitting one.
const AS_IT_IS = { wye: 'calibration', version: 1, score: 'p', method: 'isotonic', rows: 0, accuracy: 0, ece: 0, points: [[0, 0], [1, 1]], quantiles: Array(21).fill(0) }

// What a router that is trained on the one says of the other.
function ask(train, test, share) {
  wye_json('train', '--pairs', write('train', train), '-o', path('router.model'), '--share', String(share))
  const said = execFileSync(WYE, ['classify', path('router.model')], { input: readFileSync(write('asked', test.map(({ text }) => ({ text })))), maxBuffer: 1 << 28 })
  return said.toString().trim().split('\n').map((line) => JSON.parse(line))
}

const predict = (train, test) => ask(train, test, 0.5).map(({ p }, i) => ({ score: p, correct: test[i].weak, strong: test[i].strong }))

function frontier(predicted) {
  write('as_it_is', [AS_IT_IS])
  return wye_json('calibrate', write('predicted', predicted), '--with', path('as_it_is')).frontier
}

// One prediction for each group, by a model that has not seen it.
function folds(items, group) {
  return Array.from({ length: FOLDS }, (_, fold) => predict(items.filter((q, i) => group(q, i) !== fold), items.filter((q, i) => group(q, i) === fold)))
}

// Each model's own curve; the mean of them, and the least and the most.
function apgr(name, predictions, goals) {
  const curves = predictions.map(frontier)
  const values = curves.map((f) => f.apgr.value).sort((a, b) => a - b)
  const cpt = (key) => (100 * mean(curves.map((f) => f[key].value))).toFixed(1)
  figure({ name: `${name}: APGR`, value: mean(values), interval: values.length > 1 ? [values[0], values.at(-1)] : [curves[0].apgr.low, curves[0].apgr.high], ...goals,
    note: `CPT(50 %) ${cpt('cpt50')} %, CPT(80 %) ${cpt('cpt80')} % of the calls` })
}

const over = (run) => SEEDS.flatMap(run)

function mmlu() {
  const items = rows('mmlu.pairs.jsonl')
  apgr('all other rows', over((seed) => folds(shuffled(items, seed), (q, i) => i % FOLDS)), { published: 'RouteLLM best .603', next: 0.67, goal: 0.7 })
  apgr('1,500 labels', over((seed) => few(shuffled(items, seed))), { next: 0.64, goal: 0.66 })
  const domains = [...new Set(items.map((q) => q.domain))].sort()
  const unseen = (seed) => {
    const subjects = shuffled(domains, seed)
    return folds(items, (q) => subjects.indexOf(q.domain) % FOLDS).flat() // whole subjects differ in what there is to gain: one curve over all
  }
  apgr('subjects not trained on', SEEDS.map(unseen), { next: 0.6, goal: 0.63 })
}

const few = (items) => Array.from({ length: FOLDS }, (_, k) => [k * LABELS, (k + 1) * LABELS])
  .map(([from, to]) => predict(items.slice(from, to), items.filter((q, i) => i < from || i >= to)))

function gsm8k() {
  const items = rows('gsm8k.pairs.jsonl')
  apgr('in domain (an unfair win: the others were not trained on it)', over((seed) => folds(shuffled(items, seed), (q, i) => i % FOLDS)),
    { published: 'RouteLLM best .622', next: 0.63, goal: 0.66 })
  apgr('trained on MMLU', [predict(rows('mmlu.pairs.jsonl'), items)], { published: '.475', next: 0.59, goal: 0.62 })
}

// Expected calibration error over fifteen bins, of the probability that the weak model suffices: that it is right, or both are wrong.
function calibration_error(said, test) {
  const off = Array(15).fill(0)
  said.forEach(({ p }, i) => { off[Math.min(14, Math.floor(p * 15))] += p - Number(test[i].weak || !test[i].strong) })
  return off.reduce((sum, o) => sum + Math.abs(o), 0) / said.length
}

// Unseen rows of the same subjects: does p hold, and does the share of calls that was asked for?
function promises() {
  const items = shuffled(rows('mmlu.pairs.jsonl'), 1)
  const errors = [], off = []
  for (const share of SHARES)
    for (let fold = 0; fold < FOLDS; fold++) {
      const test = items.filter((q, i) => i % FOLDS === fold), said = ask(items.filter((q, i) => i % FOLDS !== fold), test, share)
      errors.push(calibration_error(said, test))
      off.push(Math.abs(said.filter(({ label }) => label === 'strong').length / said.length - share))
    }
  figure({ name: 'calibration error (15 bins)', value: mean(errors), interval: [Math.min(...errors), Math.max(...errors)], next: 0.03, goal: 0.015, least: true })
  figure({ name: `budget error, mean over shares of ${SHARES.join(', ')}`, value: mean(off), interval: [Math.min(...off), Math.max(...off)], next: 0.025, goal: 0.015, least: true })
}

export default async function () {
  await part('Strong or weak, MMLU: GPT-4 and Mixtral 8x7B; means over models (least to most), or 95 % by bootstrap', 'mmlu.pairs.jsonl', mmlu)
  await part('Strong or weak, MMLU: what the router promises of rows that it was not trained on', 'mmlu.pairs.jsonl', promises)
  await part('Strong or weak, GSM8K', ['gsm8k.pairs.jsonl', 'mmlu.pairs.jsonl'], gsm8k)
}
