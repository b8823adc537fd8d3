// What a text is about: intents (CLINC150, HWU64, BANKING77, SNIPS), what is of no intent, and kinds of prompts from sources that were not trained on.
// No threshold is fitted here: a text is out of scope when `known` is below a half.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BUILD, WYE } from '../support/process.mjs'
import { figure, halves, mean, part, path, rows, write, wye_json } from './frame.mjs'

const TEXTS = ({ text }) => text.trim() !== ''

const VECTORS = join(BUILD, 'english.vec')

function model(name, items, ...options) {
  const { bytes } = wye_json('train', write(name, items), '-o', path(`${name}.model`), ...options)
  return { file: path(`${name}.model`), bytes }
}

function read({ file }, items) {
  const input = readFileSync(write('asked', items.map(({ text }) => ({ text }))))
  const said = execFileSync(WYE, ['classify', file], { input, maxBuffer: 1 << 28 }).toString().trim().split('\n').map((line) => JSON.parse(line))
  return items.map(({ label }, i) => ({ ...said[i], truth: label, is_right: said[i].label === label }))
}

const accuracy = (said) => mean(said.map((s) => (s.is_right ? 1 : 0)))

// The share of pairs (in scope, out of scope) that `known` puts in the right order.
function auroc(inside, outside) {
  const all = [...inside.map((s) => [s.known, 1]), ...outside.map((s) => [s.known, 0])].sort((a, b) => a[0] - b[0])
  let sum = 0
  for (let i = 0; i < all.length; ) {
    let end = i
    while (end < all.length && all[end][0] === all[i][0]) end++
    for (let k = i; k < end; k++) sum += all[k][1] * ((i + end + 1) / 2)
    i = end
  }
  return (sum - (inside.length * (inside.length + 1)) / 2) / (inside.length * outside.length)
}

function calibration_error(said) {
  const bins = Array.from({ length: 15 }, () => 0)
  for (const { p, is_right } of said) bins[Math.min(14, Math.floor(p * 15))] += p - (is_right ? 1 : 0)
  return bins.reduce((sum, gap) => sum + Math.abs(gap), 0) / said.length
}

// The 95 % interval of a statistic of the rows, by 200 seeded resamples.
function interval(said, statistic) {
  const values = Array.from({ length: 200 }, (_, round) => {
    let seed = round * 7919 + 1
    const next = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32
    return statistic(said.map(() => said[Math.floor(next() * said.length)]))
  }).sort((a, b) => a - b)
  return [values[4], values[194]]
}

function share(name, said, goals) {
  figure({ name, value: 100 * accuracy(said), interval: interval(said, (s) => 100 * accuracy(s)), ...goals })
}

function index(name, items, ...options) {
  wye_json('train', '--similar', write(name, items), '-o', path(`${name}.similar`), ...options)
  return { file: path(`${name}.similar`) }
}

// By the nearest examples: CLINC's training set is larger than an index, which takes every second of its rows.
function nearest() {
  for (const [how, options] of [['', []], [', with word vectors', ['--embeddings', VECTORS]]]) {
    if (options.length && !existsSync(VECTORS)) continue
    const clinc = index('clinc', rows('clinc150.train.jsonl').filter((_, i) => i % 2 === 0), ...options)
    const inside = read(clinc, rows('clinc150.val.jsonl'))
    share(`nearest of half of CLINC150${how}, %`, inside, {})
    figure({ name: `the same: AUROC${how}`, value: auroc(inside, read(clinc, rows('clinc150.oos_val.jsonl'))) })
    share(`nearest of HWU64${how}, %`, read(index('hwu', rows('hwu64.train.jsonl'), ...options), rows('hwu64.valid.jsonl')), {})
    const [kept, others] = [0, 1].map((k) => rows('banking77.train.jsonl').filter(TEXTS).filter((_, i) => (i % 10 === 0) === (k === 0)))
    share(`nearest of BANKING77, a tenth kept back${how}, %`, read(index('banking', others, ...options), kept), {})
  }
}

function clinc() {
  const m = model('clinc', [...rows('clinc150.train.jsonl'), ...rows('clinc150.oos_train.jsonl')])
  const inside = read(m, rows('clinc150.val.jsonl')), outside = read(m, rows('clinc150.oos_val.jsonl'))
  share('CLINC150 in-scope accuracy, validation, %', inside, { published: 'SVM 88.2, BERT 96.2', next: 92.4, goal: 93.5 })
  share('CLINC150 out-of-scope recall, validation (100 rows), %', outside, { published: 'SVM 18.0, BERT 52.3', next: 55, goal: 62 })
  figure({ name: 'CLINC150 AUROC', value: auroc(inside, outside), next: 0.96, goal: 0.97 })
  figure({ name: 'CLINC150 calibration error', value: calibration_error([...inside, ...outside]), next: 0.03, goal: 0.015, least: true })
  figure({ name: 'size of the model, MB', value: m.bytes / 1e6, next: 6, least: true })
}

