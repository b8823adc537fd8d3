// Clients that people use hold a streamed conversation with `wye serve --demo` in which a tool is called and answered: the Vercel AI SDK, LangChain, and Claude Code, offline.
// `agents()` gives { client, model, ok, why } of each.
import { join } from 'node:path'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { ChatAnthropic } from '@langchain/anthropic'
import { AIMessageChunk, HumanMessage, ToolMessage } from '@langchain/core/messages'
import { ChatOpenAI } from '@langchain/openai'
import { jsonSchema, stepCountIs, streamText, tool } from 'ai'
import { ROOT, run } from '../support/process.mjs'
import { folder, serve, write } from '../support/wye.mjs'

const MODELS = ['openai/mini', 'anthropic/sonnet', 'google/flash', 'local/70b', 'auto']
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false }
const prompt = 'What does the weather tool say about Oslo'
const TOLD = /^The tool has answered\./ // how the simulator begins after a tool's result

function told({ pieces, called, text }) {
  if (called !== 'Oslo') return `the tool was called with ${called}`
  if (!TOLD.test(text)) return `the answer is ${text.slice(0, 100)}`
  return pieces > 3 ? undefined : `it came in ${pieces} pieces`
}

async function vercel(model) {
  let called
  const weather = tool({
    description: 'the weather', inputSchema: jsonSchema(parameters),
    execute: async ({ city }) => {
      called = city
      return 'rain'
    },
  })
  const result = streamText({ model, prompt, tools: { weather }, stopWhen: stepCountIs(3), maxRetries: 0, onError: () => {} })
  const seen = { pieces: 0, text: '' }
  for await (const part of result.fullStream) {
    if (part.type === 'error') throw part.error
    if (part.type === 'text-delta') {
      seen.pieces++
      seen.text += part.text
    }
  }
  return told({ ...seen, called })
}

async function streamed(model, messages) {
  let whole, pieces = 0
  for await (const chunk of await model.stream(messages)) {
    whole = whole ? whole.concat(chunk) : new AIMessageChunk(chunk)
    pieces++
  }
  return { whole, pieces }
}

async function langchain(plain) {
  const model = plain.bindTools([{ type: 'function', function: { name: 'weather', description: 'the weather', parameters } }])
  const messages = [new HumanMessage(prompt)]
  const first = await streamed(model, messages)
  const [call] = first.whole.tool_calls
  if (!call) return 'no tool was called'
  messages.push(first.whole, new ToolMessage({ content: 'rain', tool_call_id: call.id, name: call.name }))
  const { whole, pieces } = await streamed(model, messages)
  return told({ pieces, called: call.args.city, text: whole.text })
}

const CODE_ENV = { ANTHROPIC_API_KEY: 'none', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_TELEMETRY: '1', DISABLE_AUTOUPDATER: '1' }

// Its tool runs what the model says, and the answer comes after the result.
async function claude_code(url, model) {
  const home = folder()
  write(home, { 'work/a.txt': '' })
  const args = ['-p', 'With Bash please run: ls', '--tools', 'Bash', '--allowedTools', 'Bash', '--output-format', 'stream-json', '--verbose']
  const env = { ...CODE_ENV, HOME: home, ANTHROPIC_BASE_URL: url, ANTHROPIC_MODEL: model, ANTHROPIC_SMALL_FAST_MODEL: model }
  const { stdout, stderr } = await run(join(ROOT, 'spec/conformance/node_modules/.bin/claude'), args, { env, cwd: join(home, 'work') })
  const said = stdout.split('\n').filter(Boolean).map((text) => JSON.parse(text))
  const result = said.find(({ type }) => type === 'result')
  if (!result || result.is_error) return `it ended with ${result?.result ?? stderr.slice(0, 200)}`
  if (!said.some(({ type, message }) => type === 'user' && message.content.some?.((block) => block.type === 'tool_result'))) return 'the tool was not used'
  return TOLD.test(result.result) ? undefined : `the answer is ${result.result.slice(0, 100)}`
}

const CLIENTS = {
  'ai: @ai-sdk/openai chat': (url, model) => vercel(createOpenAI({ apiKey: 'none', baseURL: `${url}/v1` }).chat(model)),
  'ai: @ai-sdk/openai responses': (url, model) => vercel(createOpenAI({ apiKey: 'none', baseURL: `${url}/v1` }).responses(model)),
  'ai: @ai-sdk/anthropic': (url, model) => vercel(createAnthropic({ apiKey: 'none', baseURL: `${url}/v1` })(model)),
  '@langchain/openai': (url, model) => langchain(new ChatOpenAI({ apiKey: 'none', model, maxRetries: 0, configuration: { baseURL: `${url}/v1` } })),
  '@langchain/openai responses': (url, model) => langchain(new ChatOpenAI({ apiKey: 'none', model, maxRetries: 0, useResponsesApi: true, configuration: { baseURL: `${url}/v1` } })),
  '@langchain/anthropic': (url, model) => langchain(new ChatAnthropic({ apiKey: 'none', model, maxRetries: 0, anthropicApiUrl: url })),
  '@anthropic-ai/claude-code': claude_code,
}

export async function agents() {
  const w = await serve({ home: folder(), dir: join(ROOT, 'routes') }, { demo: true })
  const results = []
  for (const [client, talk] of Object.entries(CLIENTS))
    for (const model of MODELS) {
      const why = await talk(w.url, model).catch((error) => String(error.message ?? error))
      results.push({ client, model, ok: !why, ...(why ? { why } : {}) })
    }
  await w.stop()
  return results
}
