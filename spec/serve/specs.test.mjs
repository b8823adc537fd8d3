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

test('a fake of a model that the project does not have is raised, with the near name', async () => {
  await fails(it('  t:fake("a/judeg", "x")\n  t:decide("route", "Hi")'), /route_spec\.lua:5: .*no model 'a\/judeg' in wye\.lua \(did you mean 'a\/judge'\?\)/)
  await fails(it('  t:fake("mars/rover", "x")\n  t:decide("route", "Hi")'), /no model 'mars\/rover' in wye\.lua\s/)
})

test('a fake answers in turn, or as a function of what it is asked', () =>
  passes(it(`
  t:fake("a/judge", { { text = "one" }, { error = "auth" }, { text = "three" } })
  local reasons = {}
  for i = 1, 4 do reasons[i] = t:decide("route", "Hello!").reason end
  assert.are.same({ "one", "auth", "three", "three" }, reasons)

  t:fake("a/judge", function(ask) return ask.model .. " " .. ask.n .. " " .. ask.messages[1].content end)
  assert.are.equal("a/judge 1 Hello!", t:decide("route", "Hello!").reason)`)))

const LEANS_LUA = `local good, judge = wye.model "a/good", wye.model "a/judge"
local trial = wye.experiment("t", { unit = "user", { "plain", 50, function() return good, "plain" end },
  { "asks", 50, function(req) local r, err = judge:ask(req); if not r then return good, err.kind end return r, "asked" end } })
return function(req)
  wye.shadow(function(mine) return judge, "shadow of " .. mine.prompt end, req)
  if req.prompt == "arms" then return trial(req) end
  if req.prompt == "first" then
    local r, err = wye.first({ good, judge }, req, { hedge = 0.5 })
    return r or good, r and r.model or err.kind
  end
  if req.prompt == "gather" then return good, tostring(#wye.gather({ good, judge, good }, req, { n = 1 })) end
  return good, ("%.6f %.6f %s %s %s %d"):format(wye.now(), wye.now(), wye.kv.get("k"), wye.kv.get("gone"), req.id, wye.random(1000))
end
`
const leans = (body) => specs('', { 'leans.lua': LEANS_LUA, 'specs/leans_spec.lua': `local kit = require "wye.testkit"\nit("works", function()\n  local t = kit.project()\n${body}\nend)\n` })

test('clock, chance, wye.kv and the protocol are what the spec sets', () =>
  passes(leans(`
  local set = { id = "1k0xa28mv4n00", now = { 1700000000.123456, 1700000001 }, kv = { { "get", "k", 1 / 3 }, { "get", "gone" } } }
  local first = t:decide("leans", "hello", set)
  assert.are.equal("1700000000.123456 1700000001.000000 0.33333333333333 nil 1k0xa28mv4n00 " .. first.reason:match("%d+$"), first.reason)
  assert.are.equal(first.reason, t:decide("leans", "hello", set).reason)
  set.protocol, set.id = "messages", "another"
  local other = t:decide("leans", kit.json [[{ "model": "auto", "max_tokens": 9, "stop_sequences": [], "messages": [{ "role": "user", "content": "hello" }] }]], set)
  assert.are_not.equal(first.reason:match("%d+$"), other.reason:match("%d+$"))
  assert.are.equal("a/good", other.decision)`)))

test('answers and hedges end when the spec says', () =>
  passes(leans(`
  t:fake("a/good", { ms = 400 })
  assert.are.equal("a/good", t:decide("leans", "first").reason)
  t:fake("a/good", { ms = 600 })
  assert.are.equal("a/judge", t:decide("leans", "first").reason)
  assert.are.equal("a/good", t:decide("leans", "first", { waits = { 700 } }).reason)
  t:fake("a/good", { never = true })
  assert.are.equal("a/judge", t:decide("leans", "first").reason)
  assert.matches("waits for something that never comes", t:decide("leans", "first", { waits = { false } }).script_error)
  t:fake("a/good", { { error = "connect", at = 3 }, { at = 4 } })
  t:fake("a/judge", { never = true })
  assert.are.equal("1", t:decide("leans", "gather").reason)`)))

test('each arm is driven, and what fails under one says which', async () => {
  await passes(leans(`
  t:fake("a/judge", { { error = "auth" }, "well" })
  assert.are.equal("asks", t:decide("leans", "arms", { arms = { t = "asks" } }).experiments[1].arm)
  local reasons = {}
  t:each_arm("leans", "arms", function(d) reasons[#reasons + 1] = d.experiments[1].arm .. " " .. d.reason end)
  assert.are.same({ "plain plain", "asks auth" }, reasons)
  t:each_arm("leans", "no experiment", function(d) reasons[#reasons + 1] = #d.experiments end)
  assert.are.equal(0, reasons[3])`))
  await fails(leans('  t:each_arm("leans", "arms", function(d) assert.are.equal("plain", d.reason) end)'), /in arm asks of t: /)
})

test('the rule of a shadow is driven', async () => {
  await passes(leans('  assert.are.same({ "a/judge", "shadow of hello" }, { t:decide("leans", "hello", { shadow = 1 }).model, t:decide("leans", "hello", { shadow = 1 }).reason })'))
  await fails(leans('  t:decide("leans", "hello", { shadow = 2 })'), /leans_spec\.lua:4: the route called wye\.shadow 1 times, not 2/)
})

test('specs in folders of specs/ run', () =>
  passes(place({ 'wye.lua': WYE_LUA, 'route.lua': ROUTE_LUA, 'specs/a/b_spec.lua': 'it("works", function() assert.is_true(true) end)\n' }).dir))

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
  await fails(it('  t:decide("route", "Hello!", { hdrs = {} })'), /route_spec\.lua:4: decide: unknown option 'hdrs'/)
  await fails(it('  t:decide("route", "Hello!", { kv = { { "got", "x" } } })'), /route_spec\.lua:4: decide: kv is a list of/)
  await fails(it('  t:decide("route", "Hello!", { protocol = "message" })'), /no protocol 'message' \(did you mean 'messages'\?\)/)
  await fails(it('  t:decide("route", "Hello!", { arms = { t = "v1" } })'), /route_spec\.lua:4: arms: the project has no experiment 't'/)
  await fails(it('  t:fake("a/judge", { body = kit.json "{" })\n  t:decide("route", "Hello!")'), /its body is no JSON/)
  await fails(it('  t:decide("route", { messages = 1 })'), /the request is refused before any route runs/)
})

test('without specs there is nothing to fail; without busted there is', async () => {
  for (const files of [{}, { 'specs/README.md': 'none yet\n' }]) {
    const { dir } = place({ 'wye.lua': WYE_LUA, 'route.lua': ROUTE_LUA, ...files })
    const told = await cli(['test', dir])
    assert.equal(told.code, 0, told.stderr)
    assert.match(told.stdout, /^there are no specs in .*routes: write .*\/specs\/NAME_spec\.lua$/m)
    const json = JSON.parse((await cli(['test', '--json', dir])).stdout)
    assert.deepEqual([json.successes, json.failures, json.errors], [[], [], []])
  }
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
