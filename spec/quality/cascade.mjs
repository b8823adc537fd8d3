// Cascades on recorded answers: two or three cheap drafts, and the strong model where they do not agree. The threshold comes from one half of the
// questions, the figures from the other.
import { figure, halves, mean, part, path, rows, write, wye_json } from './frame.mjs'

const HALVINGS = 40

// US dollars per million tokens: list prices, the open models' as Groq's (2024).
const PRICES = {
  'Meta-Llama-3.1-8B-Instruct': [0.05, 0.08],
  'gemma-2-9b-it': [0.2, 0.2],
  'gpt-4o-mini-2024-07-18': [0.15, 0.6],
  'claude-3-5-sonnet-20241022': [3, 15],
}
const CHARS_PER_TOKEN = 4

// RouteLLM's router sees the question only; a cascade sees an answer too, which it has paid for.
const GOALS = { apgr: { published: 'RouteLLM best .622', next: 0.88, goal: 0.91 }, matching: { next: 0.35, goal: 0.25 } }
const TARGET = 0.995

const normalised = (answer) => String(answer ?? '').replace(/[$,%\s]/g, '').replace(/\.0*$/, '').toLowerCase()

// How many drafts agree with the first; longer and invalid ones are less sure.
function score(drafts) {
  const answers = drafts.map((d) => normalised(d.answer))
  const agreement = answers.filter((a) => a !== '' && a === answers[0]).length / answers.length
  return agreement - (drafts[0].valid ? 0 : 1) - Math.min(drafts[0].chars, 5000) / 50000
}

function dollars(items, model) {
  const [input, output] = PRICES[model]
  return mean(items.map((q) => (q.text.length * input + q.models[model].chars * output) / CHARS_PER_TOKEN / 1000)) // a thousand questions
}

// Means over random halvings.
function cascade(items, target) {
  const found = []
  for (let seed = 1; seed <= HALVINGS; seed++) {
    const [fit, test] = halves(items, seed)
    const strong = mean(fit.map((q) => q.strong))
    const files = [write('fit', fit), write('test', test)]
    wye_json('calibrate', files[0], '-o', path('c.json'), '--quality', String(target * strong))
    const r = wye_json('calibrate', files[1], '--with', path('c.json'))
    found.push({ apgr: r.frontier.apgr.value, matching: r.frontier.matching.value, share: r.share, kept: r.quality / r.frontier.strong })
  }
  const spread = (key) => found.map((f) => f[key]).sort((a, b) => a - b)
  return Object.fromEntries(Object.keys(found[0]).map((key) => [key, { value: mean(spread(key)), interval: [spread(key)[0], spread(key).at(-1)] }]))
}

function report(what, r, goals) {
  figure({ name: `${what}: APGR`, ...r.apgr, ...goals?.apgr })
  figure({ name: `${what}: share of strong calls at 99.5 % of its accuracy`, ...r.matching, ...goals?.matching, least: true })
  figure({ name: `${what}: share with the threshold of the other half`, ...r.share })
  figure({ name: `${what}: its accuracy ÷ the strong model's`, ...r.kept, next: TARGET, goal: TARGET })
}

function gsm8k() {
  const items = rows('gsm8k.cascade.jsonl')
  const strong = 'claude-3-5-sonnet-20241022'
  const chains = { 'two drafts': ['Meta-Llama-3.1-8B-Instruct', 'gemma-2-9b-it'] }
  chains['three drafts'] = [...chains['two drafts'], 'gpt-4o-mini-2024-07-18']
  for (const [name, drafts] of Object.entries(chains)) {
    const scored = items.map((q) => ({ score: score(drafts.map((m) => q.models[m])), correct: q.models[drafts[0]].correct, strong: q.models[strong].correct }))
    const r = cascade(scored, TARGET)
    report(name, r, GOALS)
    const cheap = drafts.reduce((sum, m) => sum + dollars(items, m), 0), dear = dollars(items, strong)
    figure({ name: `${name}: dollars per thousand questions at that threshold`, value: cheap + r.share.value * dear,
      note: `$${dear.toFixed(2)} on ${strong} alone; $${cheap.toFixed(2)} of it are the drafts` })
  }
}

function mmlu_pro() {
  const drafts = ['Meta-Llama-3_1-8B-Instruct', 'Phi-3-mini-4k-instruct', 'Mixtral-8x7B-Instruct-v0.1']
  const strong = 'gemini-1.5-flash-002'
  const items = rows('mmlu_pro.cascade.jsonl')
  const right = (q, m) => (q.pred[m] === q.gold ? 1 : 0)
  const scored = items.map((q) => ({
    score: drafts.filter((m) => q.pred[m] === q.pred[drafts[0]]).length / drafts.length, correct: right(q, drafts[0]), strong: right(q, strong) }))
  report('three drafts', cascade(scored, TARGET))
}

export default async function () {
  await part(`Cascade, GSM8K: agreement, validity and length of the drafts; means over ${HALVINGS} halvings (least to most)`, 'gsm8k.cascade.jsonl', gsm8k)
  await part('Cascade, MMLU-Pro: agreement of three small models, ten answers to choose from', 'mmlu_pro.cascade.jsonl', mmlu_pro)
}
