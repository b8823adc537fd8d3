// `wye train` and `wye classify`: what programs read of them.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { WYE } from '../support/process.mjs'
import { chat, question } from '../support/client.mjs'
import { replies, project, upstream } from '../support/upstream.mjs'
import { cli, folder, place, serve, write } from '../support/wye.mjs'

const WORDS = { code: ['compile', 'pointer', 'function'], food: ['soup', 'bread', 'cheese'], travel: ['flight', 'hotel', 'train'] }
const rows = Object.entries(WORDS).flatMap(([label, words]) =>
  Array.from({ length: 30 }, (_, i) => ({ text: `tell me about the ${words[i % 3]} number ${i} of my ${words[(i + 1) % 3]}`, label })))
const lines = (values) => values.map((value) => JSON.stringify(value)).join('\n') + '\n'

function classify(model, input) {
  const { status, stdout, stderr } = spawnSync(WYE, ['classify', model], { input, encoding: 'utf8', timeout: 60000 })
  return { status, stderr, said: stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line)) }
}

async function trained(text = lines(rows)) {
  const dir = folder()
  write(dir, { 'data.jsonl': text })
  const model = join(dir, 'm.model')
  return { model, dir, ...(await cli(['train', join(dir, 'data.jsonl'), '-o', model, '--json'])) }
}

test('a model says of each line, in order, its label and two probabilities', async () => {
  const { model, code, stdout, stderr } = await trained()
  assert.equal(code, 0, stderr)
  const summary = JSON.parse(stdout.trim().split('\n').at(-1))
  assert.equal(summary.classes, 3)
  assert.equal(summary.rows, 90)
  assert.ok(summary.accuracy > 0.9 && summary.ece < 0.2 && summary.bytes > 1000)
  const asked = ['a pointer to a function', 'cheese on bread', 'the train to the hotel', 'soup']
  const { said } = classify(model, lines(asked.map((text, id) => ({ id, text }))))
  assert.deepEqual(said.map(({ label }) => label), ['code', 'food', 'travel', 'food'])
  for (const one of said) {
    assert.deepEqual(Object.keys(one), ['label', 'p', 'known'])
    assert.ok(one.p > 0 && one.p <= 1 && one.known >= 0 && one.known <= 1)
  }
})

test('who sends a line and waits gets its answer', async () => {
  const { model } = await trained()
  const child = spawn(WYE, ['classify', model])
  const ended = once(child, 'close')
  try {
    for (const [text, label] of [['soup', 'food'], ['a pointer', 'code']]) {
      child.stdin.write(lines([{ text }]))
      const [bytes] = await once(child.stdout, 'data', { signal: AbortSignal.timeout(20000) })
      assert.equal(JSON.parse(bytes).label, label)
    }
  } finally {
    child.stdin.end()
  }
  assert.deepEqual(await ended, [0, null])
})

test('what people read: a row for each label, and how sure it is', async () => {
  const { dir } = await trained()
  const { stdout } = await cli(['train', join(dir, 'data.jsonl'), '-o', join(dir, 'again.model')])
  assert.match(stdout, /^label +rows +precision +recall$/m)
  assert.match(stdout, /^food +30 +\d/m)
  assert.match(stdout, /accuracy [\d.]+, calibration error [\d.]+/)
})

// Words of code and food that no other source has: what is said of a source is what it is without it.
test('rows that say where they come from are held out source by source', async () => {
  const told = rows.map((row, i) => ({ ...row, source: row.label === 'travel' ? 'all' : i % 2 ? 'here' : 'there' }))
  const { code, stdout, stderr, dir } = await trained(lines(told))
  assert.equal(code, 0, stderr)
  const { sources } = JSON.parse(stdout)
  assert.deepEqual(sources.map(({ source, rows: count, held_out }) => [source, count, held_out]), [['there', 30, true], ['here', 30, true], ['all', 30, false]])
  for (const { accuracy } of sources) assert.ok(accuracy > 0.8 && accuracy <= 1)
  const people = await cli(['train', join(dir, 'data.jsonl'), '-o', join(dir, 'again.model'), '--source', 'source'])
  assert.match(people.stdout, /^source +rows +right +of it, trained on$/m)
  assert.match(people.stdout, /^here +30 +[\d.]+ +nothing$/m)
  assert.match(people.stdout, /^all +30 +[\d.]+ +other rows$/m)
  const wrong = await cli(['train', join(dir, 'data.jsonl'), '-o', join(dir, 'no.model'), '--source', 'sauce'])
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /data\.jsonl:1: no column 'sauce' \(did you mean 'source'\?\)/)
})

