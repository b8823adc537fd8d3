// `node spec/conformance/run.mjs [--json]`: recordings that crossed wye as they should, per client and provider; each failure with its file. Ends with 1 when there is one.
import { skip } from '../support/shared.mjs'
import { pairs } from './pairs.mjs'

const CLIENTS = ['chat', 'messages', 'responses', 'embeddings']

function table(results) {
  const rows = [...new Set(results.map(({ provider, wire }) => `${provider} ${wire}`))]
  const cell = (row, client) => {
    const mine = results.filter((r) => `${r.provider} ${r.wire}` === row && r.client === client)
    return mine.length === 0 ? '' : `${mine.filter(({ ok }) => ok).length}/${mine.length}${mine[0].exact ? ' exact' : ''}`
  }
  const lines = [['provider wire', ...CLIENTS], ...rows.map((row) => [row, ...CLIENTS.map((client) => cell(row, client))])]
  return lines.map(([row, ...cells]) => `${row.padEnd(26)}${cells.map((text) => text.padEnd(14)).join('')}`.trimEnd()).join('\n')
}

if (skip) {
  console.log(`skipped: ${skip}`)
} else {
  const results = await pairs()
  const failed = results.filter(({ ok }) => !ok)
  if (process.argv.includes('--json')) console.log(JSON.stringify({ passed: results.length - failed.length, failed: failed.length, results }))
  else {
    console.log(table(results))
    for (const { recording, client, why } of failed) console.log(`FAIL ${recording} for ${client}: ${why}`)
    console.log(`${results.length - failed.length} passed, ${failed.length} failed`)
  }
  process.exitCode = failed.length > 0 ? 1 : 0
}
