// What the parts of `make quality` share: the data sets beside the project, seeded splits, wye's verbs, and the lines of the report.
//   part('Calibration', 'confidence.imdb.jsonl', async (rows) => { figure({ … }) })
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, WYE } from '../support/process.mjs'

const places = [process.env.WYE_SHARED, join(ROOT, '../shared'), join(ROOT, '../../shared')].filter(Boolean)
const data = places.map((place) => join(place, 'data')).find(existsSync)
const folder = mkdtempSync(join(tmpdir(), 'wye-quality-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

export const has = (name) => data !== undefined && existsSync(join(data, name))
export const rows = (name) => readFileSync(join(data, name), 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line))
export const path = (name) => join(folder, name)

export function write(name, items) {
  writeFileSync(path(name), items.map((item) => JSON.stringify(item) + '\n').join(''))
  return path(name)
}

// Ends the run when the verb fails: a figure that could not be measured is no figure.
export function wye(...args) {
  const { status, stdout, stderr } = spawnSync(WYE, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(`wye ${args.join(' ')}: ${stderr}`)
  return stdout
}
export const wye_json = (...args) => JSON.parse(wye(...args, '--json'))

// [0, 1) for a seed and a number, the same everywhere (SplitMix64's mixer in 32 bits).
function chance(seed, i) {
  let z = Math.imul(seed * 0x10001 + i + 1, 0x9e3779b9)
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
  return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32
}

// Two halves, at random but the same in each run.
export function halves(items, seed) {
  const parts = [[], []]
  items.forEach((item, i) => parts[chance(seed, i) < 0.5 ? 0 : 1].push(item))
  return parts
}

export function shuffled(items, seed) {
  const keyed = items.map((item, i) => [chance(seed, i), item])
  return keyed.sort((a, b) => a[0] - b[0]).map(([, item]) => item)
}

export const mean = (numbers) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length

let missed = 0
const text = (n) => (n === undefined ? '–' : typeof n === 'number' ? String(Number(n.toPrecision(4))) : n)
// `next`, `goal`: what is to be reached; less is better with `least`.
export function figure({ name, value, interval, published, next, goal, least = false, note }) {
  const reaches = (mark) => (least ? value <= mark : value >= mark)
  const verdict = next === undefined ? 'no mark set' : goal !== undefined && reaches(goal) ? 'goal' : reaches(next) ? 'reached' : 'MISSED'
  if (verdict === 'MISSED') missed++
  const shown = text(value) + (interval ? ` (${interval.map(text).join(' to ')})` : '')
  const cells = [name.padEnd(58), shown.padEnd(24), text(published).padEnd(22), text(next).padEnd(7), text(goal).padEnd(7), verdict]
  console.log('  ' + cells.join(' ').trimEnd() + (note ? `\n      ${note}` : ''))
}

export async function part(title, needs, run) {
  console.log(`\n${title}`)
  const lacks = [needs].flat().find((name) => !has(name))
  if (lacks) return console.log(`  skipped: no ../shared/data/${lacks} (WYE_SHARED names the folder)`)
  console.log('  ' + ['figure'.padEnd(58), 'here'.padEnd(24), 'published'.padEnd(22), 'next'.padEnd(7), 'goal'.padEnd(7), 'is'].join(' '))
  await run()
}

export const misses = () => missed
