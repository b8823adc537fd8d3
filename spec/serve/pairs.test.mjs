// train --pairs: from whether two models were right to a router, and what bad data is told.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { WYE, run } from '../support/process.mjs'
import { folder } from '../support/wye.mjs'

const home = folder()
const path = (name) => join(home, name)
const wye = (...args) => run(WYE, args)

// The weak model knows small sums and no proofs; the strong one misses one in ten.
function pair(i) {
  const is_hard = (i * 7919) % 3 === 0
  const text = is_hard ? `Prove that every group of order ${i} has a normal subgroup.` : `How much is ${i} apples and ${i % 13} pears?`
  return { text, weak: is_hard ? Number(i % 10 === 0) : Number(i % 20 > 0), strong: Number(i % 11 > 0) }
}
const rows = Array.from({ length: 900 }, (_, i) => pair(i))
const lines = (items) => items.map((item) => JSON.stringify(item) + '\n').join('')

test('a router learns which questions the weak model can take', async () => {
  writeFileSync(path('pairs.jsonl'), lines(rows))
  const { code, stdout, stderr } = await wye('train', '--pairs', path('pairs.jsonl'), '-o', path('router.model'), '--share', '0.3', '--json')
  assert.equal(code, 0, stderr)
  const report = JSON.parse(stdout)
  assert.equal(report.rows, 900)
  assert.ok(report.frontier.apgr.value > 0.8, `APGR ${report.frontier.apgr.value}`)
  assert.ok(report.ece < 0.05, `calibration error ${report.ece}`)
  const asked = ['Prove that every group of order 4711 has a normal subgroup.', 'How much is 1021 apples and 3 pears?']
  writeFileSync(path('asked.jsonl'), lines(asked.map((text) => ({ text }))))
  const said = (await run('sh', ['-c', `${WYE} classify ${path('router.model')} < ${path('asked.jsonl')}`])).stdout.trim().split('\n').map((line) => JSON.parse(line))
  assert.deepEqual(said.map((s) => s.label), ['strong', 'weak'])
  assert.ok(said[0].p < 0.35 && said[1].p > 0.8, JSON.stringify(said))
})

// xorshift32: the same rows on every machine. Its first numbers are alike for like seeds.
function dice(seed) {
  const roll = () => {
    seed ^= seed << 13
    seed ^= seed >>> 17
    seed ^= seed << 5
    return (seed >>> 0) / 2 ** 32
  }
  for (let i = 0; i < 20; i++) roll()
  return (n) => Math.floor(roll() * n)
}

// The weak model is right of half of the domains more often than of the others; most words say nothing. 300 rows are few for that.
const SYLLABLES = ['ba', 'ko', 'ri', 'ten', 'mo', 'sa', 'lu', 'fer', 'ni', 'gra']
const word = (n) => [...String(n)].map((digit) => SYLLABLES[digit]).join('')
function about(roll) {
  const domain = roll(12)
  const words = [...Array.from({ length: 2 }, () => word(1000 + 40 * domain + roll(8))), ...Array.from({ length: 8 }, () => word(roll(300)))]
  return { text: words.join(' '), domain: roll(20) ? `subject ${domain}` : null, weak: Number(roll(10) < (domain % 2 ? 8 : 4)), strong: Number(roll(10) < 9) }
}

async function gap_closed(train, test) {
  writeFileSync(path('few.jsonl'), lines(train))
  writeFileSync(path('others.jsonl'), lines(test))
  assert.equal((await wye('train', '--pairs', path('few.jsonl'), '-o', path('few.model'))).code, 0)
  return JSON.parse((await wye('eval', '--frontier', path('others.jsonl'), '--router', path('few.model'), '--json')).stdout).apgr.value
}

test('a few rows are enough for the right order; the domain, where it is known, takes chance out of them', async () => {
  let more = 0
  for (let seed = 1; seed <= 4; seed++) {
    const roll = dice(seed * 7919 + 123456789)
    const train = Array.from({ length: 300 }, () => about(roll)), test = Array.from({ length: 1500 }, () => about(roll))
    const told = await gap_closed(train, test), untold = await gap_closed(train.map(({ domain, ...rest }) => rest), test)
    assert.ok(told > 0.54 && untold > 0.54, `seed ${seed}: APGR ${told} with domains, ${untold} without`)
    more += told - untold
  }
  assert.ok(more > 0.02, `domains add ${more / 4}`)
})

test('the same data makes the same bytes', async () => {
  for (const name of ['a', 'b']) await wye('train', '--pairs', path('pairs.jsonl'), '-o', path(name))
  assert.ok(readFileSync(path('a')).equals(readFileSync(path('b'))))
})

test('bad pairs are refused with their line', async () => {
  const cases = [
    [lines(rows.slice(0, 9)), /pairs\.jsonl: 9 rows; pairs need at least 50/],
    [lines(rows.map((r) => ({ ...r, weak: 1 }))), /'weak' is 1 in every row/],
    [lines(rows.map((r) => ({ ...r, strong: 0 }))), /'strong' is 0 in every row/],
    [lines([...rows.slice(0, 60), { text: 'x', weak: 2, strong: 1 }]), /pairs\.jsonl:61: column 'weak' is 2; it must be 0 or 1/],
    [lines([...rows.slice(0, 60), { text: 'x', weak: 1, stong: 1 }]), /pairs\.jsonl:61: no column 'strong' \(did you mean 'stong'\?\)/],
    [lines([...rows.slice(0, 60), { text: 5, weak: 1, strong: 1 }]), /pairs\.jsonl:61: no "text"/],
    [lines(rows.slice(0, 60)) + '{"text":', /pairs\.jsonl:61: no valid JSON/],
  ]
  for (const [text, words] of cases) {
    writeFileSync(path('pairs.jsonl'), text)
    const { code, stderr } = await wye('train', '--pairs', path('pairs.jsonl'), '-o', path('out.model'))
    assert.equal(code, 1, stderr)
    assert.match(stderr, words)
  }
  assert.equal((await wye('train', '--pairs', path('pairs.jsonl'), '-o', path('x'), '--share', 'half')).code, 2)
})

test('a strong model that is always right leaves the weak one to be learnt, and options without use are refused', async () => {
  writeFileSync(path('pairs.jsonl'), lines(rows.map((r) => ({ ...r, strong: 1 }))))
  const made = await wye('train', '--pairs', path('pairs.jsonl'), '-o', path('sure.model'), '--json')
  assert.equal(made.code, 0, made.stderr)
  assert.match(made.stderr, /'strong' is 1 in every row/)
  const { frontier, suffices } = JSON.parse(made.stdout)
  assert.ok(frontier.apgr.value > 0.7, `APGR ${frontier.apgr.value}`)
  assert.ok(Math.abs(suffices - rows.filter((r) => r.weak).length / rows.length) < 1e-5)
  for (const [args, words] of [[['--share', '0.3'], /--share has no use without --pairs/], [['--pairs', '--similar'], /--pairs has no use with --similar/],
    [['--pairs', '--embeddings', 'x.vec'], /--embeddings has no use with --pairs/], [['--similar', '--source', 'x'], /--source has no use with --similar/]]) {
    const { code, stderr } = await wye('train', path('pairs.jsonl'), '-o', path('no.model'), ...args)
    assert.equal(code, 2)
    assert.match(stderr, words)
  }
})
