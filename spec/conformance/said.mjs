// What a provider said, in one form whatever the protocol: { text, thinking, refusal, calls, stop, usage }. What a provider sent is put together by its own SDK
// where it has one for this wire, what a client got by the client's SDK; both over real HTTP.
import Anthropic from '@anthropic-ai/sdk'
import { partialParse } from '@anthropic-ai/sdk/_vendor/partial-json-parser/parser.mjs'
import OpenAI from 'openai'

const openai = (base) => new OpenAI({ apiKey: 'none', baseURL: `${base}/v1`, maxRetries: 0, timeout: 20000 })
const anthropic = (base) => new Anthropic({ apiKey: 'none', baseURL: base, maxRetries: 0, timeout: 20000 })
const parsed = (text) => {
  try {
    return JSON.parse(text || '{}')
  } catch {
    return partialParse(text) // a reply may end inside them
  }
}

const chat_stops = { stop: 'stop', length: 'length', tool_calls: 'tool_calls', function_call: 'tool_calls', content_filter: 'content_filter' }

// The parts of a chat stream joined, also where a provider leaves out what the SDK insists on (the role).
function completion_of(chunks) {
  const message = { content: '', refusal: '', tool_calls: [] }
  const whole = { choices: [{ message, finish_reason: undefined }] }
  for (const { choices, usage, x_groq, error } of chunks) {
    if (error) throw Object.assign(new Error(error.message), { error })
    const { delta = {}, finish_reason } = choices?.find(({ index }) => index === 0) ?? {}
    message.content += delta.content ?? ''
    message.refusal += delta.refusal ?? ''
    for (const { index, function: { name, arguments: text } } of delta.tool_calls ?? []) {
      message.tool_calls[index] ??= { function: { name, arguments: '' } }
      message.tool_calls[index].function.arguments += text ?? ''
    }
    whole.choices[0].finish_reason = finish_reason ?? whole.choices[0].finish_reason
    whole.usage = usage ?? x_groq?.usage ?? whole.usage
  }
  return whole
}

function of_completion({ choices, usage }) {
  const [{ message, finish_reason }] = choices
  const calls = (message.tool_calls ?? []).map((call) => ({ name: call.function.name, input: parsed(call.function.arguments) }))
  const stop = message.refusal ? 'refusal' : (chat_stops[finish_reason] ?? finish_reason)
  const said = { text: message.content ?? '', refusal: message.refusal ?? '', calls, stop }
  if (!usage) return said
  const input = usage.prompt_tokens
  // Some keep the reasoning out of the completion, and the sum tells; some count more cached tokens than there were.
  const output = Math.max(usage.completion_tokens, (usage.total_tokens ?? 0) - input)
  return { ...said, usage: { input, cached: Math.min(input, usage.prompt_tokens_details?.cached_tokens ?? 0), output } }
}

const message_stops = {
  end_turn: 'stop', max_tokens: 'length', tool_use: 'tool_calls', stop_sequence: 'stop_sequence', refusal: 'refusal', pause_turn: 'pause',
  compaction: 'pause', model_context_window_exceeded: 'length',
}

function of_message({ content, stop_reason, usage }) {
  const text = content.map((block) => (block.type === 'text' ? block.text : '')).join('')
  const calls = content.filter((block) => block.type === 'tool_use').map((block) => ({ name: block.name, input: block.input }))
  const cached = usage.cache_read_input_tokens ?? 0
  const input = usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0)
  return { text, refusal: '', calls, stop: message_stops[stop_reason] ?? stop_reason, usage: { input, cached, output: usage.output_tokens } }
}

function of_response({ output, status, incomplete_details, usage }) {
  const parts = output.flatMap((item) => (item.type === 'message' ? item.content : []))
  const join = (type, member) => parts.map((part) => (part.type === type ? part[member] : '')).join('')
  const calls = output.filter((item) => item.type === 'function_call').map((item) => ({ name: item.name, input: parsed(item.arguments) }))
  const whole = calls.length > 0 ? 'tool_calls' : 'stop'
  const stop = status === 'completed' ? whole : { max_output_tokens: 'length', content_filter: 'content_filter' }[incomplete_details?.reason] ?? status
  const said = { text: join('output_text', 'text'), refusal: join('refusal', 'refusal'), calls, stop }
  if (usage) said.usage = { input: usage.input_tokens, cached: usage.input_tokens_details?.cached_tokens ?? 0, output: usage.output_tokens }
  return said
}

