// What a classifier costs: microseconds to read a text, seconds to train. The texts are made of seeded, made-up words, so that every machine reads the same.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BUILD } from './routers.mjs'

const LABELS = 150
const ROWS = 60

function dice(seed) {
  return (n) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor((seed / 2 ** 32) * n)
  }
}

const roll = dice(7)
const syllables = ['ba', 'ko', 'ri', 'ten', 'mo', 'sa', 'lu', 'fer', 'ni', 'gra', 'pi', 'do', 'ves', 'ta', 'hul', 'em']
const words = Array.from({ length: 3000 }, () => Array.from({ length: 2 + roll(3) }, () => syllables[roll(syllables.length)]).join(''))

// A label has thirty words of its own; a third of each text's nine words are among them.
const own = Array.from({ length: LABELS }, () => Array.from({ length: 30 }, () => words[roll(words.length)]))
const sentence = (label, count) => Array.from({ length: count }, (_, i) => (i % 3 === 0 ? own[label][roll(30)] : words[roll(words.length)])).join(' ')

export async function classify(context) {
  const data = join(context.root, 'labelled.jsonl'), model = join(context.root, 'labelled.model'), index = join(context.root, 'labelled.similar'), texts = join(context.root, 'texts')
  const rows = Array.from({ length: LABELS * ROWS }, (_, i) => JSON.stringify({ text: sentence(i % LABELS, 9), label: `label ${i % LABELS}` }))
  writeFileSync(data, rows.join('\n'))
  const { seconds } = JSON.parse(execFileSync(join(BUILD, 'wye'), ['train', data, '-o', model, '--json']))
  execFileSync(join(BUILD, 'wye'), ['train', '--similar', data, '-o', index, '--json'])
  const long = sentence(1, 600)
  writeFileSync(texts, `${sentence(1, 30)}\n${long.slice(0, 1024)}\n${long.slice(0, 2500)}\n`)
  const read = (learnt) => execFileSync(join(BUILD, 'bench/reading'), [learnt, texts], { encoding: 'utf8' }).trim().split('\n').map((line) => Number(line.split(' ')[1]))
  const rounds = Array.from({ length: context.rounds }, () => {
    const [words30, kilobyte, characters2500] = read(model)
    return { words30, kilobyte, characters2500, similar30: read(index)[0], seconds }
  })
  const figures = { words30: '30 words, us', kilobyte: '1 KB, us', characters2500: '2,500 char., us', similar30: '30 words by the nearest, us', seconds: 'training, s' }
  return [{ title: `classify: ${LABELS} labels, ${(LABELS * ROWS).toLocaleString('en-US')} rows`, rounds: { wye: rounds }, figures }]
}
