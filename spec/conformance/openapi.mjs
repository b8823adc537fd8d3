// Every request that wye forwards to an OpenAI provider, judged by a mock that has read OpenAI's own description: `openapi()` gives { client, target, request, ok, why }.
//
// The requests are the recorded ones of every client protocol and those of requests.mjs. One that its recording's provider would have been sent as it is, and that the mock does not
// take so, tells nothing of wye and is left out.
import { join } from 'node:path'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { chat } from '../support/client.mjs'
import { ROOT, line, start, stop } from '../support/process.mjs'
import { shared } from '../support/shared.mjs'
import { replies, upstream } from '../support/upstream.mjs'
import { serve } from '../support/wye.mjs'
import { all } from './recordings.mjs'
import { REQUESTS } from './requests.mjs'

const PATHS = { chat: '/v1/chat/completions', messages: '/v1/messages', responses: '/v1/responses', embeddings: '/v1/embeddings' }

async function free_port() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

async function mock() {
  const port = await free_port()
  const program = join(ROOT, 'spec/conformance/node_modules/.bin/steady')
  const child = start(program, ['--host', '127.0.0.1', '-p', String(port), '--log-format', 'json', '-q', join(shared, 'openapi/openai.json')])
  await line(child, /"type":"startup"/, 60000)
  // What it has against a request; undefined when nothing.
  const judge = async (path, body) => {
    const reply = await fetch(`http://127.0.0.1:${port}${path.replace(/^\/v1/, '')}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const text = await reply.text()
    if (reply.headers.get('x-steady-request-valid') === 'true') return
    return (JSON.parse(text).steady?.errors ?? [{ path, message: text.slice(0, 200) }]).map((e) => `${e.path}: ${e.message}`).join('; ')
  }
  if (!(await judge('/v1/chat/completions', '{"model":"m","messages":[],"temperature":"hot"}'))) throw new Error('the mock takes anything')
  return { judge, stop: () => stop(child) }
}

const project = (url) => ({
  'wye.lua': `return { providers = { gpt = { kind = "openai", base_url = "${url}" }, old = { kind = "openai", base_url = "${url}", responses = false } },
    models = { ["gpt/m"] = {}, ["old/m"] = {}, ["gpt/text-embedding-3-small"] = {} }, default = "gpt/m", direct = true }`,
  'route.lua': 'return function() return wye.refuse(400, "name a model") end',
})

function requests() {
  const recorded = all().filter(({ wire, request }) => PATHS[wire] && request && !Array.isArray(request))
  const told = recorded.map(({ wire, name, request }) => ({ client: wire, name, request }))
  return [...told, ...Object.entries(REQUESTS).flatMap(([client, list]) => Object.entries(list).map(([name, request]) => ({ client, name, request })))]
}

export async function openapi() {
  const { judge, stop: stop_mock } = await mock()
  const up = await upstream()
  up.models.m = up.models['text-embedding-3-small'] = async (call, out) => {
    call.why = await judge(call.path, call.body)
    return replies.status(400)(call, out)
  }
  const w = await serve(project(up.url))
  const results = []
  for (const { client, name, request } of requests())
    for (const target of client === 'responses' ? ['gpt', 'old'] : ['gpt']) {
      const model = client === 'embeddings' ? 'gpt/text-embedding-3-small' : `${target}/m`
      const wire = client === 'messages' || target === 'old' ? 'chat' : client
      const before = up.calls.length
      const reply = await chat(w, { ...request, model }, { path: PATHS[client] })
      const calls = up.calls.slice(before)
      if (wire === client && (await judge(PATHS[client], JSON.stringify(request)))) continue
      // Refused for what its provider cannot express: then nothing was forwarded.
      const why = calls.map((call) => call.why).find(Boolean) ?? (calls.length === 0 && reply.status !== 400 ? `status ${reply.status}` : undefined)
      results.push({ client, target: `openai ${wire}`, request: name, forwarded: calls.length > 0, ok: !why, ...(why ? { why } : {}) })
    }
  await Promise.all([w.stop(), stop_mock()])
  up.stop()
  return results
}