test('rows of label oos teach what is of no label', async () => {
  const strange = ['who won the match', 'sing me a song', 'is it raining', 'my cat sleeps', 'paint the wall']
  const oos = Array.from({ length: 40 }, (_, i) => ({ text: `${strange[i % 5]} ${['today', 'now', 'again', 'please'][i % 4]}`, label: 'oos' }))
  const { model, code, stderr } = await trained(lines([...rows, ...oos]))
  assert.equal(code, 0, stderr)
  const { said } = classify(model, lines([{ text: 'sing me a song about my cat' }, { text: 'tell me about the pointer number 3 of my function' }]))
  assert.equal(said[0].label, 'oos')
  assert.ok(said[0].known < 0.5 && said[1].known > 0.5)
  assert.equal(said[1].label, 'code')
})

test('what cannot be trained on or read is refused with its line', async () => {
  const bad = await trained('{"text":"a","label":"x"}\n{"text":"b","lable":"y"}\n')
  assert.equal(bad.code, 1)
  assert.match(bad.stderr, /data\.jsonl:2: no column 'label' \(did you mean 'lable'\?\)/)
  const { model, dir } = await trained()
  const half = classify(model, '{"text":"soup"}\n{"texts":"bread"}\n{"text":"cheese"}\n')
  assert.equal(half.status, 1)
  assert.equal(half.said.length, 1)
  assert.match(half.stderr, /standard input:2: no column 'text'/)
  assert.match(classify(join(dir, 'data.jsonl'), '').stderr, /not a model/)
  assert.match(classify(join(dir, 'none.model'), '').stderr, /cannot read .*none\.model: No such file/)
  assert.equal((await cli(['train', join(dir, 'data.jsonl')])).code, 2)
})

const ROUTE = `local intent = wye.classifier "intent"
local large, small = wye.model "a/large", wye.model "a/small"
return function(req)
  local label, p, known = intent(req.prompt)
  return label == "code" and large or small, ("%s %.4f %.4f"):format(label, p, known)
end
`

test('a route goes by the label; the trace notes it; a reload takes another model, never a broken one', async () => {
  const { model } = await trained()
  const up = await upstream({ large: replies.chat('large'), small: replies.chat('small') })
  const at = place(project(up, ['a/large', 'a/small'], { 'route.lua': ROUTE }))
  const installed = join(at.dir, 'classifiers/intent.model')
  mkdirSync(join(at.dir, 'classifiers'))
  copyFileSync(model, installed)
  const w = await serve(at)
  const ask = async (text) => (await chat(w, { model: 'auto', messages: question(text) })).headers['x-wye-model']
  assert.equal(await ask('a pointer to a function'), 'a/large')
  assert.equal(await ask('bread and cheese'), 'a/small')
  const [first] = await w.trace()
  const [{ text, data }] = first.notes
  assert.equal(text, 'classified')
  assert.deepEqual([data.classifier, data.label], ['intent', 'code'])
  assert.equal(first.reason, `code ${data.p.toFixed(4)} ${data.known.toFixed(4)}`)

  const turned = rows.map(({ text, label }) => ({ text, label: { code: 'food', food: 'code' }[label] ?? label }))
  copyFileSync((await trained(lines(turned))).model, installed)
  assert.equal((await w.cli('reload')).code, 0)
  assert.equal(await ask('bread and cheese'), 'a/large')

  const bytes = readFileSync(installed)
  bytes[bytes.length >> 1] ^= 1
  writeFileSync(installed, bytes)
  const refused = await w.cli('reload')
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /route\.lua:1: .*classifiers\/intent\.model: the model is damaged/)
  assert.equal(await ask('bread and cheese'), 'a/large')
  w.write({ 'route.lua': ROUTE.replace('"intent"', '"intend"') })
  assert.match((await w.cli('reload')).stderr, /did you mean 'classifiers\/intent\.model'\?/)
  await w.stop()
})

