// Every recording of a provider crosses wye to a client of every protocol; `make conformance` prints the table.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pairs } from '../conformance/pairs.mjs'
import { skip } from '../support/shared.mjs'

test('recordings reach every client', { skip }, async () => {
  const results = await pairs()
  assert.ok(results.some(({ exact }) => exact) && results.some(({ exact }) => !exact), 'both kinds of pairs are there')
  const failed = results.filter(({ ok }) => !ok)
  assert.deepEqual(failed.map(({ recording, client, why }) => `${recording} for ${client}: ${why}`), [])
})
