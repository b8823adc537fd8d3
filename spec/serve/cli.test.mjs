// How verbs fail: the exit status, the words on standard error, and with --json the one object on standard output.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { chat, question } from '../support/client.mjs'
import { WYE, line, start, stop, until } from '../support/process.mjs'
import { cli, folder, place, serve, write } from '../support/wye.mjs'

const NOBODY = ['--admin', '127.0.0.1:1']

const PROJECT = {
  'wye.lua': 'return { models = { ["sim/fast"] = {} } }',
  'route.lua': 'local m = wye.model "sim/fast"\nreturn function(req) return m, "asked for " .. req.model end',
}

// Where nothing is: what a newcomer has before the first project.
function desert() {
  const home = folder()
  mkdirSync(join(home, 'folder'))
  write(home, { 'empty.jsonl': '', 'words.txt': 'not json\n' })
  return home
}

async function fails(args, code, words, options) {
  const bare = await cli(args, options)
  assert.equal(bare.code, code, `${args.join(' ')}: ${bare.stderr}`)
  assert.match(bare.stderr, words, args.join(' '))
  const { stdout, code: same } = await cli([...args, '--json'], options)
  assert.equal(same, code, args.join(' '))
  const said = JSON.parse(stdout)
  assert.equal(typeof said.error.message, 'string', args.join(' '))
  assert.ok(said.error.message.length > 0)
  return said.error
}

test('a wrong command line is 2, and names what was meant or the range', async () => {
  const cwd = desert()
  const wrong = [
    [['relod'], /did you mean 'reload'/],
    [['help', 'relod'], /did you mean 'reload'/],
    [['ab', 'rmp', 'x', '3'], /did you mean 'ramp'/],
    [['ab', 'report'], /report NAME/],
    [['ab', 'ramp', 'x', '120'], /'120' is no weight: a number from 0 to 100/],
    [['ab', 'ramp', 'x', ''], /'' is no weight/],
    [['ab', 'ramp', 'x', 'v2=-1'], /'v2=-1' is no weight/],
    [['ab', 'what-if', 'x', 'v1=50'], /add up to 50; they must add up to 100/],
    [['ab', 'report', 'x', '-q', 'nothing =='], /wye ab: /],
    [['key', 'ad', 'x'], /did you mean 'add'/],
    [['key', 'add', 'a b'], /'a b' is no name of a key/],
    [['key', 'add', 'x', '--rpm', '0'], /--rpm takes a whole number from 1 to/],
    [['trace', 'sav', 'x'], /did you mean 'save'/],
    [['trace', '-n', 'x'], /-n takes a whole number from 1/],
    [['top', '--since', '3x'], /--since 3x: it takes a span such as 90s/],
    [['hist', 'mss'], /no field mss/],
    [['use', '1', '--percent', '0'], /--percent takes a number over 0, up to 100/],
    [['use', '0'], /'0' is no generation/],
    [['use', 'one'], /'one' is no generation/],
    [['serve', '--listen', 'foo'], /--listen: "foo" is no address: write HOST:PORT/],
    [['serve', '--listen', '127.0.0.1:70000'], /a port is 0 to 65535/],
    [['serve', '--max-change', '101'], /percent, from 0 to 100/],
    [['sim', '--listen', 'foo'], /--listen: "foo" is no address/],
    [['status', '--admin', 'foo'], /--admin: "foo" is no address/],
    [['decide', 'x'], /-i FILE/],
    [['train', 'x'], /-o MODEL/],
    [['calibrate', 'x'], /-o calibrations/],
    [['calibrate', 'x', '-o', 'y', '--share', '2'], /a number from 0 to 1 is needed/],
    [['completion', 'tcsh'], /bash, zsh or fish/],
    [['export', '--as', 'xml'], /jsonl, otlp or perfetto/],
    [['eval', '--usd', 'x'], /a number above 0 is needed, not 'x'/],
    [['show'], /too few arguments/],
    [['version', 'x'], /unexpected argument 'x'/],
  ]
  for (const [args, words] of wrong) await fails(args, 2, words, { cwd })
})

