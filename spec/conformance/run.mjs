// `node spec/conformance/run.mjs [--json] [recordings|requests|clients]…`: what crossed wye as it should, in a table for each part; each failure in words. Ends with 1 when there is one.
import { skip } from '../support/shared.mjs'

// Of each part: its results, and where one of them stands in the table.
const PARTS = {
  recordings: {
    needs: skip,
    title: 'recordings: provider and wire, to clients of',
    run: async () => (await import('./pairs.mjs')).pairs(),
    row: (r) => `${r.provider} ${r.wire}`,
    column: (r) => r.client,
    name: (r) => `${r.recording} for ${r.client}`,
    mark: (r) => (r.exact ? ' exact' : ''),
  },
  requests: {
    needs: skip,
    title: 'requests forwarded: wire, from clients of',
    run: async () => (await import('./openapi.mjs')).openapi(),
    row: (r) => r.target,
    column: (r) => r.client,
    name: (r) => `${r.request} of ${r.client} to ${r.target}`,
  },
  clients: {
    title: 'conversations: client, with model',
    run: async () => (await import('./agents.mjs')).agents(),
    row: (r) => r.client,
    column: (r) => r.model,
    name: (r) => `${r.client} with ${r.model}`,
  },
}

const unique = (list) => [...new Set(list)]

function table({ title, row, column, mark = () => '' }, results) {
  const columns = unique(results.map(column))
  const cell = (name, at) => {
    const mine = results.filter((r) => row(r) === name && column(r) === at)
    return mine.length === 0 ? '' : `${mine.filter(({ ok }) => ok).length}/${mine.length}${mark(mine[0])}`
  }
  const lines = [[title, ...columns], ...unique(results.map(row)).map((name) => [name, ...columns.map((at) => cell(name, at))])]
  const width = columns.map((at) => Math.max(13, at.length + 2))
  return lines.map(([name, ...cells]) => `${name.padEnd(46)}${cells.map((text, i) => text.padEnd(width[i])).join('')}`.trimEnd()).join('\n')
}

const flags = process.argv.slice(2)
const chosen = flags.filter((flag) => flag in PARTS)
const as_json = flags.includes('--json')
const report = { passed: 0, failed: 0 }
globalThis.AI_SDK_LOG_WARNINGS = false
for (const name of chosen.length > 0 ? chosen : Object.keys(PARTS)) {
  const part = PARTS[name]
  if (part.needs) {
    console.error(`${name}: skipped: ${part.needs}`)
    continue
  }
  const results = await part.run()
  const failed = results.filter(({ ok }) => !ok)
  report.passed += results.length - failed.length
  report.failed += failed.length
  report[name] = results
  if (as_json) continue
  console.log(table(part, results))
  for (const result of failed) console.log(`FAIL ${part.name(result)}: ${result.why}`)
  console.log()
}
console.log(as_json ? JSON.stringify(report) : `${report.passed} passed, ${report.failed} failed`)
process.exitCode = report.failed > 0 ? 1 : 0
