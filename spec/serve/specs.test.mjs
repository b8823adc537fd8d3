// `wye test`: a project's specs under busted, driving its routes through the test kit.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cli, place } from '../support/wye.mjs'

const WYE_LUA = `return {
  providers = { a = { kind = "openai", base_url = "http://127.0.0.1:9/v1" } },
  models = { ["a/good"] = {}, ["a/judge"] = {} },
}
`
const ROUTE_LUA = `local good, judge = wye.model "a/good", wye.model "a/judge"
return function(req)
  if req.headers["x-team"] == "legal" then return wye.refuse(451, "not here") end
  local reply, err = judge:ask(req)
  wye.note("judged", { err = err and err.kind })
  if req.prompt == "raise" then error("deliberate") end
  if err then return { good, judge }, err.kind end
  if reply.json and reply.json.serve then return reply, "kept" end
  return good, reply.text
end
`

function specs(text, files = {}) {
  const spec = `local kit = require "wye.testkit"\n${text}`
  return place({ 'wye.lua': WYE_LUA, 'route.lua': ROUTE_LUA, 'specs/route_spec.lua': spec, ...files }).dir
}

const it = (body) => specs(`it("works", function()\n  local t = kit.project()\n${body}\nend)\n`)

async function passes(dir) {
  const { code, stdout, stderr } = await cli(['test', dir])
  assert.equal(code, 0, stdout + stderr)
  assert.match(stdout, /^[1-9]\d* success\w* \/ 0 failures \/ 0 errors/m)
}

async function fails(dir, words, options) {
  const { code, stdout, stderr } = await cli(['test', dir], options)
  assert.equal(code, 1, stdout + stderr)
  assert.match(stdout + stderr, words)
}

test('every kind of decision is told', () =>
  passes(it(`
  local d = t:decide("route", "Hello!")
  assert.are.same({ "model", "a/good", '{"answer":"ok"}' }, { d.kind, d.model, d.reason })
  assert.are.equal("routes/route.lua:9", d.line)

  t:fake("a/judge", { error = "timeout", message = "slow" })
  d = t:decide("route", "Hello!")
  assert.are.same({ "list", "a/good", "timeout" }, { d.kind, d.model, d.reason })
  assert.are.same({ "a/good", "a/judge" }, d.models)
  assert.are.same({ { text = "judged", data = { err = "timeout" }, where = "routes/route.lua:5" } }, d.notes)
  assert.are.same({ "a/judge", "ask", "routes/route.lua:4" }, { d.asks[1].model, d.asks[1].purpose, d.asks[1].where })

  t:fake("a/judge", { json = { serve = true } })
  d = t:decide("route", "Hello!")
  assert.are.same({ "reply", "a/judge", '{"serve":true}' }, { d.kind, d.model, d.text })

  d = t:decide("route", { messages = { { role = "user", content = "Hi" } } }, { headers = { ["x-team"] = "legal" } })
  assert.are.same({ "refusal", 451, "not here" }, { d.kind, d.status, d.message })

  d = t:decide("route", "raise")
  assert.is_nil(d.kind)
  assert.matches("^routes/route.lua:6: deliberate", d.script_error)`)))

test('a fake answers in turn, or as a function of what it is asked', () =>
  passes(it(`
  t:fake("a/judge", { { text = "one" }, { error = "auth" }, { text = "three" } })
  local reasons = {}
  for i = 1, 4 do reasons[i] = t:decide("route", "Hello!").reason end
  assert.are.same({ "one", "auth", "three", "three" }, reasons)

  t:fake("a/judge", function(ask) return ask.model .. " " .. ask.n .. " " .. ask.messages[1].content end)
  assert.are.equal("a/judge 1 Hello!", t:decide("route", "Hello!").reason)`)))

test('a failing spec ends with 1 and names its line', () =>
  fails(it('  assert.are.equal("a/judge", t:decide("route", "Hello!").model)'), /specs\/route_spec\.lua:4/))

test('a spec with a syntax error ends with 1 and names its line', () => fails(specs('it("x", function()\n  local = 1\nend)\n'), /specs\/route_spec\.lua:3/))

test('a route that does not load is named before any spec runs', () =>
  fails(specs('', { 'route.lua': 'return function()\n  local = 1\nend\n' }), /routes\/route\.lua:2: /))

test('misuse of the kit names the line of the spec', async () => {
  await fails(it('  t:decide("rout", "Hello!")'), /route_spec\.lua:4: no route 'rout' \(did you mean 'route'\?\)/)
  await fails(it('  t:fake("a/judge", { txt = "x" })\n  t:decide("route", "Hello!")'), /the fake of a\/judge: unknown field 'txt'/)
  await fails(it('  t:fake("a/judge", { error = "oops" })\n  t:decide("route", "Hello!")'), /'oops' is no error kind/)
  await fails(it('  t:fake("a/judge", function() error("mine") end)\n  t:decide("route", "Hello!")'), /route_spec\.lua:4: mine/)
  await fails(it('  t:decide("route", { messages = 1 })'), /the request is refused before any route runs/)
})

test('without specs, and without busted, it says so', async () => {
  await fails(place({ 'wye.lua': WYE_LUA, 'route.lua': ROUTE_LUA }).dir, /there are no specs in .*routes/)
  await fails(specs(''), /busted is not installed .*apt-get install lua-busted/, { env: { LUA_PATH: '/nowhere/?.lua' } })
})

test('--json is JSON and nothing else', async () => {
  const { code, stdout } = await cli(['test', '--json', it('  assert.is_true(t ~= nil)')])
  assert.equal(code, 0)
  assert.equal(JSON.parse(stdout).successes.length, 1)
})

test('what a sweep finds refuses a check with the fault it was seen under', async () => {
  const bad = ROUTE_LUA.replace('if err then return { good, judge }, err.kind end', '')
  const dir = place({ 'wye.lua': WYE_LUA, 'route.lua': bad }).dir
  const { code, stdout } = await cli(['check', '--json', dir])
  assert.equal(code, 1)
  const { findings } = JSON.parse(stdout)
  assert.equal(findings.length, 1)
  const { file, line, column, seen } = findings[0]
  assert.deepEqual([file, line, column], ['routes/route.lua', 8, 6])
  assert.equal(seen, 'when ask 1 of a/judge answers malformed')
})
