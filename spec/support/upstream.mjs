// A provider in the OpenAI wire format that does what the test says and records what it was sent.
//   const up = await upstream({ first: replies.status(429), second: replies.chat('hi') })
//   up.calls[0].body          the exact bytes
// A model that is not named answers `replies.chat(model)`.
import { createServer } from 'node:http'
import { createServer as createSecure } from 'node:https'
import { once } from 'node:events'

const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 }
const json = { 'content-type': 'application/json' }
const sse = { 'content-type': 'text/event-stream' }

function completion(call, message, finish_reason = 'stop') {
  const choices = [{ index: 0, message: { role: 'assistant', ...message }, finish_reason }]
  return { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: call.model, choices, usage }
}

function frame(call, delta, finish_reason = null) {
  const chunk = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: call.model }
  return `data: ${JSON.stringify({ ...chunk, choices: [{ index: 0, delta, finish_reason }] })}\n\n`
}

function last_frames(call, finish) {
  let out = frame(call, {}, finish)
  if (call.json.stream_options?.include_usage)
    out += `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: call.model, choices: [], usage })}\n\n`
  return out + 'data: [DONE]\n\n'
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms))
const words = (text) => text.match(/\S+\s*/g) ?? []

export const replies = {
  // The text, word for word when streamed, `gap` milliseconds apart.
  chat: (text, { gap = 0 } = {}) => async (call, out) => {
    if (!call.json.stream) {
      if (gap) await pause(gap)
      return out.writeHead(200, json).end(JSON.stringify(completion(call, { content: text })))
    }
    out.writeHead(200, sse).write(frame(call, { role: 'assistant', content: '' }))
    for (const word of words(text)) {
      if (gap) await pause(gap)
      out.write(frame(call, { content: word }))
    }
    out.end(last_frames(call, 'stop'))
  },
  tool: (name, args) => (call, out) => {
    const whole = { id: 'call_1', type: 'function', function: { name, arguments: args } }
    if (!call.json.stream)
      return out.writeHead(200, json).end(JSON.stringify(completion(call, { content: null, tool_calls: [whole] }, 'tool_calls')))
    out.writeHead(200, sse).write(frame(call, { role: 'assistant', content: null, tool_calls: [{ index: 0, ...whole, function: { name, arguments: '' } }] }))
    for (const part of args.match(/.{1,4}/g)) out.write(frame(call, { tool_calls: [{ index: 0, function: { arguments: part } }] }))
    out.end(last_frames(call, 'tool_calls'))
  },
  status: (status, { headers = {}, type = 'some_error', message = `upstream says ${status}` } = {}) => (call, out) =>
    out.writeHead(status, { ...json, ...headers }).end(JSON.stringify({ error: { message, type, param: null, code: null } })),
  // Takes the request and never says a word.
  hang: () => () => {},
  // Says that a stream begins, and no content ever.
  hang_after_head: () => (call, out) => {
    if (call.json.stream) out.writeHead(200, sse).write(frame(call, { role: 'assistant', content: '' }))
  },
  reset: () => (call, out) => out.socket.resetAndDestroy(),
  // HTTP 200, then an error where content should be.
  error_event: (error = { message: 'the model burst', type: 'server_error', param: null, code: null }) => (call, out) =>
    call.json.stream ? out.writeHead(200, sse).end(`data: ${JSON.stringify({ error })}\n\n`) : out.writeHead(200, json).end(JSON.stringify({ error })),
  // Ends inside the reply, after `text` when streamed.
  cut: (text = '') => (call, out) => {
    if (call.json.stream) out.writeHead(200, sse).write(frame(call, { role: 'assistant', content: text }), () => out.socket.destroy())
    else out.writeHead(200, { ...json, 'content-length': 1000 }).write('{"id":', () => out.socket.destroy())
  },
  // Content, then an error in the stream.
  fail_late: (text) => (call, out) =>
    out.writeHead(200, sse).end(frame(call, { role: 'assistant', content: text }) + 'data: {"error":{"message":"lost it","type":"server_error"}}\n\n'),
  not_json: () => (call, out) => (call.json.stream ? out.writeHead(200, sse).end('data: {oh no\n\n') : out.writeHead(200, json).end('{oh no')),
  not_http: () => (call, out) => out.socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
  raw: (text, type = 'application/json') => (call, out) => out.writeHead(200, { 'content-type': type }).end(text),
}

// `tls`: { key, cert } makes it https, at the name that its certificate says.
export async function upstream(models = {}, tls) {
  const calls = []
  const answer = async (request, out) => {
    const chunks = []
    const call = { path: request.url, headers: request.headers, gone: false }
    out.on('close', () => (call.gone = !out.writableFinished))
    out.on('error', () => {})
    try {
      for await (const chunk of request) chunks.push(chunk)
    } catch {
      return
    }
    call.body = Buffer.concat(chunks)
    call.json = JSON.parse(call.body)
    call.model = call.json.model
    calls.push(call)
    await (models[call.model] ?? replies.chat(call.model))(call, out)
  }
  const server = tls ? createSecure(tls, answer) : createServer(answer)
  let connections = 0
  server.on('connection', () => connections++)
  server.keepAliveTimeout = 60000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  const { port } = server.address()
  return {
    calls,
    models,
    connections: () => connections, // accepted so far
    port,
    url: tls ? `https://localhost:${port}/v1` : `http://127.0.0.1:${port}/v1`,
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

// A project whose providers `a` and `b` are both this upstream; models are named by what they should do.
export function project(up, names, files = {}) {
  const models = names.map((name) => `    ["${name}"] = { price = { input = 1, output = 2 } },`)
  return {
    'wye.lua': `return {
  providers = {
    a = { kind = "openai", base_url = "${up.url}" },
    b = { kind = "openai", base_url = "${up.url}" },
  },
  models = {
${models.join('\n')}
  },
  default = "${names[0]}",
  direct = true,
}
`,
    'route.lua': `return function() return wye.model "${names[0]}", "only" end\n`,
    ...files,
  }
}
