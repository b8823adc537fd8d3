// Every recording through wye for a client of every protocol: `pairs()` gives { provider, client, recording, ok, why } of each.
//
// The protocol of the provider: the client sends the recorded request and must get the recorded bytes. Another: the client's SDK must put together what the
// provider's own SDK puts together from the recording, in text, tool calls, stop reason and tokens; or fail as that does, with the provider's words.
import { isDeepStrictEqual } from 'node:util'
import { chat } from '../support/client.mjs'
import { replaying } from '../support/recorded.mjs'
import { serve } from '../support/wye.mjs'
import { all } from './recordings.mjs'
import { ASK, SENT, said_to } from './said.mjs'

const PATHS = { chat: '/v1/chat/completions', messages: '/v1/messages', responses: '/v1/responses', embeddings: '/v1/embeddings' }
const CLIENTS = ['chat', 'messages', 'responses']
const KINDS = { chat: 'openai', messages: 'anthropic', responses: 'openai', embeddings: 'openai', gemini: 'gemini' }

const provider_of = ({ dir, wire }) => `${dir}-${wire}`

function provider(recording, url) {
  const kind = recording.dir === 'azure-openai' ? 'azure' : KINDS[recording.wire]
  const base = url + ({ openai: '/v1', azure: '/openai/v1' }[kind] ?? '')
  return `["${provider_of(recording)}"] = { kind = "${kind}", base_url = "${base}"${recording.wire === 'chat' ? ', responses = false' : ''} },`
}

function project(recordings, url) {
  const providers = new Set(recordings.map((recording) => provider(recording, url)))
  const models = recordings.map((recording) => `["${provider_of(recording)}/${recording.id}"] = {},`)
  return {
    'wye.lua': `return { providers = { ${[...providers].join('\n')} },\nmodels = { ${models.join('\n')} },\ndefault = "${provider_of(recordings[0])}/${recordings[0].id}", direct = true }`,
    'route.lua': `return function() return wye.refuse(400, "name a model") end`,
  }
}

const MINIMAL = {
  chat: { messages: [{ role: 'user', content: 'x' }] },
  messages: { max_tokens: 9, messages: [{ role: 'user', content: 'x' }] },
  responses: { input: 'x' },
  embeddings: { input: 'x' },
}

const shorten = (value, at = 0) => {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.slice(Math.max(0, at - 40), at + 160)
}

function first_difference(got, wanted) {
  let at = 0
  while (at < wanted.length && got[at] === wanted[at]) at++
  return `byte ${at}: got ${JSON.stringify(shorten(got, at))} for ${JSON.stringify(shorten(wanted, at))}`
}

// An error before any content, in a stream that wye has not begun then: the status tells it.
const fails_at_once = ({ streamed, body }) => streamed && /^(event: error\r?\n)?data: {"error"/.test(body)

// The client's bytes beside the recording's.
async function same(w, recording) {
  const { wire, status, body, streamed } = recording
  const request = { ...MINIMAL[wire], stream: streamed, ...recording.request, model: `${provider_of(recording)}/${recording.id}` }
  if (wire === 'embeddings') delete request.stream
  if (wire === 'chat' && streamed) request.stream_options = { include_usage: true }
  const reply = await chat(w, request, { path: PATHS[wire] })
  if (reply.status !== status && fails_at_once(recording)) return reply.status >= 400 && !reply.json?.error ? `no error: ${shorten(reply.text)}` : undefined
  if (reply.status !== status) return `status ${reply.status} for ${status}: ${shorten(reply.text)}`
  return reply.text === body.toString() ? undefined : first_difference(reply.text, body.toString())
}

async function outcome(ask, base, request) {
  try {
    return { said: await ask(base, request) }
  } catch (error) {
    return { error }
  }
}

const words_of = (error) => error.error?.error?.message ?? error.error?.message ?? error.message

// Gemini says 400 of a key that is wrong; only Anthropic's protocol has 529.
function status_to(client, error) {
  if (JSON.stringify(error.error ?? '').includes('API_KEY_INVALID')) return 401
  return error.status === 529 && client !== 'messages' ? 503 : error.status
}

function failed(client, got, wanted) {
  if (!got.error) return `an answer, where the provider failed with ${shorten(words_of(wanted.error))}`
  const status = status_to(client, wanted.error)
  if (status && got.error.status !== status) return `status ${got.error.status} for ${status}`
  if (/no body\)$/.test(words_of(wanted.error))) return // its SDK found no words in it
  if (!words_of(got.error).includes(words_of(wanted.error))) return `the error says ${shorten(words_of(got.error))} for ${shorten(words_of(wanted.error))}`
}

function said(client, got, wanted) {
  if (got.error) return `the client failed: ${shorten(words_of(got.error))}`
  const expected = said_to(client, wanted.said)
  for (const field of ['text', 'refusal', 'calls', 'stop', 'usage'])
    if (expected[field] !== undefined && !isDeepStrictEqual(got.said[field], expected[field]))
      return `${field}: ${typeof expected[field] === 'string' ? first_difference(got.said[field] ?? '', expected[field]) : `got ${shorten(got.said[field])} for ${shorten(expected[field])}`}`
}

// Some recordings lack the blank line at their end, without which an SDK does not see the last event; wye does.
const ended = (recording) => (recording.streamed ? { ...recording, body: Buffer.concat([recording.body, Buffer.from('\n\n')]) } : recording)

async function across(w, original, recording, client) {
  const { id, wire, streamed } = recording
  const wanted = await outcome(SENT[wire], original.url, { model: id, stream: streamed })
  const tools = [...new Set((wanted.said?.calls ?? []).map((call) => call.name))]
  const got = await outcome(ASK[client], w.url, { model: `${provider_of(recording)}/${id}`, stream: streamed, tools })
  return wanted.error ? failed(client, got, wanted) : said(client, got, wanted)
}

function clients_of({ wire }) {
  if (wire === 'embeddings') return ['embeddings']
  return wire === 'responses' ? ['responses'] : CLIENTS
}

export async function pairs(recordings = all().filter(({ wire }) => wire)) {
  const up = await replaying(recordings)
  const original = await replaying(recordings.map(ended))
  const w = await serve(project(recordings, up.url))
  const results = []
  for (const recording of recordings)
    for (const client of clients_of(recording)) {
      const exact = client === recording.wire
      const why = exact ? await same(w, recording) : await across(w, original, recording, client)
      results.push({ provider: recording.dir, wire: recording.wire, client, exact, recording: recording.name, ok: !why, ...(why ? { why } : {}) })
    }
  await w.stop()
  up.stop()
  original.stop()
  return results
}
