// wye eval --frontier over a file, beside the same figures worked out here from their definitions: from ranks, from one question after another, and by another bootstrap.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { WYE, run } from '../support/process.mjs'
import { folder } from '../support/wye.mjs'

const home = folder()
const path = (name) => join(home, name)
const write = (name, rows) => writeFileSync(path(name), rows.map((row) => JSON.stringify(row) + '\n').join(''))
const wye = (...args) => run(WYE, args, { cwd: home })
const near = (a, b, within, what) => assert.ok(Math.abs(a - b) <= within, `${what}: ${a}, not ${b}`)

// xorshift32: the same questions on every machine.
function dice(seed) {
  return () => {
    seed ^= seed << 13
    seed ^= seed >>> 17
    seed ^= seed << 5
    return (seed >>> 0) / 2 ** 32
  }
}

// A question leaves with those before it and half of those of its own p.
function apgr(rows) {
  const gap = rows.reduce((sum, r) => sum + r.strong - r.weak, 0)
  const rank = (r) => rows.reduce((sum, o) => sum + (o.p < r.p ? 1 : o.p === r.p ? 0.5 : 0), 0) / rows.length
  return rows.reduce((sum, r) => sum + (r.strong - r.weak) * (1 - rank(r)), 0) / gap
}

// Quality when that many questions have left, those of equal p a part of each.
function quality(rows, share) {
  let left = share * rows.length, right = 0
  for (const p of [...new Set(rows.map((r) => r.p))].sort((a, b) => a - b)) {
    const group = rows.filter((r) => r.p === p), part = Math.min(1, left / group.length)
    for (const r of group) right += part * r.strong + (1 - part) * r.weak
    left -= part * group.length
  }
  return right / rows.length
}

// The least share, in steps of a thousandth, that closes that part of the gap.
function cpt(rows, part) {
  const [weak, strong] = [quality(rows, 0), quality(rows, 1)]
  for (let i = 0; i <= 1000; i++) if (quality(rows, i / 1000) >= weak + part * (strong - weak) - 1e-12) return i / 1000
  return 1
}

// The ends of 95 % of the APGRs of questions drawn again.
function bootstrap(rows) {
  const roll = dice(99), times = 400
  const drawn = Array.from({ length: times }, () => apgr(rows.map(() => rows[Math.floor(roll() * rows.length)]))).sort((a, b) => a - b)
  return [drawn[Math.floor(0.025 * times)], drawn[Math.floor(0.975 * times)]]
}

function compare(said, rows) {
  near(said.weak, quality(rows, 0), 1e-6, 'weak')
  near(said.strong, quality(rows, 1), 1e-6, 'strong')
  near(said.apgr.value, apgr(rows), 1e-6, 'APGR')
  near(said.cpt50.value, cpt(rows, 0.5), 1.1e-3, 'CPT(50 %)')
  near(said.cpt80.value, cpt(rows, 0.8), 1.1e-3, 'CPT(80 %)')
  assert.equal(said.curve.length, 21)
  for (const [share, value] of said.curve) near(value, quality(rows, share), 1e-6, `quality at ${share}`)
  const [low, high] = bootstrap(rows)
  near(said.apgr.low, low, 0.2 * (high - low), 'low end')
  near(said.apgr.high, high, 0.2 * (high - low), 'high end')
}

const roll = dice(7)
const question = (i) => {
  const hard = roll() < 0.4
  return { text: `${hard ? 'prove the lemma' : 'name the town'} ${i % 37}`, weak: Number(roll() < (hard ? 0.4 : 0.85)), strong: Number(roll() < 0.88) }
}
const pairs = (count) => Array.from({ length: count }, (_, i) => question(i))

test('pairs, ranked by a router', async () => {
  const asked = pairs(240)
  write('train.jsonl', pairs(600))
  write('asked.jsonl', asked)
  assert.equal((await wye('train', '--pairs', 'train.jsonl', '-o', 'router.model')).code, 0)
  const { stdout } = await run('sh', ['-c', `${WYE} classify router.model < asked.jsonl`], { cwd: home })
  const rows = stdout.trim().split('\n').map((line, i) => ({ ...asked[i], p: JSON.parse(line).p }))
  const { code, stdout: said, stderr } = await wye('eval', '--frontier', 'asked.jsonl', '--router', 'router.model', '--json', '--weak-usd', '0.5', '--strong-usd', '10')
  assert.equal(code, 0, stderr)
  const frontier = JSON.parse(said)
  assert.ok(frontier.apgr.value > 0.55, said)
  compare(frontier, rows)
  // One model answers each question.
  assert.deepEqual([frontier.usd[0], frontier.usd[10], frontier.usd[20]], [0.5, 5.25, 10])
})

test('a cascade, ranked by its scores, whichever way they go', async () => {
  // Few different scores: most of them tie.
  const rows = Array.from({ length: 260 }, () => {
    const score = Math.floor(roll() * 12) / 12
    return { score, correct: Number(roll() < 0.3 + 0.6 * score), strong: Number(roll() < 0.9) }
  })
  for (const sign of [1, -1]) {
    write('scores.jsonl', rows.map((r) => ({ ...r, score: sign * r.score })))
    const { code, stdout, stderr } = await wye('eval', '--frontier', 'scores.jsonl', '--json', '--weak-usd', '0.5', '--strong-usd', '10')
    assert.equal(code, 0, stderr)
    const frontier = JSON.parse(stdout)
    compare(frontier, rows.map((r) => ({ p: r.score, weak: r.correct, strong: r.strong })))
    // The weak model answers all of them.
    assert.deepEqual([frontier.usd[0], frontier.usd[10], frontier.usd[20]], [0.5, 5.5, 10.5])
  }
  const { stdout } = await wye('eval', '--frontier', 'scores.jsonl', '--weak-usd', '0.5', '--strong-usd', '10')
  assert.match(stdout, /\(APGR\)[^]*strong calls {2}quality {2}\$ a thousand[^]* 50 % .* 5\.5000\n/)
})

test('what it needs is said', async () => {
  write('no_strong.jsonl', Array.from({ length: 30 }, (_, i) => ({ score: i / 30, correct: i % 2 })))
  write('pairs.jsonl', pairs(60))
  const cases = [
    [['no_strong.jsonl'], 1, /no_strong\.jsonl: no column 'strong'/],
    [['pairs.jsonl'], 2, /which model ranks the questions\? Give --router FILE/],
    [['pairs.jsonl', '--weak-usd', '1'], 2, /--weak-usd and --strong-usd belong together/],
    [['pairs.jsonl', '--weak-usd', 'one', '--strong-usd', '2'], 2, /--weak-usd is 'one'/],
  ]
  for (const [args, expected, words] of cases) {
    const { code, stderr } = await wye('eval', '--frontier', ...args)
    assert.equal(code, expected, stderr)
    assert.match(stderr, words)
  }
})