const gemini_stops = { STOP: 'stop', MAX_TOKENS: 'length', MALFORMED_FUNCTION_CALL: 'stop' }

function of_gemini(chunks) {
  const said = { text: '', refusal: '', calls: [] }
  for (const { candidates = [], usageMetadata } of chunks) {
    for (const part of candidates[0]?.content?.parts ?? []) {
      if (part.functionCall) said.calls.push({ name: part.functionCall.name, input: part.functionCall.args ?? {} })
      if (part.text && !part.thought) said.text += part.text
    }
    const reason = candidates[0]?.finishReason
    if (reason) said.stop = gemini_stops[reason] ?? 'content_filter'
    if (usageMetadata) {
      const { promptTokenCount = 0, toolUsePromptTokenCount = 0, cachedContentTokenCount = 0, candidatesTokenCount = 0, thoughtsTokenCount = 0 } = usageMetadata
      said.usage = { input: promptTokenCount + toolUsePromptTokenCount, cached: cachedContentTokenCount, output: candidatesTokenCount + thoughtsTokenCount }
    }
  }
  if (said.stop === 'stop' && said.calls.length > 0) said.stop = 'tool_calls'
  return said
}

// Its SDK puts no message together from a stream; neither does OpenAI's from one that leaves out the role.
async function chunks_of(url, body) {
  const reply = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  const text = await reply.text()
  if (!reply.ok) throw Object.assign(new Error(text), { status: reply.status, error: JSON.parse(text).error })
  if (!/event-stream/.test(reply.headers.get('content-type'))) return [JSON.parse(text)]
  const data = text.split(/\r?\n/).filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim())
  return data.filter((line) => line !== '[DONE]' && line !== '').map((line) => JSON.parse(line))
}

const gemini = async (base, { model, stream }) =>
  of_gemini(await chunks_of(`${base}/v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`, {}))

const tool = (name) => ({ name, description: 'x', parameters: { type: 'object', properties: {} } })

// Asks `base` by the protocol's SDK and puts the answer together. `tools`: the names of those that the request declares.
export const ASK = {
  chat: async (base, { model, stream, tools = [] }) => {
    const body = { model, messages: [{ role: 'user', content: 'x' }] }
    if (tools.length > 0) body.tools = tools.map((name) => ({ type: 'function', function: tool(name) }))
    const { completions } = openai(base).chat
    if (!stream) return of_completion(await completions.create(body))
    return of_completion(await completions.stream({ ...body, stream_options: { include_usage: true } }).finalChatCompletion())
  },
  messages: async (base, { model, stream, tools = [] }) => {
    const body = { model, max_tokens: 64000, messages: [{ role: 'user', content: 'x' }] }
    if (tools.length > 0) body.tools = tools.map((name) => ({ name, description: 'x', input_schema: { type: 'object', properties: {} } }))
    const { messages } = anthropic(base)
    return of_message(stream ? await messages.stream(body).finalMessage() : await messages.create(body, { timeout: 20000 }))
  },
  responses: async (base, { model, stream, tools = [] }) => {
    const body = { model, input: 'x' }
    if (tools.length > 0) body.tools = tools.map((name) => ({ type: 'function', strict: false, ...tool(name) }))
    const { responses } = openai(base)
    if (!stream) return of_response(await responses.create(body))
    const running = responses.stream(body)
    let incomplete // which its SDK tells, and does not put together
    running.on('response.incomplete', ({ response }) => (incomplete = response))
    const whole = await running.finalResponse()
    return of_response(incomplete ?? whole)
  },
}

// What the provider sent.
export const SENT = {
  ...ASK,
  gemini,
  chat: async (base, request) =>
    request.stream ? of_completion(completion_of(await chunks_of(`${base}/v1/chat/completions`, { model: request.model }))) : ASK.chat(base, request),
}

// How a client of the protocol reads it: not all reasons have a word of their own, and Anthropic's protocol no place for a refusal but the text.
const MERGED = {
  chat: { refusal: 'content_filter', pause: 'stop', stop_sequence: 'stop' },
  messages: { content_filter: 'refusal' },
  responses: { refusal: 'content_filter', pause: 'stop', stop_sequence: 'stop' },
}
export function said_to(protocol, said) {
  if (protocol === 'responses' && said.refusal) return { ...said, stop: 'stop' }
  const stop = MERGED[protocol][said.stop] ?? said.stop
  return protocol === 'messages' ? { ...said, stop, text: said.text + said.refusal, refusal: '' } : { ...said, stop }
}
