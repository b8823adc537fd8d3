// The completion script, read by the shell that it is for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WYE, run } from '../support/process.mjs'

const complete = async (...words) => {
  const script = `source <("$0" completion bash); COMP_WORDS=(wye "$@"); COMP_CWORD=$#; _wye; echo "\${COMPREPLY[@]}"`
  const { code, stdout, stderr } = await run('bash', ['-c', script, WYE, ...words])
  assert.equal(code, 0, stderr)
  return stdout.trim().split(' ').filter(Boolean)
}

test('bash completes verbs and options of the tables', async () => {
  assert.deepEqual(await complete('rel'), ['reload'])
  assert.deepEqual((await complete('top', '--q')), ['--query'])
  assert.deepEqual(await complete('version', '--by'), [])
  assert.deepEqual(await complete('model', ''), ['list', 'drain', 'ready'])
  assert.deepEqual(await complete('ab', 're'), ['report'])
  assert.deepEqual(await complete('ab', 'what'), ['what-if'])
  assert.deepEqual(await complete('trace', 's'), ['save'])
  assert.deepEqual(await complete('doctor', '--de'), ['--demo'])
  assert.deepEqual(await complete('model', 'drain', 'li'), [])
  for (const shell of ['zsh', 'fish']) assert.match((await run(WYE, ['completion', shell])).stdout, /bashcompinit|complete -c wye .*-a reload/)
  assert.equal((await run(WYE, ['completion', 'tcsh'])).code, 2)
})