function with_vectors() {
  if (!existsSync(VECTORS)) return console.log('  skipped: no word vectors (`make embeddings` fetches them)')
  const clinc = model('clinc', [...rows('clinc150.train.jsonl'), ...rows('clinc150.oos_train.jsonl')], '--embeddings', VECTORS)
  const inside = read(clinc, rows('clinc150.val.jsonl')), outside = read(clinc, rows('clinc150.oos_val.jsonl'))
  share('CLINC150 in-scope accuracy, validation, %', inside, { published: 'USE-MLP 93.4', next: 93.8, goal: 95.5 })
  share('CLINC150 out-of-scope recall, validation (100 rows), %', outside, { published: 'USE-MLP 49.1', next: 60, goal: 70 })
  figure({ name: 'CLINC150 AUROC', value: auroc(inside, outside), next: 0.965, goal: 0.975 })
  const hwu = read(model('hwu', rows('hwu64.train.jsonl'), '--embeddings', VECTORS), rows('hwu64.valid.jsonl'))
  share('HWU64 accuracy, validation, %', hwu, { published: 'BERT about 92.6', next: 89, goal: 92.7 })
}

function intents() {
  const hwu = read(model('hwu', rows('hwu64.train.jsonl')), rows('hwu64.valid.jsonl'))
  share('HWU64 accuracy, validation, %', hwu, { published: 'BERT about 92.6', next: 88.8 })
  figure({ name: 'HWU64 calibration error', value: calibration_error(hwu), next: 0.03, goal: 0.015, least: true })
  const snips = read(model('snips', rows('snips.train.jsonl')), rows('snips.valid.jsonl'))
  share('SNIPS accuracy, validation, %', snips, {})
}

// There is no validation split: a quarter of the rows is kept back, so the model has seen fewer than those of the published figures.
function banking() {
  const [a, b] = halves(rows('banking77.train.jsonl').filter(TEXTS), 1)
  const [c, kept] = halves(b, 2)
  const said = read(model('banking', [...a, ...c]), kept)
  share('BANKING77 accuracy, a quarter kept back, %', said, { published: 'BERT 93.66' })
  figure({ name: 'BANKING77 calibration error', value: calibration_error(said), next: 0.03, goal: 0.015, least: true })
}

function near() {
  const m = model('near', rows('banking77-oos.train.jsonl').filter(TEXTS))
  const inside = read(m, rows('banking77-oos.valid.jsonl').filter(TEXTS))
  figure({ name: 'near-domain (banking, other intents) AUROC', value: auroc(inside, read(m, rows('banking77-oos.id-oos.valid.jsonl'))), next: 0.82, goal: 0.87 })
  figure({ name: 'far out of scope AUROC', value: auroc(inside, read(m, rows('banking77-oos.ood-oos.valid.jsonl'))) })
}

// Each source of code and math in turn is kept back, and half of the labels that have one source only. Beside the whole, each source by itself: one large one must not hide the others.
function kinds() {
  const all = rows('prompts.jsonl').filter(TEXTS)
  const sources = (label) => [...new Set(all.filter((r) => r.label === label).map((r) => r.source))]
  const alone = all.filter((r) => sources(r.label).length === 1)
  const said = ['code', 'math'].flatMap((label) => sources(label)).flatMap((source) => {
    const [trained, asked] = halves(alone, 3)
    const others = all.filter((r) => !alone.includes(r) && r.source !== source)
    const kept = all.filter((r) => r.source === source)
    const answers = read(model('kinds', [...others, ...trained]), [...kept, ...asked])
    share(`prompts of ${source}, held out, %`, answers.slice(0, kept.length), {})
    return answers.slice(0, kept.length + Math.min(kept.length, asked.length))
  })
  for (const label of new Set(alone.map((r) => r.label))) share(`${label}, other rows of its only source trained on, %`, said.filter((s) => s.truth === label), {})
  const both = said.filter((s) => s.truth === 'code' && s.is_right).length
  const f1 = (2 * both) / (said.filter((s) => s.truth === 'code').length + said.filter((s) => s.label === 'code').length)
  share('kind of prompt, sources held out: accuracy, %', said, { published: 'regex 73', next: 85, goal: 92 })
  figure({ name: 'the same: F1 of code', value: f1, published: 'regex .73', next: 0.85, goal: 0.92 })
}

export default async function () {
  await part('Intents', ['clinc150.train.jsonl', 'clinc150.oos_train.jsonl', 'clinc150.val.jsonl', 'clinc150.oos_val.jsonl'], clinc)
  await part('Intents, with word vectors', ['clinc150.train.jsonl', 'clinc150.oos_train.jsonl', 'clinc150.val.jsonl', 'clinc150.oos_val.jsonl', 'hwu64.train.jsonl', 'hwu64.valid.jsonl'], with_vectors)
  await part('Intents, by the nearest examples', ['clinc150.train.jsonl', 'clinc150.val.jsonl', 'clinc150.oos_val.jsonl', 'hwu64.train.jsonl', 'hwu64.valid.jsonl', 'banking77.train.jsonl'], nearest)
  await part('More intents', ['hwu64.train.jsonl', 'hwu64.valid.jsonl', 'snips.train.jsonl', 'snips.valid.jsonl'], intents)
  await part('Banking', 'banking77.train.jsonl', banking)
  await part('Of no intent', ['banking77-oos.train.jsonl', 'banking77-oos.valid.jsonl', 'banking77-oos.id-oos.valid.jsonl', 'banking77-oos.ood-oos.valid.jsonl'], near)
  await part('Kinds of prompts', 'prompts.jsonl', kinds)
}
