// `make bench`: wye beside nginx and HAProxy on one core, in alternating rounds. README.md says what each figure means.
//   node spec/bench/run.mjs [quick] [only=NAME,...] [routers=NAME,...] [json]
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeBodies } from './bodies.mjs'
import { reached } from './goals.mjs'
import { median } from './measure.mjs'
import { BUILD, startMock, stop } from './routers.mjs'
import * as scenarios from './scenarios.mjs'

const words = process.argv.slice(2)
const value = (name) => words.find((word) => word.startsWith(`${name}=`))?.split('=')[1].split(',')
const quick = words.includes('quick')

const context = {
  quick,
  rounds: quick ? 3 : 5,
  seconds: quick ? 1 : 3,
  routers: value('routers') ?? ['wye', 'nginx', 'haproxy'],
  root: mkdtempSync(join(tmpdir(), 'wye-bench-')),
}
process.on('exit', () => rmSync(context.root, { recursive: true, force: true }))

// Takes rows of rounds by router; gives each figure's median and its ratio to nginx of the same round.
function summary(rounds, figures) {
  const out = {}
  for (const name of Object.keys(rounds)) {
    out[name] = {}
    for (const figure of figures) {
      const own = rounds[name].map((round) => round[figure])
      out[name][figure] = median(own)
      if (rounds.nginx) out[name][`${figure}_ratio`] = median(own.map((x, i) => x / rounds.nginx[i][figure]))
    }
  }
  return out
}

function number(x) {
  if (!Number.isFinite(x)) return '-'
  return x === 0 ? '0' : x >= 1000 ? Math.round(x).toLocaleString('en-US') : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2)
}

function table(title, result, figures) {
  console.log(`\n${title}`)
  const head = Object.entries(figures).map(([, label]) => label.padStart(16) + '÷nginx'.padStart(9))
  console.log('  ' + ''.padEnd(9) + head.join(''))
  for (const [name, row] of Object.entries(result)) {
    const cells = Object.keys(figures).map((key) => number(row[key]).padStart(16) + number(row[`${key}_ratio`]).padStart(9))
    console.log('  ' + name.padEnd(9) + cells.join(''))
  }
}

function revision() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return '(no git)'
  }
}

function goals(results) {
  const rows = reached(results)
  if (rows.length === 0) return
  console.log(`\n${'what wye is to reach'.padEnd(44)}${'reached'.padStart(10)}${'next'.padStart(10)}${'goal'.padStart(10)}`)
  for (const { figure, value, next, goal } of rows)
    console.log(`  ${figure.padEnd(42)}${number(value).padStart(10)}${number(next).padStart(10)}${number(goal).padStart(10)}  ${value <= goal ? 'goal' : value <= next ? 'ok' : 'NOT YET'}`)
}

async function main() {
  if (context.routers.includes('wye') && !existsSync(join(BUILD, 'wye'))) throw new Error(`${BUILD}/wye is not built`)
  const machine = `${cpus()[0].model.trim()}, ${cpus().length} processors, Linux ${release()}`
  const commit = revision()
  const json = { commit, machine, quick, results: {} }
  if (!words.includes('json')) console.log(`wye ${commit} on ${machine}; medians of ${context.rounds} alternating rounds`)
  context.bodies = writeBodies(context.root)
  context.mock = await startMock(['-n', '100', '-i', '5'])
  const wanted = value('only') ?? ['plain', 'added', 'held', 'events', 'memory', 'calls', 'limits', 'translated', 'experiment', 'shadow', 'reloads', 'live', 'classify', 'replays']
  for (const name of wanted) {
    for (const { title, rounds, figures } of await scenarios[name](context)) {
      const result = summary(rounds, Object.keys(figures))
      json.results[title] = result
      if (!words.includes('json')) table(title, result, figures)
    }
  }
  await stop(context.mock.child)
  json.goals = reached(json.results)
  if (!words.includes('json')) goals(json.results)
  if (words.includes('json')) console.log(JSON.stringify(json, null, 2))
}

await main().then(
  () => process.exit(0),
  (error) => {
    console.error(`bench: ${error.stack ?? error}`)
    process.exit(1)
  },
)