test('an option has its whole name or none', async () => {
  for (const word of ['--wor', '--wor=3', '--w']) assert.match((await fails(['serve', word, '3'], 2, /unknown option '--w/)).message, /--w/)
  assert.match((await cli(['serve', '--wor', '3'])).stderr, /did you mean '--workers'/)
  assert.match((await cli(['trace', '--queri', 'x'])).stderr, /did you mean '--query'/)
  assert.equal((await cli(['top', '--by=served', '--trace', folder()])).code, 0)
})

test('what a file or a folder refuses is 1', async () => {
  const cwd = desert()
  const refused = [
    [['serve', 'nothing'], /cannot read the project nothing/],
    [['serve', 'words.txt'], /words.txt is no folder/],
    [['serve', 'folder'], /cannot read folder\/wye.lua/],
    [['check', 'nothing'], /cannot read the project nothing/],
    [['test', 'nothing'], /cannot read the project nothing/],
    [['eval', 'x', 'nothing'], /cannot read the project nothing/],
    [['decide', 'nothing', '-i', 'words.txt'], /nothing/],
    [['decide', 'nothing', '-i', 'folder'], /cannot read folder: Is a directory/],
    [['train', 'nothing', '-o', 'x'], /nothing: No such file/],
    [['train', 'folder', '-o', 'x'], /folder: is a folder/],
    [['train', 'empty.jsonl', '-o', 'x'], /empty.jsonl/],
    [['classify', 'nothing'], /cannot read nothing/],
    [['classify', 'folder'], /folder/],
    [['classify', 'empty.jsonl'], /empty.jsonl/],
    [['calibrate', 'nothing', '-o', 'x'], /nothing: No such file/],
    [['drift', 'nothing'], /nothing/],
    [['init', cwd], /is not empty; nothing was written/],
    [['trace', '--trace', 'nothing'], /nothing/],
    [['top', '--trace', 'words.txt'], /words.txt/],
    [['why', '--trace', 'nothing'], /nothing/],
    [['replay', 'nothing'], /nothing/],
    [['replay', place(PROJECT).dir, '--trace', 'nothing'], /nothing/],
  ]
  for (const [args, words] of refused) await fails(args, 1, words, { cwd })
})

test('inside of a project, its name is a dot', async () => {
  const { dir } = place(PROJECT)
  for (const verb of ['check', 'serve', 'eval', 'test']) await fails([verb], 1, /there is no project routes here, but this folder is one: name it by a dot/, { cwd: dir })
  assert.equal((await cli(['check', '.'], { cwd: dir })).code, 0)
})

test('a place is a member of its own', async () => {
  const cwd = desert()
  const error = await fails(['train', 'words.txt', '-o', 'x'], 1, /^words.txt:1: /, { cwd })
  assert.deepEqual({ ...error, message: '' }, { message: '', file: 'words.txt', line: 1 })
  assert.doesNotMatch(error.message, /words.txt/)
  const { dir } = place({ 'wye.lua': 'return {\n  modles = {},\n}\n' })
  const { file, line } = await fails(['serve', dir, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'], 1, /wye\.lua:2:/)
  assert.deepEqual([file, line], ['routes/wye.lua', 2])
})

test('no server is 3, whoever asks for it', async () => {
  const cwd = desert()
  const asking = [['reload'], ['load'], ['use', '1'], ['rollback'], ['drop', '1'], ['show', '1'], ['diff', '1', '2'], ['status'], ['ab', 'list'], ['ab', 'report', 'x'],
    ['trace'], ['why'], ['top'], ['hist', 'ms'], ['export'], ['replay', place(PROJECT).dir], ['key', 'list']]
  for (const args of asking) await fails([...args, ...NOBODY], 3, /no server at 127\.0\.0\.1:1/, { cwd })
  await fails(['status', '--admin', 'no-such-host.invalid:1'], 3, /no host of that name/)
})

test('the ready line of the simulator is JSON as well', async () => {
  const child = start(WYE, ['sim', '--listen', '127.0.0.1:0', '--json'])
  const [text] = await line(child, /^{.*}$/m)
  const { ready, listen } = JSON.parse(text)
  assert.deepEqual([ready, (await fetch(`${listen}/sim/stats`)).status], [true, 200])
  assert.equal((await stop(child, 'SIGINT')).code, 0)
})

test('what follows a trace until Ctrl-C ends by it', async () => {
  const w = await serve(PROJECT, { demo: true })
  const child = start(WYE, ['trace', '-f', '--json', '--trace', join(w.home, 'trace')])
  await until('a decision that came since', async () => {
    await chat(w, { model: 'auto', messages: question() })
    return /^{.*}$/m.test(child.out)
  })
  const { code, signal } = await stop(child, 'SIGINT')
  assert.ok(code === 130 || signal === 'SIGINT', `${code} ${signal}`)
  await w.stop()
})

test('an option says what it does for this verb', async () => {
  const help = async (verb) => (await cli([verb, '--help'])).stdout
  assert.match(await help('trace'), /-n, --count N +the newest N/)
  assert.match(await help('top'), /-n, --count N +the N most frequent/)
  assert.match(await help('check'), /--trace DIR +requests that were captured/)
  assert.match(await help('train'), /^Usage: wye train DATA -o MODEL \[options\]$/m)
})

test('help, completion and the fields are JSON as well', async () => {
  const json = async (...args) => JSON.parse((await cli([...args, '--json'])).stdout)
  assert.equal((await json('use', '--help')).verbs[0].name, 'use')
  assert.match((await json('completion', 'bash')).script, /complete -o default -F _wye wye\n$/)
  const { fields } = await json('trace', '--fields')
  assert.deepEqual(fields.find((f) => f.name === 'usd').type, 'number')
})

test('a check whose trace cannot be read has checked nothing', async () => {
  const { dir } = place(PROJECT)
  assert.match((await fails(['check', dir, '--trace', '/nonexistent'], 1, /\/nonexistent: No such file/)).message, /nonexistent/)
})

test('what a verb found wrong is an error of the object that it prints', async () => {
  const { home, dir } = place({ ...PROJECT, 'route.lua': 'return function(req)\n  return req.modl\nend' })
  const { code, stdout } = await cli(['check', dir, '--json'])
  const { ok, findings, error } = JSON.parse(stdout)
  assert.deepEqual([code, ok, error.file, error.line, error.message], [1, false, findings[0].file, findings[0].line, findings[0].message])
  write(dir, { 'route.lua': PROJECT['route.lua'] })
  assert.equal(JSON.parse((await cli(['check', dir, '--json'])).stdout).error, undefined)
  const doctor = JSON.parse((await cli(['doctor', join(home, 'nothing'), '--json', ...NOBODY])).stdout)
  assert.match(doctor.error.message, /cannot read the project/)
})

test('decide takes a request without a model for one of auto', async () => {
  const { home, dir } = place(PROJECT)
  write(home, { 'bare.json': '{"messages":[{"role":"user","content":"x"}]}', 'named.json': '{"messages":[{"role":"user","content":"x"}],"model":"wye/other"}', 'list.json': '[]' })
  const reason = async (file) => JSON.parse((await cli(['decide', join(dir, 'route.lua'), '-i', join(home, file), '--json'])).stdout).reason
  assert.equal(await reason('bare.json'), 'asked for auto')
  assert.equal(await reason('named.json'), 'asked for wye/other')
  await fails(['decide', join(dir, 'route.lua'), '-i', join(home, 'list.json')], 1, /the request is refused before any route runs/)
})

test('a server refuses with the same object', async () => {
  const w = await serve(PROJECT, { demo: true })
  for (const args of [['use', '9'], ['drop', '9'], ['show', '9'], ['diff', '1', '9'], ['rollback'], ['ab', 'ramp', 'x', '10'], ['ab', 'stop', 'x']]) {
    const { code, stdout } = await w.cli(...args, '--json')
    assert.equal(code, 1, args.join(' '))
    assert.ok(JSON.parse(stdout).error.message.length > 0, `${args.join(' ')}: ${stdout}`)
  }
  await w.stop()
})