const NEAR = `local faq = wye.similar "faq"
local small = wye.model "a/small"
return function(req)
  local label, p, known = faq(req.prompt)
  local near = faq:nearest(req.prompt, 2)
  return small, wye.json.encode { label = label, p = p, known = known, near = near }
end
`

test('an index of examples: the nearest ones, their label, how sure', async () => {
  const dir = folder()
  write(dir, { 'data.jsonl': lines(rows) })
  const made = await cli(['train', '--similar', join(dir, 'data.jsonl'), '-o', join(dir, 'faq.similar'), '--json'])
  assert.equal(made.code, 0, made.stderr)
  const { classes, rows: count, accuracy } = JSON.parse(made.stdout)
  assert.deepEqual([classes, count], [3, 90])
  assert.ok(accuracy > 0.9)
  const up = await upstream({ small: replies.chat('small') })
  const at = place(project(up, ['a/small'], { 'route.lua': NEAR }))
  mkdirSync(join(at.dir, 'classifiers'))
  copyFileSync(join(dir, 'faq.similar'), join(at.dir, 'classifiers/faq.similar'))
  const w = await serve(at)
  for (const text of [rows[40].text, 'xyzzy qwfp', '']) await chat(w, { model: 'auto', messages: question(text) })
  const [same, strange, empty] = (await w.trace()).map(({ reason }) => JSON.parse(reason))
  assert.deepEqual([same.near[0].text, same.near[0].label, same.label], [rows[40].text, 'food', 'food'])
  assert.ok(same.near[0].score > 0.999 && same.near[1].score <= same.near[0].score)
  assert.ok(same.p > 0.5 && same.known > 0.5 && strange.known < 0.1)
  assert.equal(empty.known, 0)
  await w.stop()
})

// "lasagne" is in no example: only its vector says that it is eaten.
test('an index that takes word vectors along, read by wye classify', async () => {
  const dir = folder()
  const vectors = { soup: '1 0 0.1', bread: '0.9 0.1 0', cheese: '1 0.1 0', lasagne: '1 0 0', code: '0 1 0', bug: '0.1 1 0', loop: '0 0.9 0.1', paris: '0 0 1', oslo: '0.1 0 1' }
  const examples = [['soup', 'food'], ['bread', 'food'], ['cheese', 'food'], ['code', 'code'], ['bug', 'code'], ['loop', 'code'], ['paris', 'travel'], ['oslo', 'travel']]
  write(dir, { 'data.jsonl': lines(examples.map(([text, label]) => ({ text, label }))), 'words.vec': Object.entries(vectors).map((line) => line.join(' ')).join('\n') })
  const make = (...more) => cli(['train', '--similar', join(dir, 'data.jsonl'), '-o', join(dir, 'a.similar'), ...more])
  assert.match((await make()).stdout, /--embeddings FILE adds what they mean/)
  const read = (text) => classify(join(dir, 'a.similar'), JSON.stringify({ text }) + '\n').said[0]
  assert.equal(read('lasagne').known, 0)
  assert.match((await make('--embeddings', join(dir, 'words.vec'))).stdout, /made of and mean/)
  const { label, p } = read('lasagne')
  assert.equal(label, 'food')
  assert.ok(p > 1 / 3 && p <= 1)
  assert.match((await make('--embeddings', join(dir, 'data.jsonl'))).stderr, /data\.jsonl:1: a line must be a word/)
})
